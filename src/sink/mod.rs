//! Where points go, and how they are read again.
//!
//! [`store`] keeps the series in an embedded SQLite file, one table a series;
//! [`query`] reads such a file with SQL that knows `now()` and durations like
//! `1h`; [`table`] and [`rows`] print the answer for people and for programs.
//! Peers choose some of the text that passes here, so it is escaped at this
//! border ([`escape`]): nothing a peer sends can move a terminal's cursor.

pub mod error;
pub mod escape;
pub mod functions;
mod lock;
pub mod query;
pub mod rewrite;
pub mod rows;
pub mod schema;
pub mod store;
mod suggest;
pub mod summary;
pub mod table;

pub use error::StoreError;
pub use query::{Limits, QueryError, StoreReader, Summary};
pub use store::{Loss, Store};

#[cfg(test)]
mod fixture;
