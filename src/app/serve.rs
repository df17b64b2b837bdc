//! The dashboard of a live run: its port is opened with the rights, its threads start without them.

use super::board::Board;
use super::live::Job;
use super::log;
use crate::node::View;
use crate::sink::SinkConfig;
use crate::sink::rollup::Retention;
use crate::time::Timestamp;
use crate::web::watcher::Capture;
use crate::web::{Access, Config, Door, Mode, Server, Watcher, WebError, assets};
use anyhow::Result;
use std::net::SocketAddr;

/// The dashboard that is wanted.
pub struct Web {
    /// Where.
    pub listen: SocketAddr,
    /// How long the store keeps what.
    pub retention: Retention,
    /// Conversations that the flow stage keeps at most.
    pub max_connections: u64,
    /// Who may ask the server that listens there.
    pub access: Box<dyn Fn(SocketAddr) -> Result<Access>>,
}

/// Opens the port.
pub fn open(web: Option<&Web>) -> Option<Result<Door, WebError>> {
    web.map(|w| Door::open(w.listen))
}

/// Starts the server behind it. A capture does not fail for want of a port.
///
/// # Errors
/// It would be open to all.
pub fn start(job: &Job, door: Option<Result<Door, WebError>>) -> Result<Option<(Server, Watcher)>> {
    let warn = |e: &WebError| log::warn(&e.to_string().replace('\n', "; "));
    let (Some(web), Some(door)) = (&job.web, door) else { return Ok(None) };
    let Ok(door) = door.inspect_err(warn) else { return Ok(None) };
    let store = job.sinks.iter().find_map(|s| match s {
        SinkConfig::Store { path, .. } => Some(path.clone()),
        _ => None,
    });
    let config = Config {
        mode: Mode::Live,
        speed: None,
        store,
        retention: web.retention,
        sensor: job.sensor.clone(),
        interval: job.settings.node.interval,
        max_connections: web.max_connections,
        access: (web.access)(door.address())?,
    };
    let Ok((server, watcher)) = Server::start(door, config).inspect_err(warn) else { return Ok(None) };
    if !job.quiet {
        let page = if assets::has_page() { "" } else { " (built without its pages: only the API)" };
        log::info(&format!("the dashboard is at http://{}/{page}", server.address()));
    }
    Ok(Some((server, watcher)))
}

/// A tick, with what the board knows of the capture.
pub fn ticked(web: Option<&mut Watcher>, board: &Board, time: Timestamp, view: &View) {
    let Some(web) = web else { return };
    let mut capture = Capture::default();
    board.sensor(|s| {
        capture = Capture { frames: Some(s.frames), dropped: Some(s.dropped), points_lost: s.points_lost };
    });
    web.ticked(time, view, capture);
}
