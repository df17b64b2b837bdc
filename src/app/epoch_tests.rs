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
    /// The node stage, when it has taken so many epochs.
    Node(usize),
    /// Worker 0, when it has answered so many batches.
    Worker(usize),
}

/// Sends `epochs` batches to each of `n` workers; returns the epochs that the node stage took.
fn run(n: usize, epochs: usize, leaves: Leaves) -> usize {
    let Ends { mut capture, workers, node } = ends::<Model, Vec<usize>, Vec<usize>>(n);
    let mut threads = Vec::new();
    for (k, end) in workers.into_iter().enumerate() {
        threads.push(thread::spawn(move || {
            let work = |batch: &mut Vec<usize>, answer: &mut Vec<usize>| {
                answer.clear();
                answer.append(batch);
                answer.push(k);
            };
            match leaves {
                Leaves::Worker(after) if k == 0 => {
                    for _ in 0..after {
                        end.batch(work).unwrap();
                    }
                    drop(end);
                }
                _ => end.run(work),
            }
        }));
    }
    let taken = thread::spawn(move || {
        let mut taken = 0;
        let take = |answers: &mut [Vec<usize>]| {
            for (k, a) in answers.iter_mut().enumerate() {
                assert_eq!(*a, [taken, k], "every worker's answer to this epoch, in order");
            }
            taken += 1;
        };
        match leaves {
            Leaves::Node(after) => {
                let mut take = take;
                for _ in 0..after {
                    node.epoch(&mut take).unwrap();
                }
                drop(node);
            }
            _ => node.run(take),
        }
        taken
    });
    let mut batches = capture.begin().unwrap_or_default();
    for epoch in 0..epochs {
        for b in &mut batches {
            assert!(b.is_empty(), "batches come back empty");
            b.push(epoch);
        }
        // Who has not looked whether somebody is gone goes on like this.
        batches = capture.next(batches).unwrap_or_default();
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
    for after in [0, 1, DEPTH, DEPTH + 1] {
        for leaves in [Leaves::Node(after), Leaves::Worker(after)] {
            for n in 1..=3 {
                shuttle::check_random(move || assert_eq!(run(n, 3 * DEPTH, leaves), after), 300);
                shuttle::check_pct(move || assert_eq!(run(n, 3 * DEPTH, leaves), after), 300, 3);
            }
        }
    }
}
