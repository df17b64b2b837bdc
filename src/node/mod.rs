//! The watched node as one thing: what all its connections add up to.
//!
//! Takes the events of the connections in capture order and gives messages as
//! the node saw them, points of the series, and at the end a report. Serial:
//! what can be done in the workers is done there.
//!
//! Reading order: [`spec`] and [`watch`] (which end is the node), [`connection`],
//! [`totals`] (sums and gauges of one node),
//! [`transactions`], [`view`] (the entry point), [`report`].

pub mod connection;
mod learn;
pub mod report;
pub mod spec;
pub mod totals;
pub mod transactions;
pub mod view;
pub mod watch;

pub use report::Report;
pub use spec::NodeSpec;
pub use view::{Config, Direction, Output, SeenMessage, View};
