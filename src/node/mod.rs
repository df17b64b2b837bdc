//! The watched node as one thing: what all its connections add up to.
//!
//! Takes the events of the connections in capture order and gives messages as
//! the node saw them, points of the series, and at the end a report. Serial:
//! what can be done in the workers is done there.
//!
//! Reading order: [`spec`] and [`watch`] (which end is the node), [`connection`],
//! [`totals`] (sums and gauges of one node),
//! [`ledger`] (what a node's messages add up to: [`mempool`], [`blocks`] with [`compact`], [`chain`],
//! [`transactions`]), [`encrypted`] (the same of inferred messages), [`exchange`] (announcements and pings),
//! [`coins`] with [`outpoints`] (shared by all nodes), [`view`] (the entry point), [`output`], [`report`].

pub mod addresses;
pub mod blocks;
pub mod chain;
pub mod coins;
pub mod compact;
pub mod connection;
pub mod encrypted;
pub mod exchange;
pub mod key;
mod learn;
pub mod ledger;
pub mod limiter;
pub mod mempool;
pub mod outpoints;
pub mod output;
pub mod peer;
pub mod peer_set;
pub mod recent;
pub mod report;
pub mod seen;
pub mod spec;
pub mod totals;
pub mod transactions;
pub mod trouble;
pub mod view;
pub mod watch;

pub use output::{Direction, Output, SeenEstimate, SeenMessage};
pub use report::Report;
pub use spec::NodeSpec;
pub use view::status::{NodeStatus, Status};
pub use view::{Config, View};
