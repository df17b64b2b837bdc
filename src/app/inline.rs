//! All stages on one thread: the oracle that every parallel run is compared with.

use super::dispatch::Dispatcher;
use super::worker::Worker;
use crate::capture::{Dropped, Frame};
use crate::flow::key::KeyHasher;
use crate::flow::{Checksums, Config as FlowConfig, Limits};
use crate::message::event::Event;
use crate::message::transport::Magics;
use crate::node::{Config as NodeConfig, Output, Report, View};
use crate::series::sensor::Counters;
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
}

/// The stages in a row.
pub struct Inline {
    dispatcher: Dispatcher,
    worker: Worker,
    view: View,
    events: Vec<Event>,
}

impl Inline {
    /// Stages that have seen nothing.
    pub fn new(settings: &Settings) -> Self {
        let flow = FlowConfig {
            limits: settings.limits,
            checksums: settings.checksums,
            service_ports: settings.ports.clone(),
        };
        Self {
            dispatcher: Dispatcher::new(KeyHasher::fixed()),
            worker: Worker::new(0, 1, &flow, &settings.magics, settings.digests),
            view: View::new(settings.node.clone()),
            events: Vec::new(),
        }
    }

    /// Takes a frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>, dropped: Dropped, out: &mut impl Output) {
        self.tick(frame.time, dropped, out);
        if let Some(routed) = self.dispatcher.dispatch(frame) {
            self.worker.segment(&routed, &mut self.events);
            self.pass_on(out);
        }
    }

    /// It is `time`, also when there is no frame.
    #[inline]
    pub fn tick(&mut self, time: Timestamp, dropped: Dropped, out: &mut impl Output) {
        for time in self.dispatcher.ticks(time) {
            let at = self.dispatcher.at(time);
            self.worker.tick(at, &mut self.events);
            self.pass_on(out);
            let counters = self.view.wants_counters(time).then(|| self.counters(dropped));
            self.view.tick(time, counters, out);
        }
    }

    /// The capture ends.
    pub fn finish(&mut self, dropped: Dropped, out: &mut impl Output) -> Report {
        let now = self.dispatcher.now();
        self.worker.finish(self.dispatcher.at(now), &mut self.events);
        // The figures of the end are those before everything is closed for good: what is open stays open.
        self.pass_on(out);
        let counters = self.counters(dropped);
        self.view.finish(now, counters, out);
        self.view.report()
    }

    fn counters(&self, dropped: Dropped) -> Counters {
        Counters { streams: self.worker.counters(), ..self.dispatcher.counters(dropped) }
    }

    #[inline]
    fn pass_on(&mut self, out: &mut impl Output) {
        for event in self.events.drain(..) {
            self.view.event(event, out);
        }
    }
}
