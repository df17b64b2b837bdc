//! A worker's share of the partitions: segments in, events out.

use super::dispatch::Routed;
use crate::flow::partition::PARTITIONS;
use crate::flow::{At, Config, Partition};
use crate::message::connections::Connections;
use crate::message::event::Event;
use crate::message::transport::Magics;
use crate::series::sensor::StreamCounters;

/// The partitions of one worker.
pub struct Worker {
    /// By partition; those of other workers are absent.
    partitions: Vec<Option<Partition<Connections>>>,
}

impl Worker {
    /// Worker number `k` of `n`: it has the partitions `p` with `p % n == k`.
    pub fn new(k: usize, n: usize, config: &Config, magics: &Magics, digests: bool) -> Self {
        let connections = || Connections::new(magics.clone(), config.service_ports.clone(), digests);
        let partition = |p| (p % n == k).then(|| Partition::new(connections(), config.clone()));
        Self { partitions: (0..PARTITIONS).map(partition).collect() }
    }

    /// Takes a segment of one of its partitions.
    #[inline]
    pub fn segment(&mut self, r: &Routed<'_>, events: &mut Vec<Event>) {
        if let Some(p) = self.partitions.get_mut(r.partition).and_then(Option::as_mut) {
            p.segment(r.at, r.hash, &r.key, r.side, &r.segment);
            // Most segments complete no message.
            if p.handler.has_events() {
                events.extend(p.handler.events());
            }
        }
    }

    /// One second of capture time has passed.
    pub fn tick(&mut self, at: At, events: &mut Vec<Event>) {
        for p in self.partitions.iter_mut().flatten() {
            p.tick(at);
            events.extend(p.handler.events());
        }
    }

    /// The capture ends.
    pub fn finish(&mut self, at: At, events: &mut Vec<Event>) {
        for p in self.partitions.iter_mut().flatten() {
            p.finish(at);
            events.extend(p.handler.events());
        }
    }

    /// What its partitions have counted so far.
    pub fn counters(&self) -> StreamCounters {
        let mut sum = StreamCounters::default();
        for p in self.partitions.iter().flatten() {
            sum.conversations += p.conversations() as u64;
            sum.held_bytes += p.held_bytes() as u64;
            sum.anomalies.merge(p.anomalies());
            sum.gaps.merge(p.handler.gaps());
            sum.gap_bytes.merge(p.handler.gap_bytes());
            sum.troubles.merge(p.handler.troubles());
        }
        sum
    }
}
