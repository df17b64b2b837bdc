//! Who wants messages as they pass, and which. Messages are put into words only for those, and only what they asked
//! for; whoever is too slow loses messages and is told how many.

use crate::node::listing;
use crate::node::{Direction, SeenEstimate, SeenMessage};
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Messages a second that one subscriber gets at most; nobody reads faster.
pub const RATE: u32 = 1000;
/// Messages that wait for a slow subscriber at most.
const WAITING: usize = 2 * RATE as usize;

/// Which messages somebody wants.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this node; of all without.
    pub node: Option<String>,
    /// Of this peer: its address, with its port or without.
    pub peer: Option<String>,
    /// In this direction.
    pub direction: Option<Direction>,
    /// Of these commands; of all when empty.
    pub commands: Vec<String>,
    /// With all they say.
    pub fields: bool,
}

impl Wanted {
    fn takes(&self, node: &str, peer: SocketAddr, direction: Direction, command: &str) -> bool {
        self.node.as_deref().is_none_or(|n| n == node)
            && self.direction.is_none_or(|d| d == direction)
            && (self.commands.is_empty() || self.commands.iter().any(|c| c == command))
            && self.peer.as_deref().is_none_or(|p| p == peer.to_string() || p == peer.ip().to_string())
    }
}

/// One who wants messages.
#[derive(Debug)]
pub struct Subscriber {
    wanted: Wanted,
    send: mpsc::Sender<String>,
    /// Messages it did not get since it was last told.
    pub skipped: Arc<AtomicU64>,
}

/// All of them, as the server knows them.
#[derive(Debug, Default)]
pub struct Subscribers {
    all: Mutex<Vec<Arc<Subscriber>>>,
    /// Changes of that list.
    changes: AtomicU64,
}

impl Subscribers {
    /// Another one: its messages, and the count of those it did not get.
    pub fn add(&self, wanted: Wanted) -> (mpsc::Receiver<String>, Arc<AtomicU64>) {
        let (send, receive) = mpsc::channel(WAITING);
        let skipped = Arc::new(AtomicU64::new(0));
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|s| !s.send.is_closed());
        all.push(Arc::new(Subscriber { wanted, send, skipped: Arc::clone(&skipped) }));
        self.changes.fetch_add(1, Ordering::Release);
        (receive, skipped)
    }

    fn list(&self) -> Vec<Arc<Subscriber>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|s| !s.send.is_closed());
        all.clone()
    }
}

/// One of them, as the node stage serves it.
struct Served {
    to: Arc<Subscriber>,
    /// Messages sent in the running second, and when that began.
    sent: u32,
    second: Instant,
}

/// The node stage's list of them; it looks at one counter when nothing has changed.
#[derive(Default)]
pub struct Serving {
    changes: u64,
    list: Vec<Served>,
}

impl Serving {
    /// Follows the changes of the server's list.
    #[inline]
    pub fn update(&mut self, all: &Subscribers) {
        let changes = all.changes.load(Ordering::Acquire);
        if changes != self.changes {
            self.changes = changes;
            self.list = all.list().into_iter().map(|to| Served { to, sent: 0, second: Instant::now() }).collect();
        }
    }

    /// Forgets those who have gone.
    pub fn tidy(&mut self) {
        self.list.retain(|s| !s.to.send.is_closed());
    }

    /// Takes a message.
    #[inline]
    pub fn message(&mut self, seen: &SeenMessage<'_>) {
        if self.list.is_empty() {
            return;
        }
        let command = listing::name(seen.message);
        self.pass(seen.node, seen.peer, seen.direction, command, &|| {
            let m = seen.message;
            (listing::object(seen), u64::from(m.payload_bytes) + u64::from(m.header_bytes))
        });
    }

    /// Takes an inferred message.
    #[inline]
    pub fn estimate(&mut self, seen: &SeenEstimate<'_>) {
        if self.list.is_empty() {
            return;
        }
        let Some(command) = seen.estimate.kind.command() else { return };
        self.pass(seen.node, seen.peer, seen.direction, command.name(), &|| {
            (listing::estimate_object(seen), u64::from(seen.estimate.len))
        });
    }

    fn pass(
        &mut self,
        node: &str,
        peer: SocketAddr,
        direction: Direction,
        command: &str,
        object: &dyn Fn() -> (Map<String, Value>, u64),
    ) {
        let mut made = None;
        for s in self.list.iter_mut().filter(|s| s.to.wanted.takes(node, peer, direction, command)) {
            if s.sent >= RATE {
                if s.second.elapsed() < Duration::from_secs(1) {
                    s.to.skipped.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                (s.sent, s.second) = (0, Instant::now());
            }
            let (object, bytes) = made.get_or_insert_with(object);
            s.sent += 1;
            if s.to.send.try_send(event(object, *bytes, s.to.wanted.fields)).is_err() {
                s.to.skipped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The members that stand outside of `fields`.
const OUTSIDE: [&str; 7] = ["node", "peer", "direction", "command", "estimated", "confidence", "connection"];

/// The event of a message that `btcdmon messages` would print as `object`.
fn event(object: &Map<String, Value>, bytes: u64, fields: bool) -> String {
    let mut o = Map::new();
    let time = object.get("time").and_then(Value::as_i64).unwrap_or_default();
    o.insert("time".to_owned(), time.div_euclid(1000).into());
    for name in OUTSIDE {
        match object.get(name) {
            Some(id) if name == "connection" => o.insert("peer_id".to_owned(), id.to_string().into()),
            Some(v) => o.insert(name.to_owned(), v.clone()),
            None if name == "estimated" => o.insert(name.to_owned(), false.into()),
            None => None,
        };
    }
    o.insert("bytes".to_owned(), bytes.into());
    if fields {
        let inside = object.iter().filter(|(k, _)| *k != "time" && !OUTSIDE.contains(&k.as_str()));
        o.insert("fields".to_owned(), Value::Object(inside.map(|(k, v)| (k.clone(), v.clone())).collect()));
    }
    Value::Object(o).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wanted_messages() {
        let peer = "192.0.2.1:8333".parse().unwrap();
        let takes = |w: &Wanted| w.takes("home", peer, Direction::Recv, "tx");
        let all = Wanted::default();
        assert!(takes(&all));
        for peer in ["192.0.2.1", "192.0.2.1:8333"] {
            assert!(takes(&Wanted { peer: Some(peer.to_owned()), ..all.clone() }));
        }
        assert!(takes(&Wanted { commands: vec!["inv".to_owned(), "tx".to_owned()], ..all.clone() }));
        assert!(!takes(&Wanted { commands: vec!["inv".to_owned()], ..all.clone() }));
        assert!(!takes(&Wanted { peer: Some("192.0.2.1:1".to_owned()), ..all.clone() }));
        assert!(!takes(&Wanted { node: Some("away".to_owned()), ..all.clone() }));
        assert!(!takes(&Wanted { direction: Some(Direction::Sent), ..all }));
    }

    #[test]
    fn slow_ones_lose_and_are_told() {
        let all = Subscribers::default();
        let (mut messages, skipped) = all.add(Wanted { fields: true, ..Wanted::default() });
        let mut serving = Serving::default();
        serving.update(&all);
        let peer = "192.0.2.1:8333".parse().unwrap();
        let object =
            json!({"time": 1_234_567, "node": "home", "peer": "p", "command": "tx", "connection": 7, "txid": "ab"});
        let object = object.as_object().cloned().unwrap();
        for _ in 0..RATE + 5 {
            serving.pass("home", peer, Direction::Recv, "tx", &|| (object.clone(), 99));
        }
        let first: Value = serde_json::from_str(&messages.try_recv().unwrap()).unwrap();
        let expected = json!({"time": 1234, "node": "home", "peer": "p", "command": "tx", "peer_id": "7",
            "estimated": false, "bytes": 99, "fields": {"txid": "ab"}});
        assert_eq!(first, expected);
        let mut got = 1;
        while messages.try_recv().is_ok() {
            got += 1;
        }
        // A machine that is slow enough begins another second meanwhile.
        assert_eq!(got + skipped.load(Ordering::Relaxed), u64::from(RATE) + 5);
        drop(messages);
        serving.tidy();
        assert!(serving.list.is_empty() && all.list().is_empty());
    }
}
