//! What the node stage lays down and the server takes up. Neither waits for the other: whoever reads takes a
//! reference to the newest snapshot, and a reader that is too slow for the streams loses events.

use super::config::Config;
use super::db::Db;
use super::limit::Limiter;
use super::rows::{BlockRow, PeerRow};
use super::subscribers::Subscribers;
use super::timeline::Way;
use crate::message::hash::Hash256;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::{Semaphore, broadcast, watch};

/// Streams of events open at once at most: status and blocks, and messages.
pub const MAX_STREAMS: usize = 64;
/// Blocks that a stream may be behind before it loses some; more come only while a node catches up.
const BLOCKS_BEHIND: usize = 64;
/// Tables are made for so long after somebody has looked at one, ms.
const LOOKED: u64 = 5_000;

/// The tables, made only while somebody looks.
#[derive(Debug, Default)]
pub struct Tables {
    /// When they were made: the age of the server, ms.
    pub made: u64,
    /// Open connections, those with most bytes first.
    pub peers: Vec<PeerRow>,
    /// Open connections beyond the cap.
    pub left_out: u64,
    /// Connections that ended, newest first.
    pub closed: Vec<PeerRow>,
    /// Blocks that came, newest first.
    pub blocks: Vec<BlockRow>,
    /// Their ways.
    pub ways: HashMap<Hash256, Arc<Way>>,
}

/// Shared by both halves.
pub struct Shared {
    /// What the server was told.
    pub config: Config,
    /// The store.
    pub db: Db,
    /// How often each client may ask.
    pub limiter: Limiter,
    /// Newest status, as the node stage makes it.
    pub status: watch::Sender<Arc<Value>>,
    /// The same as text, with the range of the store: what clients are sent.
    pub shown: watch::Sender<Arc<str>>,
    /// Newest tables.
    pub tables: watch::Sender<Arc<Tables>>,
    /// Blocks as they come, and as more becomes known of them.
    pub blocks: broadcast::Sender<Arc<str>>,
    /// Who wants messages.
    pub subscribers: Subscribers,
    /// Places for streams.
    pub streams: Arc<Semaphore>,
    /// Connections to the server that were idle for too long.
    pub idle_ended: Arc<AtomicU64>,
    /// The replay has come to its end.
    pub finished: AtomicBool,
    started: Instant,
    looked: AtomicU64,
    looked_since: AtomicU64,
}

impl Shared {
    /// Nothing seen yet.
    pub fn new(config: Config) -> Arc<Self> {
        Arc::new(Self {
            db: Db::new(config.store.clone(), config.interval),
            limiter: Limiter::default(),
            config,
            status: watch::Sender::new(Arc::new(Value::Null)),
            shown: watch::Sender::new("".into()),
            tables: watch::Sender::default(),
            blocks: broadcast::Sender::new(BLOCKS_BEHIND),
            subscribers: Subscribers::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            idle_ended: Arc::default(),
            finished: AtomicBool::new(false),
            started: Instant::now(),
            looked: AtomicU64::new(0),
            looked_since: AtomicU64::new(0),
        })
    }

    /// Milliseconds since the start, at least 1.
    pub fn age(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + 1
    }

    /// Somebody looks at the tables. Tells since when somebody has, without a long pause: the age of the server, ms.
    pub fn look(&self) -> u64 {
        let now = self.age();
        if !self.is_looked_at() {
            self.looked_since.store(now, Ordering::Relaxed);
        }
        self.looked.store(now, Ordering::Relaxed);
        self.looked_since.load(Ordering::Relaxed)
    }

    /// Whether somebody has just looked at the tables.
    pub fn is_looked_at(&self) -> bool {
        let looked = self.looked.load(Ordering::Relaxed);
        looked > 0 && self.age().saturating_sub(looked) < LOOKED
    }

    /// Whether nothing more comes.
    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }
}
