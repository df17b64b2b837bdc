//! The stages as one thing: frames in, results out, on one thread or on several.

use super::batch::BatchLimits;
use super::inline::Inline;
use super::threads::Parallel;
use super::worker::Handler;
use crate::capture::{Dropped, Frame};
use crate::flow::key::KeyHasher;
use crate::flow::{Checksums, Config as FlowConfig, Limits};
use crate::message::connections::Connections;
use crate::message::transport::Magics;
use crate::node::{Config as NodeConfig, Output, Report, View};
use crate::time::Timestamp;
use std::sync::Arc;

/// What the stages need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bitcoin ports, sorted.
    pub ports: Arc<[u16]>,
    /// Magic bytes to look for.
    pub magics: Magics,
    /// Whether the series made of contents are wanted (not by `messages`, which prints them).
    pub digests: bool,
    /// TCP checksum policy.
    pub checksums: Checksums,
    /// Caps and time-outs of the flow stage.
    pub limits: Limits,
    /// Watched nodes and interval.
    pub node: NodeConfig,
    /// Threads that reassemble and decode, beside that of the source and that of the node; 0: all in one.
    pub workers: usize,
    /// When a batch goes to the workers.
    pub batches: BatchLimits,
    /// How conversations are hashed.
    pub hasher: KeyHasher,
}

impl Settings {
    /// Configuration of the flow stage.
    pub fn flow(&self) -> FlowConfig {
        FlowConfig { limits: self.limits, checksums: self.checksums, service_ports: self.ports.clone() }
    }

    /// What gives the streams of one partition their meaning.
    pub fn handler(&self) -> Connections {
        Connections::new(self.magics.clone(), self.ports.clone(), self.digests)
    }
}

/// Workers if nobody says otherwise: one core is the source's, and the node stage shares it.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |n| (n.get() - 1).max(1))
}

/// Where results go.
pub trait Consumer: Output + Send + 'static {
    /// All results of what was captured so far have been handed over; more may take a while.
    fn settled(&mut self) {}

    /// One second of capture time has passed; `view` tells where the nodes stand.
    fn ticked(&mut self, _time: Timestamp, _view: &View) {}

    /// The capture has ended at `time`: nothing more comes.
    fn finished(&mut self, _time: Timestamp, _view: &View) {}

    /// Whether nobody wants more.
    fn ended(&self) -> bool {
        false
    }
}

/// What is left when everything has been captured.
pub struct Finished<O> {
    /// What was seen.
    pub report: Report,
    /// Where the results went.
    pub out: O,
}

/// All stages.
pub enum Stages<O: Consumer, H: Handler = Connections> {
    /// On the thread of the source: the oracle of every parallel run.
    Inline(Box<Inline<O, H>>),
    /// On threads of their own.
    Parallel(Box<Parallel<O>>),
}

impl<O: Consumer> Stages<O> {
    /// Stages that have seen nothing. Fails when the threads cannot be started.
    pub fn new(settings: &Settings, out: O) -> std::io::Result<Self> {
        Self::with_handlers(settings, out, || settings.handler())
    }
}

impl<O: Consumer, H: Handler> Stages<O, H> {
    /// The same with other handlers, one a partition; for tests.
    pub fn with_handlers(settings: &Settings, out: O, handler: impl Fn() -> H) -> std::io::Result<Self> {
        Ok(if settings.workers == 0 {
            Self::Inline(Box::new(Inline::new(settings, out, handler)))
        } else {
            Self::Parallel(Box::new(Parallel::start(settings, out, handler)?))
        })
    }

    /// Takes a frame; waits where the later stages are behind.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>, dropped: Dropped) {
        match self {
            Self::Inline(s) => s.frame(frame, dropped),
            Self::Parallel(s) => s.frame(frame, dropped),
        }
    }

    /// Nothing was captured, and it is `time` by the clock on the wall; live only.
    pub fn idle(&mut self, time: Timestamp, dropped: Dropped) {
        match self {
            Self::Inline(s) => s.idle(time, dropped),
            Self::Parallel(s) => s.idle(time, dropped),
        }
    }

    /// The source has nothing more for now: what it gave goes on to the results.
    pub fn flush(&mut self) {
        match self {
            Self::Inline(s) => s.flush(),
            Self::Parallel(s) => s.flush(),
        }
    }

    /// Whether more frames are of no use: nobody wants results, or a thread has failed.
    #[inline]
    pub fn ended(&self) -> bool {
        match self {
            Self::Inline(s) => s.ended(),
            Self::Parallel(s) => s.ended(),
        }
    }

    /// The capture ends: everything under way is brought to its end.
    pub fn finish(self, dropped: Dropped) -> Result<Finished<O>, Failed> {
        match self {
            Self::Inline(s) => Ok(s.finish(dropped)),
            Self::Parallel(s) => s.finish(dropped),
        }
    }
}

/// A thread of the program has failed, a fault of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} failed: a fault of the program; please report it with the lines above")]
pub struct Failed(pub &'static str);
