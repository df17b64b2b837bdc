//! Where points go, and how they are read again.
//!
//! [`store`] keeps the series in an embedded SQLite file, one table a series.
//! Peers choose some of the text that passes here, so it is escaped at this
//! border ([`escape`]): nothing a peer sends can move a terminal's cursor.

pub mod error;
pub mod escape;
mod lock;
pub mod schema;
pub mod store;

pub use error::StoreError;
pub use store::{Loss, Store};

#[cfg(test)]
mod fixture;
