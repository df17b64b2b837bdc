//! Takes bodies to the server: on a thread of its own, so that a server that hangs holds up nobody.
//!
//! What the server does not take goes to the spool, the oldest of the spool is tried again after a pause that
//! doubles, with jitter so that many sensors do not come back at the same moment. A body may be sent twice
//! (its answer was lost): points have the same key then and change nothing.
//!
//! Bodies go in the order in which they were made, by their numbers: some points are written again under the same
//! key with other values, and the server keeps what comes last. So nothing new passes by what waits in the spool;
//! and nothing of a spool into which the sink puts what the channel has no room for passes by the channel.

use super::answer::Verdict;
use super::body::{Body, TEXT};
use super::error::InfluxError;
use super::spool::{Spool, SpoolError};
use super::target::Target;
use crate::health::Tally;
use crate::series::delivery::Loss;
use crate::sink::contract::{Notices, Status};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// First pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST: Duration = Duration::from_mins(1);
/// How long a live capture that ends goes on sending what waits.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often in a row a replay that ends tries to send what waits.
const TRIES: u32 = 5;
/// Smallest text of a body after a server has said that bodies are too large, bytes.
const SMALLEST: usize = 16 << 10;
/// Refusals of different kinds that are told in [`FORGET`].
const KINDS: usize = 32;
/// What was told of refusals is forgotten after this time: a kind has words in it that peers choose, and those that
/// matter may come after many that do not.
const FORGET: Duration = Duration::from_hours(24);

/// What the courier and the sink before it share.
pub struct Shared {
    spool: Mutex<Spool>,
    status: Mutex<Status>,
    /// The server does not take points now, or has not yet those in a live capture's spool: they go there.
    down: AtomicBool,
    /// Text of a body at most: halved each time a server says that one is too large.
    text: AtomicUsize,
    /// The spool cannot be written, and that was told.
    spool_fails: AtomicBool,
    live: bool,
    failed: Mutex<Option<InfluxError>>,
    notices: Notices,
    name: String,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Nothing sent yet.
    pub fn new(name: String, spool: Spool, live: bool, notices: Notices) -> Self {
        Self {
            spool: Mutex::new(spool),
            status: Mutex::default(),
            down: AtomicBool::new(false),
            text: AtomicUsize::new(TEXT),
            spool_fails: AtomicBool::new(false),
            live,
            failed: Mutex::default(),
            notices,
            name,
        }
    }

    /// Whether points go to the spool.
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Acquire)
    }

    /// It does not: points go to the spool until it does.
    pub fn set_down(&self) {
        self.down.store(true, Ordering::Release);
    }

    /// Text of a body at most, bytes.
    pub fn text_limit(&self) -> usize {
        self.text.load(Ordering::Relaxed)
    }

    /// Counts points that are lost.
    pub fn lose(&self, loss: Loss, points: u64) {
        locked(&self.status).lost.add(loss, points);
    }

    /// The figures now.
    pub fn status(&self) -> Status {
        Status { spool_bytes: locked(&self.spool).bytes(), ..locked(&self.status).clone() }
    }

    /// Whether something waits in the spool.
    pub fn holds_some(&self) -> bool {
        !locked(&self.spool).is_empty()
    }

    /// Whether `body` may go to the server at once.
    fn is_next(&self, body: &Body) -> bool {
        !self.is_down() && locked(&self.spool).is_next(body)
    }

    /// The folder of the spool.
    #[cfg(test)]
    pub fn folder(&self) -> std::path::PathBuf {
        locked(&self.spool).folder().to_path_buf()
    }

    /// What ended a replay, once.
    pub fn take_failure(&self) -> Option<InfluxError> {
        locked(&self.failed).take()
    }

    /// Tells the operator.
    pub fn say(&self, text: &str) {
        self.notices.say(format!("{}: {text}", self.name));
    }

    /// Puts a body into the spool. A live capture goes on with what it costs; a replay ends.
    pub fn keep(&self, body: &Body) {
        let mut spool = locked(&self.spool);
        if !self.live && !spool.has_room(body) {
            let error = InfluxError::SpoolFull {
                server: self.name.clone(),
                points: spool.points(),
                spool: spool.folder().display().to_string(),
            };
            locked(&self.failed).get_or_insert(error);
            return self.lose(Loss::SpoolFull, body.points);
        }
        match spool.push(body) {
            Ok(lost) => {
                self.lose(Loss::SpoolFull, lost);
                if self.spool_fails.swap(false, Ordering::Relaxed) {
                    self.say("the spool is written again");
                }
            }
            Err(e) => {
                self.lose(Loss::SpoolFull, body.points);
                if self.live {
                    if !self.spool_fails.swap(true, Ordering::Relaxed) {
                        self.say(&format!("points are lost: {e}"));
                    }
                } else {
                    locked(&self.failed).get_or_insert(e.into());
                }
            }
        }
    }
}

/// Why a body was not taken.
struct Trouble {
    why: String,
    /// Until when points wait, in words.
    until: &'static str,
    after: Option<Duration>,
}

/// The courier.
pub struct Courier {
    target: Target,
    shared: std::sync::Arc<Shared>,
    /// Failures in a row.
    failures: u32,
    /// Why the server was down when it was told last.
    told: Option<String>,
    /// Refusals that were told, by their beginning; and how long they are known.
    refusals: HashSet<String>,
    forget: Duration,
    /// It was told that bodies are too large.
    told_size: bool,
    random: ahash::RandomState,
}

impl Courier {
    /// A courier to `target`; `told` is why it cannot be reached yet, if the operator knows.
    pub fn new(target: Target, shared: std::sync::Arc<Shared>, told: Option<String>) -> Self {
        let random = ahash::RandomState::new();
        Self { target, shared, failures: 0, told, refusals: HashSet::new(), forget: FORGET, told_size: false, random }
    }

    /// Sends `bodies` until there are no more, then what waits in the spool.
    ///
    /// # Errors
    /// [`InfluxError::Undelivered`] in a replay.
    pub async fn run(mut self, mut bodies: mpsc::Receiver<Body>) -> Result<(), InfluxError> {
        let mut pause = Box::pin(sleep(Duration::ZERO));
        let mut forget = Box::pin(sleep(self.forget));
        loop {
            // A server that is down is looked at even when nothing waits, because the spool was empty at the start, or
            // could not be written.
            let waiting = self.shared.is_down() || self.shared.holds_some();
            // A replay that is faster than the server is held back while its spool is emptied.
            let open = self.shared.live || self.shared.is_down() || !waiting;
            tokio::select! {
                body = bodies.recv(), if open => {
                    let Some(body) = body else { break };
                    if !self.shared.is_next(&body) {
                        self.shared.keep(&body);
                    } else if let Err(trouble) = self.deliver(&body).await {
                        self.shared.keep(&body);
                        pause = Box::pin(sleep(self.fail(trouble)));
                    } else {
                        self.succeed();
                    }
                }
                () = &mut pause, if waiting => {
                    let next = match self.oldest(&mut bodies).await {
                        Ok(()) => Duration::ZERO,
                        Err(trouble) => self.fail(trouble),
                    };
                    pause = Box::pin(sleep(next));
                }
                () = &mut forget => {
                    self.refusals.clear();
                    forget = Box::pin(sleep(self.forget));
                }
            }
        }
        self.finish(&mut bodies).await
    }

    /// Sends the oldest body of the spool; with none there, asks a server that was down whether it is well.
    async fn oldest(&mut self, bodies: &mut mpsc::Receiver<Body>) -> Result<(), Trouble> {
        let mut lost = 0;
        let found = locked(&self.shared.spool).oldest(&mut lost);
        self.shared.lose(Loss::SpoolFull, lost);
        let unread = |e: SpoolError| Trouble { why: e.to_string(), until: "it can be read", after: None };
        let Some((entry, body)) = found.map_err(unread)? else {
            if self.shared.is_down() {
                self.target.prepare().await.map_err(|v| trouble(v, ""))?;
                self.succeed();
            }
            return Ok(());
        };
        // A live capture may have sent an older one, and then put this one into the spool, since the channel was looked
        // at. In a replay those in the channel are newer.
        if self.shared.live
            && let Ok(body) = bodies.try_recv()
        {
            self.shared.keep(&body);
            return Ok(());
        }
        self.deliver(&body).await?;
        locked(&self.shared.spool).done(entry);
        self.succeed();
        Ok(())
    }

    async fn finish(&mut self, bodies: &mut mpsc::Receiver<Body>) -> Result<(), InfluxError> {
        if self.shared.live {
            let drained =
                timeout(FAREWELL, async { while self.shared.holds_some() && self.oldest(bodies).await.is_ok() {} });
            let _ = drained.await;
            let spool = locked(&self.shared.spool);
            if !spool.is_empty() {
                let text =
                    format!("{} points wait in {}; the next run sends them", spool.points(), spool.folder().display());
                drop(spool);
                self.shared.say(&text);
            }
            return Ok(());
        }
        self.failures = 0;
        while self.shared.holds_some() {
            if let Err(trouble) = self.oldest(bodies).await {
                if self.failures + 1 >= TRIES {
                    let spool = locked(&self.shared.spool);
                    return Err(InfluxError::Undelivered {
                        server: self.target.name(),
                        why: trouble.why,
                        points: spool.points(),
                        spool: spool.folder().display().to_string(),
                    });
                }
                let pause = self.fail(trouble);
                sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Sends a body, in parts if it must be; counts only when all of it is settled.
    async fn deliver(&mut self, body: &Body) -> Result<(), Trouble> {
        let mut parts = vec![body.clone()];
        let mut stored = 0;
        let mut lost: Tally<Loss> = Tally::default();
        let mut created = false;
        while let Some(part) = parts.pop() {
            match self.target.write(&part).await {
                Verdict::Stored { refused, why } => {
                    stored += part.points - refused;
                    lost.add(Loss::Refused, refused);
                    if let Some(why) = why {
                        self.refused(&why, refused);
                    }
                }
                Verdict::TooLarge => {
                    let text = self.shared.text_limit();
                    self.shared.text.store((text / 2).max(SMALLEST), Ordering::Relaxed);
                    if !std::mem::replace(&mut self.told_size, true) {
                        self.shared.say(
                            "the server or a proxy before it finds a request too large (HTTP 413); points go in smaller ones",
                        );
                    }
                    match part.split() {
                        // The last of `parts` is the next.
                        Ok(Some([first, second])) => parts.extend([second, first]),
                        Ok(None) => {
                            lost.add(Loss::Refused, 1);
                            self.refused("one point is too large for the server or a proxy before it (HTTP 413)", 1);
                        }
                        Err(e) => {
                            lost.add(Loss::SpoolFull, part.points);
                            self.refused(&format!("a file of the spool is damaged ({e})"), part.points);
                        }
                    }
                }
                Verdict::Missing(why) if !created => {
                    created = true;
                    self.target.prepare().await.map_err(|v| trouble(v, &why))?;
                    parts.push(part);
                }
                verdict => return Err(trouble(verdict, "")),
            }
        }
        let mut status = locked(&self.shared.status);
        status.delivered += stored;
        status.lost.merge(&lost);
        Ok(())
    }

    /// Tells a refusal, once for each kind of it.
    fn refused(&mut self, why: &str, points: u64) {
        let kind: String = why.chars().filter(|c| !c.is_ascii_digit()).take(60).collect();
        if points > 0 && self.refusals.len() < KINDS && self.refusals.insert(kind) {
            self.shared.say(&format!(
                "{points} points were refused for good: {why}; further ones of this kind are only counted"
            ));
        }
    }

    /// A failure: points go to the spool from now on. Gives the pause until the next try.
    fn fail(&mut self, trouble: Trouble) -> Duration {
        let pause = pause(self.failures, &self.random);
        self.failures += 1;
        self.shared.set_down();
        if self.told.as_ref() != Some(&trouble.why) {
            let spool = locked(&self.shared.spool).folder().display().to_string();
            self.shared.say(&format!("{}; points wait in {spool} until {}", trouble.why, trouble.until));
            self.told = Some(trouble.why);
        }
        trouble.after.map_or(pause, |after| pause.max(after.min(LONGEST)))
    }

    fn succeed(&mut self) {
        self.failures = 0;
        // A live capture goes on by the spool until it is empty; a replay would fill it.
        if !self.shared.live || !self.shared.holds_some() {
            self.shared.down.store(false, Ordering::Release);
        }
        if self.told.is_some() && !self.shared.holds_some() {
            self.told = None;
            self.shared.say("takes points again; the spool is empty");
        }
    }
}

/// The pause after a failure that `failures` others came before: between half of what is doubled each time and the whole.
fn pause(failures: u32, random: &ahash::RandomState) -> Duration {
    let doubled = PAUSE.saturating_mul(1 << failures.min(12)).min(LONGEST);
    let part = random.hash_one(failures) % 512;
    doubled.mul_f64(0.5 + part as f64 / 1024.0)
}

fn trouble(verdict: Verdict, before: &str) -> Trouble {
    let (why, after) = match verdict {
        Verdict::Later(why, after) => (why, after),
        Verdict::Denied(why) => (format!("user, password or token are refused: {why}"), None),
        Verdict::NoOrg(why) => (format!("{why}; name the organisation with --influx-org"), None),
        Verdict::Missing(why) => (format!("{why}; create the database or bucket, or check its name"), None),
        Verdict::Stored { .. } | Verdict::TooLarge => (before.to_owned(), None),
    };
    Trouble { why, until: "it takes them", after: after.map(Duration::from_secs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fake::{Answer, Fake};
    use std::sync::Arc;

    /// More kinds than are told at once, and much later another.
    #[test]
    fn refusals_are_told_again_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let letters = |n: usize| ["a", "b"].map(|l| l.repeat(n + 1)).join(" ");
        let server = Fake::start(|_| Answer::status(400, r#"{"error":"partial write: no dropped=1"}"#));
        let config = serde_json::from_value(serde_json::json!({ "url": server.url, "spool": dir.path() })).unwrap();
        let (notices, said) = Notices::collected();
        let spool = Spool::open(dir.path(), 1 << 20).unwrap();
        let shared = Arc::new(Shared::new("s".into(), spool, true, notices));
        let mut courier = Courier::new(Target::new(&config).unwrap(), shared, None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let told = |word: &str| said.lock().unwrap().iter().filter(|t| t.contains(word)).count();
        for n in 0..KINDS {
            courier.refused(&letters(n), 1);
        }
        courier.refused("one more", 1);
        assert_eq!((told("refused for good"), told("one more")), (KINDS, 0));
        courier.forget = Duration::from_millis(200);
        runtime.block_on(async {
            let (bodies, received) = mpsc::channel(1);
            let sending = async {
                sleep(Duration::from_secs(1)).await;
                bodies.send(Body::new("m v=1i 1\n", 1, 0)).await.unwrap();
                drop(bodies);
            };
            let (sent, ()) = tokio::join!(courier.run(received), sending);
            sent.unwrap();
        });
        assert_eq!(told("refused for good"), KINDS + 1);
    }

    #[test]
    fn pauses_grow_to_the_longest_and_differ_between_sensors() {
        let (a, b) = (ahash::RandomState::new(), ahash::RandomState::new());
        for random in [&a, &b] {
            let pauses: Vec<Duration> = (0..40).map(|n| pause(n, random)).collect();
            assert!(pauses[0] >= PAUSE / 2 && pauses[0] <= PAUSE, "{pauses:?}");
            // 0.5 s doubled six times is 32 s; the seventh is cut to the longest.
            assert!(pauses[..7].is_sorted_by(|a, b| a < b), "{pauses:?}");
            assert!(pauses[7..].iter().all(|p| (LONGEST / 2..=LONGEST).contains(p)), "{pauses:?}");
        }
        assert!((0..8).any(|n| pause(n, &a) != pause(n, &b)), "two sensors come back at the same moments");
    }
}
