//! Where points go, and how they are read again.
//!
//! A [`Sink`] takes points; each runs behind a [`queue`] on a thread of its own, and [`config`] says
//! which there are. [`store`] keeps the series in an embedded SQLite file, one table a series;
//! [`query`] reads such a file with SQL that knows `now()` and durations like
//! `1h`; [`table`] and [`rows`] print the answer for people and for programs. [`listener`] is what serves: it takes
//! a number of clients, and ends those that do nothing.
//! Peers choose some of the text that passes here, so it is escaped at this
//! border ([`escape`]): nothing a peer sends can move a terminal's cursor.

pub mod alerts;
pub mod config;
pub mod contract;
pub mod error;
pub mod escape;
pub mod functions;
pub mod influx;
pub mod listener;
mod lock;
mod narrow;
mod percentile;
pub mod prometheus;
mod pruning;
pub mod query;
pub mod queue;
pub mod recording;
pub mod rewrite;
pub mod rollup;
pub mod rows;
pub mod schema;
pub mod steady;
pub mod store;
mod suggest;
pub mod summary;
mod sums;
pub mod table;

pub use config::SinkConfig;
pub use contract::{Sink, SinkError};
pub use error::StoreError;
pub use query::{Limits, QueryError, StoreReader, Summary};
pub use store::Store;

#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
#[path = "../../tests/influx/fake.rs"]
mod fake;
#[cfg(test)]
mod fixture;
