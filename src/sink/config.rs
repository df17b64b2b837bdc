//! The sinks by configuration: one variant each, one arm in [`build`].

use super::alerts::Alerts;
use super::contract::{Notices, Sink, SinkError};
use super::influx::udp::Udp;
use super::influx::{self, Influx};
use super::prometheus::Prometheus;
use super::rollup::Retention;
use super::steady::Steady;
use super::store::Store;
use crate::series::Series;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A sink and what it needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SinkConfig {
    /// The embedded store.
    Store {
        /// Its file.
        path: PathBuf,
        /// How long it keeps what.
        #[serde(default)]
        retention: Retention,
    },
    /// InfluxDB, or what takes its line protocol.
    Influx(influx::Config),
    /// `/metrics` for Prometheus.
    Prometheus {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// Alerts by a webhook.
    AlertWebhook {
        /// Where to post them.
        url: String,
        /// Where to post a sign of life each minute.
        #[serde(default)]
        heartbeat: Option<String>,
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
    /// A live capture: what cannot be delivered now is kept, and nobody waits.
    pub live: bool,
}

impl SinkConfig {
    /// A store that keeps everything.
    pub fn store(path: &Path) -> Self {
        Self::Store { path: path.to_path_buf(), retention: Retention::FOREVER }
    }

    /// What messages call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Store { .. } => "store",
            Self::Influx(_) => "influx",
            Self::Prometheus { .. } => "prometheus",
            Self::AlertWebhook { .. } => "alerts",
        }
    }
}

/// Opens the sink that `config` describes.
///
/// # Errors
/// Why it cannot be used, and what to do about it.
pub fn build(config: &SinkConfig, context: &Context) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match config {
        SinkConfig::Store { path, retention } => {
            let mut store = Store::open(path, &context.sensor, context.series)?;
            store.keep(*retention);
            if context.live { Box::new(Steady::new(store, context.notices.clone())) } else { Box::new(store) }
        }
        SinkConfig::Influx(c) if c.url.starts_with("udp:") => Box::new(Udp::open(c, context)?),
        SinkConfig::Influx(c) => Box::new(Influx::open(c, context)?),
        SinkConfig::Prometheus { listen } => Box::new(Prometheus::open(*listen, context)?),
        SinkConfig::AlertWebhook { url, heartbeat } => Box::new(Alerts::open(url, heartbeat.as_deref(), context)?),
    })
}
