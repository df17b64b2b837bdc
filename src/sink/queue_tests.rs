use super::super::fixture::{LIST, output};
use super::super::recording::{Recording, Tape};
use super::*;
use crossbeam_channel::{Sender as Valve, unbounded};
use std::time::Duration;

fn batch(points: std::ops::Range<i64>, ends_interval: bool) -> Arc<Batch> {
    Arc::new(Batch { points: points.map(|t| output(t, "a", t)).collect(), ends_interval })
}

/// A sink that takes a batch only when the valve lets it, and is told when it has begun with one.
fn valved() -> (Recording, Arc<Mutex<Tape>>, Valve<()>, Receiver<()>) {
    let (valve, open) = unbounded();
    let (begun, seen) = unbounded();
    let script = Box::new(move |_: &[Point]| {
        let _ = begun.send(());
        let _ = open.recv();
        Ok(())
    });
    let (sink, tape) = Recording::scripted(LIST, script);
    (sink, tape, valve, seen)
}

fn times(tape: &Mutex<Tape>) -> Vec<i64> {
    tape.lock().unwrap().points.values().map(|p| p.time.nanos()).collect()
}

fn failing(calls_before: usize) -> (Recording, Arc<Mutex<Tape>>) {
    let mut calls = 0;
    Recording::scripted(
        LIST,
        Box::new(move |_| {
            calls += 1;
            if calls > calls_before { Err(SinkError::Scripted("no more room".to_owned())) } else { Ok(()) }
        }),
    )
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}

#[test]
fn everything_arrives_in_order_with_its_intervals() {
    let (sink, tape) = Recording::new(LIST);
    let queue = Queue::start("test", Box::new(sink), Policy::REPLAY, &Notices::default()).unwrap();
    for i in 0..200 {
        queue.send(&batch(i * 3..i * 3 + 3, i % 10 == 9));
    }
    let closed = queue.close().unwrap();
    assert_eq!((closed.delivered, closed.lost.total()), (600, 0));
    assert_eq!(times(&tape), (0..600).collect::<Vec<_>>());
    let calls = tape.lock().unwrap().calls.clone();
    let mut expected: Vec<usize> = (0..20).flat_map(|_| [vec![3; 10], vec![Tape::COMMIT]].concat()).collect();
    expected.push(Tape::CLOSE);
    assert_eq!(calls, expected);
}

#[test]
fn a_full_queue_waits_in_a_replay() {
    let (sink, tape, valve, seen) = valved();
    let policy = Policy { capacity: 2, ..Policy::REPLAY };
    let queue = Arc::new(Queue::start("test", Box::new(sink), policy, &Notices::default()).unwrap());
    let other = Arc::clone(&queue);
    let sender = thread::spawn(move || (0..10).for_each(|i| other.send(&batch(i..i + 1, true))));
    seen.recv().unwrap();
    // One is being written, two wait, one is in the hands of the sender.
    until("the queue is full", || queue.delivery().backlog == 4);
    thread::sleep(Duration::from_millis(50));
    assert!(!sender.is_finished());
    assert_eq!(queue.delivery().backlog, 4);
    (0..10).for_each(|_| valve.send(()).unwrap());
    sender.join().unwrap();
    Arc::into_inner(queue).unwrap().close().unwrap();
    assert_eq!(times(&tape), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_drops_its_oldest_points_in_a_live_capture() {
    let (sink, tape, valve, seen) = valved();
    let policy = Policy { capacity: 3, ..Policy::live(WhenFull::DropOldest) };
    let queue = Queue::start("test", Box::new(sink), policy, &Notices::default()).unwrap();
    queue.send(&batch(0..2, true));
    seen.recv().unwrap();
    // The sink hangs with the first batch: of the next eight the last three stay.
    for i in 1..9 {
        queue.send(&batch(i * 2..i * 2 + 2, true));
    }
    let d = queue.delivery();
    assert_eq!((d.backlog, d.lost.get(Loss::QueueFull)), (8, 10));
    (0..4).for_each(|_| valve.send(()).unwrap());
    let closed = queue.close().unwrap();
    assert_eq!((closed.delivered, closed.lost.get(Loss::QueueFull)), (8, 10));
    assert_eq!(times(&tape), [0, 1, 12, 13, 14, 15, 16, 17]);
}

#[test]
fn the_first_error_ends_a_replay_and_frees_whoever_waits() {
    let (sink, tape) = failing(1);
    let policy = Policy { capacity: 1, ..Policy::REPLAY };
    let queue = Queue::start("test", Box::new(sink), policy, &Notices::default()).unwrap();
    // Far more than the queue holds: none of these calls may wait for ever.
    for i in 0..20 {
        queue.send(&batch(i..i + 1, true));
    }
    assert!(queue.has_failed());
    let error = queue.close().unwrap_err();
    assert_eq!(error.to_string(), "no more room", "the cause, not that the thread is gone");
    let calls = tape.lock().unwrap().calls.clone();
    assert_eq!(calls, [1, Tape::COMMIT, Tape::CLOSE], "what was stored before stays, and is closed properly");
}

#[test]
fn errors_of_a_live_capture_are_told_once_and_it_goes_on() {
    let mut calls = 0;
    let (sink, tape) = Recording::scripted(
        LIST,
        Box::new(move |_| {
            calls += 1;
            if calls <= 3 || calls == 6 { Err(SinkError::Scripted("disk full".to_owned())) } else { Ok(()) }
        }),
    );
    let (notices, said) = Notices::collected();
    let queue = Queue::start("store", Box::new(sink), Policy::live(WhenFull::Wait), &notices).unwrap();
    for i in 0..8 {
        queue.send(&batch(i..i + 1, true));
    }
    assert!(!queue.has_failed());
    queue.close().unwrap();
    // Once, and again when it comes back after all was well.
    let (bad, good) = ("store: disk full", "store: takes points again");
    assert_eq!(*said.lock().unwrap(), [bad, good, bad, good]);
    assert_eq!(times(&tape), [3, 4, 6, 7]);
}

#[test]
fn a_sink_that_panics_is_told() {
    for policy in [Policy::REPLAY, Policy::live(WhenFull::DropOldest)] {
        let (sink, _) = Recording::scripted(LIST, Box::new(|_| panic!("a fault of the test")));
        let queue = Queue::start("test", Box::new(sink), policy, &Notices::default()).unwrap();
        queue.send(&batch(0..1, true));
        until("its end is seen", || {
            queue.send(&batch(1..2, true));
            queue.has_failed()
        });
        assert!(matches!(queue.close(), Err(SinkError::Gone(_))));
    }
}
