//! The sinks by configuration: one variant each, one arm in [`build`].

use super::contract::{Notices, Sink, SinkError};
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
}

impl SinkConfig {
    /// What messages call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Store { .. } => "store",
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
    })
}
