//! The stages on threads of their own: the capture's (the caller's), N workers, the node's.

use super::batch::{Batch, BatchLimits, EventBatch, Mark, MarkKind};
use super::dispatch::Dispatcher;
use super::epoch::{CaptureEnd, Ends, ends};
use super::fabric::{Crossbeam, Gone};
use super::merge::{Merged, merge};
use super::stage::{Consumer, Failed, Finished, Settings};
use super::worker::{Handler, Worker};
use crate::capture::{Dropped, Frame};
use crate::flow::At;
use crate::flow::partition::PARTITIONS;
use crate::node::View;
use crate::time::Timestamp;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// The capture's side of the stages.
pub struct Parallel<O> {
    dispatcher: Dispatcher,
    limits: BatchLimits,
    capture: CaptureEnd<Crossbeam, Batch>,
    /// The epoch under way: a batch for each worker.
    batches: Vec<Batch>,
    /// Items in it.
    items: u32,
    /// Capture time of the first of them.
    since: Option<Timestamp>,
    /// Nobody wants more results, or a thread has failed.
    ended: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    node: JoinHandle<Option<Finished<O>>>,
}

impl<O: Consumer> Parallel<O> {
    /// Starts the threads.
    pub fn start<H: Handler>(settings: &Settings, out: O, handler: impl Fn() -> H) -> io::Result<Self> {
        let n = settings.workers;
        let Ends { capture, workers: worker_ends, node } = ends::<Crossbeam, Batch, EventBatch>(n);
        let flow = settings.flow();
        let mut workers = Vec::with_capacity(n);
        for (k, end) in worker_ends.into_iter().enumerate() {
            let mut worker = Worker::new(k, n, &flow, &handler);
            let run = move || end.run(|batch: &mut Batch, answer| worker.batch(batch, answer));
            workers.push(thread::Builder::new().name(format!("worker-{k}")).spawn(run)?);
        }
        let ended = Arc::new(AtomicBool::new(false));
        let mut stage = NodeStage {
            view: View::new(settings.node.clone()),
            out: Some(out),
            ended: Arc::clone(&ended),
            finished: None,
        };
        let run = move || {
            node.run(|answers| stage.epoch(answers));
            stage.finished
        };
        let node = thread::Builder::new().name("node".to_owned()).spawn(run)?;
        let batches = capture.begin().unwrap_or_default();
        Ok(Self {
            dispatcher: Dispatcher::new(settings.hasher.clone()),
            limits: settings.batches,
            capture,
            batches,
            items: 0,
            since: None,
            ended,
            workers,
            node,
        })
    }

    /// Takes a frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>, dropped: Dropped) {
        self.ticks(frame.time, dropped);
        let n = self.batches.len();
        let Some(routed) = self.dispatcher.dispatch(frame) else { return };
        let Some(batch) = self.batches.get_mut(routed.partition % n.max(1)) else { return };
        batch.push(self.items, &routed);
        let full = batch.bytes() >= self.limits.bytes;
        self.items += 1;
        let old = self.limits.age.is_some_and(|age| frame.time.since(*self.since.get_or_insert(frame.time)) >= age);
        if full || old || self.items >= self.limits.items {
            self.close_epoch();
        }
    }

    /// Nothing was captured, and it is `time`.
    pub fn idle(&mut self, time: Timestamp, dropped: Dropped) {
        self.ticks(time, dropped);
        self.flush();
    }

    /// The source has nothing more for now.
    pub fn flush(&mut self) {
        if self.items > 0 {
            self.close_epoch();
        }
    }

    /// Whether nobody wants more results, or a thread has failed.
    #[inline]
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The capture ends: everything under way is brought to its end.
    pub fn finish(mut self, dropped: Dropped) -> Result<Finished<O>, Failed> {
        self.close_epoch();
        for partition in 0..PARTITIONS {
            self.mark(self.dispatcher.now(), dropped, MarkKind::Close(partition));
            self.close_epoch();
        }
        self.mark(self.dispatcher.now(), dropped, MarkKind::End);
        self.close_epoch();
        let Self { capture, batches, workers, node, .. } = self;
        drop((capture, batches));
        let failed = workers.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
        match node.join() {
            Ok(Some(finished)) if failed == 0 => Ok(finished),
            Ok(_) => Err(Failed("worker")),
            Err(_) => Err(Failed("node stage")),
        }
    }

    #[inline]
    fn ticks(&mut self, time: Timestamp, dropped: Dropped) {
        for time in self.dispatcher.ticks(time) {
            self.mark(time, dropped, MarkKind::Tick);
        }
    }

    /// Puts a mark into every batch; what was counted goes with the first.
    fn mark(&mut self, time: Timestamp, dropped: Dropped, kind: MarkKind) {
        let at: At = self.dispatcher.at(time);
        let counted = !matches!(kind, MarkKind::Close(_));
        let mut counters = counted.then(|| Box::new(self.dispatcher.counters(dropped)));
        for batch in &mut self.batches {
            batch.mark(Mark { seq: self.items, at, counters: counters.take(), kind });
        }
        self.items += 1;
        if kind == MarkKind::Tick && self.items >= self.limits.items {
            self.close_epoch();
        }
    }

    fn close_epoch(&mut self) {
        self.items = 0;
        self.since = None;
        match self.capture.next(self.batches.drain(..)) {
            Ok(batches) => self.batches = batches,
            // A thread has failed; `finish` says which. Until then frames go nowhere.
            Err(Gone) => self.ended.store(true, Ordering::Relaxed),
        }
    }
}

/// The node's thread.
struct NodeStage<O> {
    view: View,
    /// Until the end.
    out: Option<O>,
    ended: Arc<AtomicBool>,
    finished: Option<Finished<O>>,
}

impl<O: Consumer> NodeStage<O> {
    fn epoch(&mut self, answers: &mut [EventBatch]) {
        let Self { view, out: place, .. } = self;
        let Some(out) = place else { return };
        let mut last = false;
        merge(answers, |merged| match merged {
            Merged::Ahead(events) => view.ahead(events),
            Merged::Event(event) => view.event(event, out),
            Merged::Tick(time, counters) => {
                let counters = view.wants_counters(time).then_some(*counters);
                view.tick(time, counters, out);
                out.ticked(time, view);
            }
            Merged::End(time, counters) => {
                view.finish(time, *counters, out);
                out.finished(time, view);
                last = true;
            }
        });
        out.settled();
        if out.ended() {
            self.ended.store(true, Ordering::Relaxed);
        }
        if last {
            self.finished = place.take().map(|out| Finished { report: self.view.report(), out });
        }
    }
}
