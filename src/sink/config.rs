//! The sinks by configuration: one variant each, one arm in [`build`].

use super::contract::{Notices, Sink, SinkError};
use super::influx::udp::Udp;
use super::influx::{self, Influx};
use super::store::Store;
use crate::series::Series;
use serde::Deserialize;
use std::path::PathBuf;

/// A sink and what it needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SinkConfig {
    /// The embedded store.
    Store {
        /// Its file.
        path: PathBuf,
    },
    /// InfluxDB, or what takes its line protocol.
    Influx(influx::Config),
}

/// What all sinks are told.
#[derive(Clone, Debug)]
pub struct Context {
    /// Name of this sensor.
    pub sensor: String,
    /// The series whose points come.
    pub series: &'static [Series],
    /// Where to say things.
    pub notices: Notices,
    /// A live capture: what cannot be delivered now is kept, and nobody waits.
    pub live: bool,
}

impl SinkConfig {
    /// What messages call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Store { .. } => "store",
            Self::Influx(_) => "influx",
        }
    }
}

/// Opens the sink that `config` describes.
///
/// # Errors
/// Why it cannot be used, and what to do about it.
pub fn build(config: &SinkConfig, context: &Context) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match config {
        SinkConfig::Store { path } => Box::new(Store::open(path, &context.sensor, context.series)?),
        SinkConfig::Influx(c) if c.url.starts_with("udp:") => Box::new(Udp::open(c, context)?),
        SinkConfig::Influx(c) => Box::new(Influx::open(c, context)?),
    })
}
