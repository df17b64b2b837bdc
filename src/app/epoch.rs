//! The lock-step of the threads: one batch to every worker, one answer from each.
//!
//! ```text
//!           pool of N × DEPTH batches ◀──────────────┐
//!               │ take N                             │ give back
//!               ▼          batches (DEPTH)           │
//!   capture ── send 1 to each ═══════════════▶ worker k ═══ answers (DEPTH) ═══▶ node: take 1 of each
//!                                                 ▲                                │
//!                                                 └───────── read answers ◀────────┘
//! ```
//!
//! The pool is the back-pressure: a slow node stage fills the answers, then the
//! workers wait, then no batch comes back, then the capture waits. Nobody waits
//! for anything but its left neighbour's next piece or its right neighbour's
//! room, so there is no circle to lock up in; `tests` walks through the orders
//! of events with a model checker.

use super::fabric::{Fabric, Gone, Receiver, Sender as _};

/// Epochs under way: one is filled while the one before is worked on. More would lie about until the cache has lost them.
pub const DEPTH: usize = 2;

/// Something that can be used again.
pub trait Recycled: Default + Send + 'static {}
impl<T: Default + Send + 'static> Recycled for T {}

/// The capture's ends.
pub struct CaptureEnd<F: Fabric, B: Recycled> {
    pool: F::Receiver<B>,
    batches: Vec<F::Sender<B>>,
}

/// One worker's ends.
pub struct WorkerEnd<F: Fabric, B: Recycled, A: Recycled> {
    pool: F::Sender<B>,
    batches: F::Receiver<B>,
    answers: F::Sender<A>,
    read: F::Receiver<A>,
}

/// The node stage's ends.
pub struct NodeEnd<F: Fabric, A: Recycled> {
    answers: Vec<F::Receiver<A>>,
    read: Vec<F::Sender<A>>,
}

/// All ends.
pub struct Ends<F: Fabric, B: Recycled, A: Recycled> {
    /// The capture's.
    pub capture: CaptureEnd<F, B>,
    /// Each worker's.
    pub workers: Vec<WorkerEnd<F, B, A>>,
    /// The node stage's.
    pub node: NodeEnd<F, A>,
}

/// The channels between a capture, `n` workers and a node stage.
pub fn ends<F: Fabric, B: Recycled, A: Recycled>(n: usize) -> Ends<F, B, A> {
    let (give_back, pool) = F::channel(n * DEPTH);
    for _ in 0..n * DEPTH {
        give_back.offer(B::default());
    }
    let mut capture = CaptureEnd { pool, batches: Vec::new() };
    let mut node = NodeEnd { answers: Vec::new(), read: Vec::new() };
    let mut workers = Vec::new();
    for _ in 0..n {
        let (batches, batches_out) = F::channel(DEPTH);
        let (answers_in, answers) = F::channel(DEPTH);
        let (read_in, read) = F::channel(DEPTH);
        capture.batches.push(batches);
        node.answers.push(answers);
        node.read.push(read_in);
        workers.push(WorkerEnd { pool: give_back.clone(), batches: batches_out, answers: answers_in, read });
    }
    Ends { capture, workers, node }
}

impl<F: Fabric, B: Recycled> CaptureEnd<F, B> {
    /// An empty batch for each worker; waits while all are in use.
    pub fn begin(&self) -> Result<Vec<B>, Gone> {
        self.batches.iter().map(|_| self.pool.recv()).collect()
    }

    /// Sends one batch to each worker and begins anew. When a thread is gone it lets go of all of them, so that
    /// they end as well; from then on there are no batches.
    pub fn next(&mut self, batches: impl IntoIterator<Item = B>) -> Result<Vec<B>, Gone> {
        let sent = self.batches.iter().zip(batches).try_for_each(|(to, b)| to.send(b));
        let next = sent.and_then(|()| self.begin());
        if next.is_err() {
            self.batches.clear();
        }
        next
    }
}

impl<F: Fabric, B: Recycled, A: Recycled> WorkerEnd<F, B, A> {
    /// Answers batches until there are no more, or nobody wants the answers. `work` leaves the batch empty;
    /// what the node stage left in an answer is still there.
    pub fn run(self, mut work: impl FnMut(&mut B, &mut A)) {
        while self.batch(&mut work).is_ok() {}
    }

    /// Answers one batch.
    fn batch(&self, work: impl FnOnce(&mut B, &mut A)) -> Result<(), Gone> {
        let mut batch = self.batches.recv()?;
        let mut answer = self.read.poll().unwrap_or_default();
        work(&mut batch, &mut answer);
        // A batch that nobody waits for any more is dropped: the capture has ended.
        self.pool.offer(batch);
        self.answers.send(answer)
    }
}

impl<F: Fabric, A: Recycled> NodeEnd<F, A> {
    /// Takes the answers of all workers, epoch by epoch, until there are no more.
    pub fn run(self, mut work: impl FnMut(&mut [A])) {
        while self.epoch(&mut work).is_ok() {}
    }

    /// Takes the answers of all workers to one epoch.
    fn epoch(&self, mut work: impl FnMut(&mut [A])) -> Result<(), Gone> {
        let mut answers = self.answers.iter().map(Receiver::recv).collect::<Result<Vec<A>, Gone>>()?;
        work(&mut answers);
        self.read.iter().zip(answers).for_each(|(to, a)| to.offer(a));
        Ok(())
    }
}

#[cfg(test)]
#[path = "epoch_tests.rs"]
mod tests;
