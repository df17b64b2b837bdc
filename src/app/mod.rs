//! Wires the stages: the only place with threads, channels and clocks.
//!
//! Reading order: [`clock`] and [`dispatch`] (frames to routed segments and
//! ticks), [`worker`] (partitions), [`inline`] (all stages on one thread);
//! then the same on several: [`batch`] (what travels), [`epoch`] (the lock-step
//! over the channels of [`fabric`]), [`merge`] (back into the order of the
//! capture), [`threads`]; [`stage`] is either; [`outlets`] takes the points to the
//! sinks. [`run`] is a replay from files to results, [`messages`] what `btcdmon messages`
//! prints, [`pace`] slows it down for those who watch. [`live`] is a run on network interfaces, with [`privileges`] and [`sandbox`]
//! (what it gives up), [`board`] (what it tells), [`serve`] (the dashboard) and [`keep`] (frames in files).

pub mod batch;
pub mod board;
pub mod clock;
pub mod dispatch;
pub mod doctor;
pub mod epoch;
pub mod fabric;
pub mod inline;
pub mod keep;
pub mod live;
pub mod log;
pub mod merge;
pub mod messages;
pub mod outlets;
pub mod pace;
pub mod privileges;
pub mod progress;
pub mod run;
pub mod sandbox;
mod seccomp;
pub mod serve;
pub mod shutdown;
pub mod signals;
pub mod stage;
pub mod status_line;
pub mod threads;
mod verdicts;
pub mod worker;
