//! Wires the stages: the only place with threads, channels and clocks.
//!
//! Reading order: [`clock`] and [`dispatch`] (frames to routed segments and
//! ticks), [`worker`] (partitions), [`inline`] (all stages on one thread),
//! [`run`] (a replay from files to results), [`outlets`] (points to the sinks), [`messages`] (what `btcdmon
//! messages` prints).

pub mod clock;
pub mod dispatch;
pub mod inline;
pub mod messages;
pub mod outlets;
pub mod progress;
pub mod run;
pub mod shutdown;
pub mod worker;
