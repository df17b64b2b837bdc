//! What the server is told when it starts.

use super::access::Access;
use crate::sink::rollup::Retention;
use std::path::PathBuf;

/// Where the figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the wire.
    Live,
    /// From files.
    Replay,
}

/// What the server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the figures come from.
    pub mode: Mode,
    /// How many times faster than the capture a replay goes; as fast as it can without.
    pub speed: Option<f64>,
    /// The store; none is kept without.
    pub store: Option<PathBuf>,
    /// How long that keeps what.
    pub retention: Retention,
    /// Name of this sensor.
    pub sensor: String,
    /// Length of an interval, ns.
    pub interval: i64,
    /// Conversations that the flow stage keeps at most.
    pub max_connections: u64,
    /// Who may ask.
    pub access: Access,
}
