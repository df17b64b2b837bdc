//! Who wants messages as they pass, and which. Messages are put into words only for those, and only what they asked
//! for; whoever is too slow loses messages and is told how many.

use crate::node::listing;
use crate::node::{Direction, SeenEstimate, SeenMessage};
use serde_json::{Map, Value};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Messages a second that one subscriber gets at most; nobody reads faster.
pub const RATE: u32 = 1000;
/// Messages a second that are put into words at most, for all subscribers together: four who want different ones get
/// theirs in full. The node stage does it; without a limit many who want different ones could slow the capture.
pub const WORDED: u32 = 4 * RATE;
/// Messages that wait for a slow subscriber at most.
const WAITING: usize = 2 * RATE as usize;

/// A peer by its address, with its port or without; by a text that is neither there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Any of its connections.
    Host(IpAddr),
    /// One end.
    End(SocketAddr),
    /// No peer has such an address.
    Nobody,
}

impl Peer {
    /// Read once, so that no message costs the node stage an address in words.
    pub fn read(text: &str) -> Self {
        let host = text.trim_start_matches('[').trim_end_matches(']');
        text.parse().map(Self::End).or_else(|_| host.parse().map(Self::Host)).unwrap_or(Self::Nobody)
    }

    fn is(self, peer: SocketAddr) -> bool {
        match self {
            Self::Host(host) => host == peer.ip(),
            Self::End(end) => end == peer,
            Self::Nobody => false,
        }
    }
}

/// A message in words: one for all who want it alike.
pub type Text = Arc<str>;

/// Which messages somebody wants.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this node; of all without.
    pub node: Option<String>,
    /// Of this peer.
    pub peer: Option<Peer>,
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
            && self.peer.is_none_or(|p| p.is(peer))
    }
}

/// One who wants messages.
#[derive(Debug)]
pub struct Subscriber {
    wanted: Wanted,
    send: mpsc::Sender<Text>,
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
    pub fn add(&self, wanted: Wanted) -> (mpsc::Receiver<Text>, Arc<AtomicU64>) {
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
    /// Messages sent in the running second.
    sent: u32,
}

/// The node stage's list of them; it looks at one counter when nothing has changed.
pub struct Serving {
    changes: u64,
    list: Vec<Served>,
    /// The running second: one for all, so that those who want the same get the same messages, and those are put into
    /// words once.
    second: Instant,
    /// Messages put into words in it.
    worded: u32,
}

impl Default for Serving {
    fn default() -> Self {
        Self { changes: 0, list: Vec::new(), second: Instant::now(), worded: 0 }
    }
}

impl Serving {
    /// Follows the changes of the server's list.
    #[inline]
    pub fn update(&mut self, all: &Subscribers) {
        let changes = all.changes.load(Ordering::Acquire);
        if changes != self.changes {
            self.changes = changes;
            self.list = all.list().into_iter().map(|to| Served { to, sent: 0 }).collect();
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
        // Without its fields, and with them.
        let mut texts: [Option<Text>; 2] = [None, None];
        let mut made = None;
        // Asked once: those who want the same get it all, or none does.
        let mut next = None;
        for i in 0..self.list.len() {
            if !self.list[i].to.wanted.takes(node, peer, direction, command) {
                continue;
            }
            let is_new = made.is_none();
            if (self.list[i].sent >= RATE || is_new && self.worded >= WORDED)
                && !*next.get_or_insert_with(|| self.next_second())
            {
                self.list[i].to.skipped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.worded += u32::from(is_new);
            let (object, bytes) = made.get_or_insert_with(object);
            let s = &mut self.list[i];
            s.sent += 1;
            let fields = s.to.wanted.fields;
            let text = texts[usize::from(fields)].get_or_insert_with(|| event(object, *bytes, fields).into());
            if s.to.send.try_send(Arc::clone(text)).is_err() {
                s.to.skipped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether the running second is over; then another begins.
    fn next_second(&mut self) -> bool {
        if self.second.elapsed() < Duration::from_secs(1) {
            return false;
        }
        (self.second, self.worded) = (Instant::now(), 0);
        self.list.iter_mut().for_each(|s| s.sent = 0);
        true
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
        let of = |peer: &str| Wanted { peer: Some(Peer::read(peer)), ..Wanted::default() };
        for (peer, is) in [("192.0.2.1", true), ("192.0.2.1:8333", true), ("192.0.2.1:1", false), ("nobody", false)] {
            assert_eq!(takes(&of(peer)), is, "{peer}");
        }
        assert!(takes(&Wanted { commands: vec!["inv".to_owned(), "tx".to_owned()], ..all.clone() }));
        assert!(!takes(&Wanted { commands: vec!["inv".to_owned()], ..all.clone() }));
        assert!(!takes(&Wanted { node: Some("away".to_owned()), ..all.clone() }));
        assert!(!takes(&Wanted { direction: Some(Direction::Sent), ..all }));
    }

    fn object() -> Map<String, Value> {
        let object =
            json!({"time": 1_234_567, "node": "home", "peer": "p", "command": "tx", "connection": 7, "txid": "ab"});
        object.as_object().cloned().unwrap()
    }

    #[test]
    fn all_who_want_the_same_share_one_text() {
        let all = Subscribers::default();
        let mut lookers: Vec<_> =
            (0..50).map(|i| all.add(Wanted { fields: i % 2 == 0, ..Wanted::default() }).0).collect();
        let mut serving = Serving::default();
        serving.update(&all);
        let made = std::cell::Cell::new(0);
        let peer = "192.0.2.1:8333".parse().unwrap();
        let worded = || {
            made.set(made.get() + 1);
            (object(), 99)
        };
        // More than anybody gets in a second. A machine that is slow enough begins another second meanwhile.
        for _ in 0..2 * RATE {
            serving.pass("home", peer, Direction::Recv, "tx", &worded);
        }
        let first: Vec<_> = lookers.iter_mut().map(|l| l.try_recv().unwrap()).collect();
        assert!(first.iter().enumerate().all(|(i, text)| Arc::ptr_eq(text, &first[i % 2])));
        let got: Vec<_> = lookers.iter_mut().map(|l| std::iter::from_fn(|| l.try_recv().ok()).count() + 1).collect();
        assert!(got.iter().all(|n| *n == made.get()), "{} were put into words, {got:?} came", made.get());
    }

    #[test]
    fn words_have_a_limit_for_all_together() {
        let all = Subscribers::default();
        let names: Vec<String> = (0..8).map(|i| format!("c{i}")).collect();
        let mut lookers: Vec<_> =
            names.iter().map(|c| all.add(Wanted { commands: vec![c.clone()], ..Wanted::default() })).collect();
        let began = Instant::now();
        let mut serving = Serving::default();
        serving.update(&all);
        let peer = "192.0.2.1:8333".parse().unwrap();
        let (each, mut worded) = (u64::from(RATE), 0_u64);
        let made = std::cell::Cell::new(0_u64);
        for _ in 0..each {
            for c in &names {
                let object = || {
                    made.set(made.get() + 1);
                    (object(), 99)
                };
                serving.pass("home", peer, Direction::Recv, c, &object);
            }
        }
        for (messages, skipped) in &mut lookers {
            let got = std::iter::from_fn(|| messages.try_recv().ok()).count() as u64;
            assert_eq!(got + skipped.load(Ordering::Relaxed), each);
            worded += got;
        }
        assert_eq!(worded, made.get());
        // As many as there were seconds, and the one that was begun.
        assert!(worded <= u64::from(WORDED) * (began.elapsed().as_secs() + 1));
    }

    #[test]
    fn slow_ones_lose_and_are_told() {
        let all = Subscribers::default();
        let (mut messages, skipped) = all.add(Wanted { fields: true, ..Wanted::default() });
        let mut serving = Serving::default();
        serving.update(&all);
        let peer = "192.0.2.1:8333".parse().unwrap();
        for _ in 0..RATE + 5 {
            serving.pass("home", peer, Direction::Recv, "tx", &|| (object(), 99));
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
