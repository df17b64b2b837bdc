//! All stages on one thread: the oracle that every parallel run is compared with.

use super::batch::EventBatch;
use super::dispatch::Dispatcher;
use super::stage::{Consumer, Finished, Settings};
use super::worker::{Handler, Worker};
use crate::capture::{Dropped, Frame};
use crate::flow::partition::PARTITIONS;
use crate::message::connections::Connections;
use crate::node::View;
use crate::series::sensor::Counters;
use crate::time::Timestamp;

/// The stages in a row.
pub struct Inline<O, H: Handler = Connections> {
    dispatcher: Dispatcher,
    worker: Worker<H>,
    view: View,
    out: O,
    answer: EventBatch,
}

impl<O: Consumer, H: Handler> Inline<O, H> {
    /// Stages that have seen nothing.
    pub fn new(settings: &Settings, out: O, handler: impl Fn() -> H) -> Self {
        Self {
            dispatcher: Dispatcher::new(settings.hasher.clone()),
            worker: Worker::new(0, 1, &settings.flow(), handler),
            view: View::new(settings.node.clone()),
            out,
            answer: EventBatch::default(),
        }
    }

    /// Takes a frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>, dropped: Dropped) {
        for time in self.dispatcher.ticks(frame.time) {
            self.tick(time, dropped);
        }
        if let Some(routed) = self.dispatcher.dispatch(frame) {
            self.worker.segment(0, &routed, &mut self.answer);
            self.pass_on();
        }
    }

    /// Nothing was captured, and it is `time`.
    pub fn idle(&mut self, time: Timestamp, dropped: Dropped) {
        for time in self.dispatcher.ticks(time) {
            self.tick(time, dropped);
        }
        self.flush();
    }

    /// The source has nothing more for now.
    pub fn flush(&mut self) {
        self.out.settled();
    }

    /// Whether nobody wants more.
    #[inline]
    pub fn ended(&self) -> bool {
        self.out.ended()
    }

    /// The capture ends.
    pub fn finish(mut self, dropped: Dropped) -> Finished<O> {
        let now = self.dispatcher.now();
        for partition in 0..PARTITIONS {
            self.worker.close(0, self.dispatcher.at(now), partition, &mut self.answer);
            self.pass_on();
        }
        let counters = self.counters(dropped);
        self.view.finish(now, counters, &mut self.out);
        self.out.finished(now, &self.view);
        self.out.settled();
        Finished { report: self.view.report(), out: self.out }
    }

    fn tick(&mut self, time: Timestamp, dropped: Dropped) {
        self.worker.tick(0, self.dispatcher.at(time), &mut self.answer);
        self.pass_on();
        let counters = self.view.wants_counters(time).then(|| self.counters(dropped));
        self.view.tick(time, counters, &mut self.out);
        self.out.ticked(time, &self.view);
    }

    fn counters(&self, dropped: Dropped) -> Counters {
        Counters { streams: self.worker.counters(), ..self.dispatcher.counters(dropped) }
    }

    #[inline]
    fn pass_on(&mut self) {
        for event in &mut self.answer.events {
            self.view.event(event, &mut self.out);
        }
        self.answer.clear();
    }
}
