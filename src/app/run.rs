//! A replay: from files to results.

use super::messages::{self, Format};
use super::outlets::Outlets;
use super::pace::Pace;
use super::progress::{Bar, EVERY};
use super::shutdown::Shutdown;
use super::stage::{Consumer, Finished, Settings, Stages};
use crate::capture::{Options, PacketSource as _, Replay};
use crate::message::command::Command;
use crate::node::{Gone, Output, Report, SeenEstimate, SeenMessage, View};
use crate::series::Point;
use crate::series::delivery::Delivery;
use crate::sink::SinkConfig;
use crate::sink::contract::Notices;
use crate::sink::queue::{Closed, Policy};
use crate::time::Timestamp;
use crate::web::Watcher;
use crate::web::watcher::Capture;
use anyhow::{Context as _, Result};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a growing file is looked at.
const FOLLOW: Duration = Duration::from_millis(200);
/// An interrupt is noticed after this time at most.
const SLICE: Duration = Duration::from_millis(50);

/// What to replay and where to.
pub struct Job {
    /// Files, folders, `-`.
    pub files: Vec<PathBuf>,
    /// How to read them.
    pub capture: Options,
    /// What the stages need to know.
    pub settings: Settings,
    /// Where the points go.
    pub sinks: Vec<SinkConfig>,
    /// The sensor's name in them.
    pub sensor: String,
    /// Somebody watches a pipe or a growing file: messages are printed as they come.
    pub watched: bool,
    /// How many times faster than the capture; as fast as it can without.
    pub speed: Option<f64>,
    /// Show no progress bar.
    pub quiet: bool,
}

/// What came of it.
pub struct Outcome {
    /// What was seen.
    pub report: Report,
    /// Files that ended early.
    pub damage: Vec<String>,
    /// Files of folders that are no captures.
    pub ignored: u64,
    /// Frames that the filter left out.
    pub filtered: u64,
    /// Bytes read from disk.
    pub bytes_read: u64,
    /// An interrupt ended it.
    pub interrupted: bool,
    /// Last figures of the sinks.
    pub sinks: Vec<Closed>,
}

/// Which messages to print, and how.
pub struct Listing<W> {
    /// Where to.
    pub out: W,
    /// How.
    pub format: Format,
    /// Only these commands; empty: all.
    pub commands: Vec<String>,
}

/// Results on their way to the sinks and to the terminal.
struct Results<W> {
    outlets: Outlets,
    listing: Option<Listing<W>>,
    /// Whoever serves it to browsers.
    web: Option<Watcher>,
    /// The first thing that went wrong; the run ends there, what was stored stays.
    failed: Option<anyhow::Error>,
    /// Whoever reads the listing has gone.
    closed: bool,
    /// Messages were printed and may still be in the buffer.
    unshown: bool,
    /// Somebody watches: what is printed is shown at once.
    watched: bool,
}

impl<W: Write> Results<W> {
    fn printed(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            Err(e) => {
                self.failed.get_or_insert(anyhow::Error::new(e).context("cannot write the messages"));
            }
        }
    }

    /// Lets the reader see what was printed.
    fn show(&mut self) {
        if let Some(l) = self.listing.as_mut().filter(|_| self.unshown) {
            let flushed = l.out.flush();
            self.unshown = false;
            self.printed(flushed);
        }
    }
}

impl<W: Write + Send + 'static> Consumer for Results<W> {
    fn settled(&mut self) {
        if self.watched {
            self.show();
        }
    }

    fn ticked(&mut self, time: Timestamp, view: &View) {
        if let Some(web) = &mut self.web {
            web.ticked(time, view, Capture::default());
        }
    }

    fn finished(&mut self, time: Timestamp, view: &View) {
        if let Some(web) = &mut self.web {
            web.finished(time, view, Capture::default());
        }
    }

    fn ended(&self) -> bool {
        self.failed.is_some() || self.closed || self.outlets.has_failed()
    }
}

impl<W: Write> Output for Results<W> {
    fn message(&mut self, seen: &SeenMessage<'_>) {
        if let Some(web) = &mut self.web {
            web.message(seen);
        }
        let Some(l) = self.listing.as_mut().filter(|_| !self.closed) else { return };
        let m = seen.message;
        let name = m.unknown_name.as_deref().unwrap_or(m.command.name());
        if l.commands.is_empty()
            || l.commands.iter().any(|c| c == name || (c == "unknown" && m.command == Command::UNKNOWN))
        {
            let result = messages::print(&mut l.out, l.format, seen);
            self.unshown = true;
            self.printed(result);
        }
    }

    fn estimate(&mut self, seen: &SeenEstimate<'_>) {
        if let Some(web) = &mut self.web {
            web.estimate(seen);
        }
        let Some(l) = self.listing.as_mut().filter(|_| !self.closed) else { return };
        let Some(command) = seen.estimate.kind.command() else { return };
        if l.commands.is_empty() || l.commands.iter().any(|c| c == command.name()) {
            let result = messages::print_estimate(&mut l.out, l.format, seen);
            self.unshown = true;
            self.printed(result);
        }
    }

    fn forgotten(&mut self, gone: &Gone<'_>) {
        if let Some(web) = &mut self.web {
            web.forgotten(gone);
        }
    }

    fn point(&mut self, point: Point) {
        if let Some(web) = &mut self.web {
            web.point(&point);
        }
        self.outlets.point(point);
    }

    fn wants_points(&self) -> bool {
        !self.outlets.is_empty()
    }

    fn interval(&mut self, points: Vec<Point>) {
        self.outlets.interval(points);
    }

    fn delivery(&self) -> Option<Delivery> {
        self.outlets.delivery()
    }
}

/// Replays `job`; messages go to `listing`, and `web` follows.
pub fn replay<W: Write + Send + 'static>(
    job: &Job,
    listing: Option<Listing<W>>,
    web: Option<Watcher>,
    shutdown: &Shutdown,
) -> Result<Outcome> {
    let mut source = Replay::open(&job.files, job.capture.clone())?;
    let notices = Notices::new(|text| eprintln!("btcdmon: {text}"));
    let outlets = Outlets::open(&job.sinks, &job.sensor, Policy::REPLAY, &notices)?;
    let mut results =
        Results { outlets, listing, web, failed: None, closed: false, unshown: false, watched: job.watched };
    if let Some(l) = &mut results.listing {
        let head = messages::print_head(&mut l.out, l.format);
        results.printed(head);
    }
    let mut stages = Stages::new(&job.settings, results).context("cannot start a thread")?;
    let bar = Bar::new(job.quiet, source.progress().bytes_total);
    let mut frames = 0_u64;
    let mut failed = None;
    let mut pace = job.speed.map(Pace::new);
    while !shutdown.requested() && !stages.ended() {
        // Before the source waits for more, everything it gave is shown.
        if job.watched && !source.is_buffered() {
            stages.flush();
        }
        let dropped = source.dropped();
        match source.next_frame() {
            Ok(Some(frame)) => {
                while let Some(wait) = pace.as_mut().and_then(|p| p.wait(frame.time, Instant::now())) {
                    if shutdown.requested() {
                        break;
                    }
                    // What was due is seen before the next frame is.
                    stages.flush();
                    std::thread::sleep(wait.min(SLICE));
                }
                stages.frame(&frame, dropped);
            }
            Ok(None) if job.capture.follow => {
                std::thread::sleep(FOLLOW);
            }
            Ok(None) => break,
            Err(e) => {
                failed = Some(anyhow::Error::new(e));
                break;
            }
        }
        frames += 1;
        if frames.is_multiple_of(EVERY) {
            bar.show(&source.progress());
        }
    }
    bar.finish();
    let Finished { report, out: mut results } = stages.finish(source.dropped())?;
    results.failed = results.failed.or(failed);
    results.unshown = true;
    results.show();
    let Results { outlets, mut failed, .. } = results;
    let sinks = outlets.close().unwrap_or_else(|e| {
        failed.get_or_insert(e.into());
        Vec::new()
    });
    if let Some(e) = failed {
        let what = if job.sinks.is_empty() {
            "the replay stopped early"
        } else {
            "the replay stopped early; what was stored before stays"
        };
        return Err(e).context(what);
    }
    Ok(Outcome {
        report,
        damage: source.damage().iter().map(ToString::to_string).collect(),
        ignored: source.ignored(),
        filtered: source.filtered(),
        bytes_read: source.progress().bytes_read,
        interrupted: shutdown.requested(),
        sinks,
    })
}
