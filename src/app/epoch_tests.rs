//! The lock-step under a model checker (shuttle): many schedules of the very code that runs on crossbeam.
//! A schedule in which all threads wait for each other fails as a deadlock.

use super::super::fabric;
use super::*;
use shuttle::sync::mpsc;
use shuttle::thread;

struct Model;

impl<T: Send + 'static> fabric::Sender<T> for mpsc::SyncSender<T> {
    fn send(&self, value: T) -> Result<(), Gone> {
        Self::send(self, value).map_err(|_| Gone)
    }
    fn offer(&self, value: T) {
        let _ = self.try_send(value);
    }
}

impl<T: Send + 'static> Receiver<T> for mpsc::Receiver<T> {
    fn recv(&self) -> Result<T, Gone> {
        Self::recv(self).map_err(|_| Gone)
    }
    fn poll(&self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl Fabric for Model {
    type Sender<T: Send + 'static> = mpsc::SyncSender<T>;
    type Receiver<T: Send + 'static> = mpsc::Receiver<T>;

    fn channel<T: Send + 'static>(capacity: usize) -> (mpsc::SyncSender<T>, mpsc::Receiver<T>) {
        mpsc::sync_channel(capacity)
    }
}

/// Who leaves before the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Nobody,
    /// The node stage, at once.
    Node,
    /// Worker 0, at once.
    Worker,
}

/// Sends `epochs` batches to each of `n` workers; returns the epochs that the node stage took.
fn run(n: usize, epochs: usize, leaves: Leaves) -> usize {
    let Ends { capture, workers, node } = ends::<Model, Vec<usize>, Vec<usize>>(n);
    let mut threads = Vec::new();
    for (k, end) in workers.into_iter().enumerate() {
        threads.push(thread::spawn(move || {
            if leaves == Leaves::Worker && k == 0 {
                return drop(end);
            }
            end.run(|batch, answer| {
                answer.clear();
                answer.append(batch);
                answer.push(k);
            });
        }));
    }
    let taken = thread::spawn(move || {
        let mut taken = 0;
        if leaves == Leaves::Node {
            drop(node);
            return 0;
        }
        node.run(|answers| {
            for (k, a) in answers.iter_mut().enumerate() {
                assert_eq!(*a, [taken, k], "every worker's answer to this epoch, in order");
            }
            taken += 1;
        });
        taken
    });
    for epoch in 0..epochs {
        let Ok(mut batches) = capture.begin() else { break };
        assert_eq!(batches.len(), n);
        for b in &mut batches {
            assert!(b.is_empty(), "batches come back empty");
            b.push(epoch);
        }
        if capture.send(batches).is_err() {
            break;
        }
    }
    drop(capture);
    for t in threads {
        t.join().unwrap();
    }
    taken.join().unwrap()
}

#[test]
fn every_epoch_arrives_once_in_order_and_nobody_waits_for_ever() {
    // More epochs than the pool has batches for, so that everybody has to wait for everybody.
    shuttle::check_random(|| assert_eq!(run(1, 2 * DEPTH + 1, Leaves::Nobody), 2 * DEPTH + 1), 500);
    shuttle::check_random(|| assert_eq!(run(2, DEPTH + 3, Leaves::Nobody), DEPTH + 3), 500);
    shuttle::check_pct(|| assert_eq!(run(3, DEPTH + 2, Leaves::Nobody), DEPTH + 2), 500, 3);
    shuttle::check_random(|| assert_eq!(run(2, 0, Leaves::Nobody), 0), 50);
}

#[test]
fn whoever_leaves_nobody_waits_for_ever() {
    for leaves in [Leaves::Node, Leaves::Worker] {
        shuttle::check_random(move || assert_eq!(run(1, 3 * DEPTH, leaves), 0), 300);
        shuttle::check_pct(move || assert_eq!(run(2, 3 * DEPTH, leaves), 0), 300, 3);
    }
}
