//! InfluxDB 1.x, 2.x, 3.x, and what takes its line protocol (VictoriaMetrics, QuestDB, Telegraf).
//!
//! Reading order: [`mod@line`] (a point as text), [`body`] (what one request carries), [`answer`] (what the server
//! says to it), [`target`] (the server), [`spool`] (what it did not take), [`courier`] (the thread that
//! sends), and here the sink before it. [`udp`] is the way of the original btcdmon.

pub mod answer;
pub mod body;
pub mod config;
pub mod courier;
pub mod error;
pub mod line;
pub mod spool;
pub mod target;
pub mod udp;

use self::answer::Verdict;
use self::body::{Body, LINES};
use self::courier::{Courier, Shared};
use self::line::Encoder;
use self::spool::Spool;
use self::target::Target;
use super::config::Context;
use super::contract::{Sink, SinkError, Status, fits};
use crate::series::delivery::Loss;
use crate::series::{Point, Series};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

pub use config::Config;
pub use error::InfluxError;

/// Bodies between the sink and the courier at most; some 150 KB each.
const IN_FLIGHT: usize = 4;

/// The sink that writes to an InfluxDB.
pub struct Influx {
    encoder: Encoder,
    series: &'static [Series],
    text: String,
    points: u64,
    /// Number of the next body.
    next: u64,
    bodies: mpsc::Sender<Body>,
    shared: Arc<Shared>,
    courier: JoinHandle<Result<(), InfluxError>>,
    live: bool,
}

impl Influx {
    /// Connects to the server, makes the database if it is missing, and takes up what an earlier run left in the spool.
    ///
    /// # Errors
    /// See [`InfluxError`]. A live capture starts also when nobody answers.
    pub fn open(config: &Config, context: &Context) -> Result<Self, InfluxError> {
        let target = Target::new(config)?;
        let folder = config.spool_folder(&config.url()?, &config.api()?);
        let spool = Spool::open(&folder, config.spool_limit)?;
        let system =
            |doing, why: std::io::Error| InfluxError::System { server: target.name(), doing, why: why.to_string() };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| system("start a runtime", e))?;
        let next = spool.next();
        let shared = Arc::new(Shared::new(target.name(), spool, context.live, context.notices.clone()));
        let told = check(&runtime, &target, config, context.live)?;
        if let Some(why) = &told {
            shared.set_down();
            shared.say(&format!("{why}; points wait in {} until it takes them", folder.display()));
        }
        let (bodies, received) = mpsc::channel(IN_FLIGHT);
        let courier = Courier::new(target.clone(), Arc::clone(&shared), told);
        let courier = thread::Builder::new()
            .name("influx".to_owned())
            .spawn(move || runtime.block_on(courier.run(received)))
            .map_err(|e| system("start a thread", e))?;
        Ok(Self {
            encoder: Encoder::new(context.series, &context.sensor),
            series: context.series,
            text: String::new(),
            points: 0,
            next,
            bodies,
            shared,
            courier,
            live: context.live,
        })
    }

    /// Hands over the lines so far.
    fn flush(&mut self) -> Result<(), InfluxError> {
        if self.points > 0 {
            let body = Body::new(&self.text, self.points, self.next);
            self.next += 1;
            self.text.clear();
            self.points = 0;
            self.hand_over(body);
        }
        self.shared.take_failure().map_or(Ok(()), Err)
    }

    /// A server that is down, or too slow for a live capture, costs disk and no memory. A replay waits: the courier
    /// has all of its bodies, and puts into the spool what the server does not take.
    fn hand_over(&self, body: Body) {
        let left = if !self.live {
            self.bodies.blocking_send(body).err().map(|e| e.0)
        } else if self.shared.is_down() {
            Some(body)
        } else {
            self.bodies.try_send(body).err().map(|e| match e {
                mpsc::error::TrySendError::Full(b) | mpsc::error::TrySendError::Closed(b) => b,
            })
        };
        if let Some(body) = left {
            self.shared.keep(&body);
        }
    }
}

/// Asks the server whether it takes points, and makes the database if it is missing.
///
/// # Errors
/// Why it does not.
pub fn probe(config: &Config) -> Result<(), InfluxError> {
    let target = Target::new(config)?;
    let system = |why: std::io::Error| InfluxError::System {
        server: target.name(),
        doing: "start a runtime",
        why: why.to_string(),
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
    check(&runtime, &target, config, false).map(|_| ())
}

/// What the server says at the start: nothing, or why it cannot be used yet.
fn check(runtime: &Runtime, target: &Target, config: &Config, live: bool) -> Result<Option<String>, InfluxError> {
    let server = target.name();
    match runtime.block_on(target.prepare()) {
        Err(Verdict::Denied(why)) => {
            let second = config.api().is_ok_and(|a| matches!(a, config::Api::V2 { .. }));
            let (what, hint) = if second {
                ("token", "check BTCDMON_INFLUX_TOKEN or --influx-token-file, and that it may write to the bucket")
            } else {
                ("user or the password", "check --influx-user and BTCDMON_INFLUX_PASSWORD or --influx-password-file")
            };
            Err(InfluxError::Denied { server, what, why, hint })
        }
        Err(Verdict::NoOrg(why)) => Err(InfluxError::NoOrg { server, why }),
        Err(Verdict::Later(why, _)) if live => Ok(Some(why)),
        Err(Verdict::Later(why, _)) => Err(InfluxError::Unreachable { server, why }),
        // All is well; or the first write will tell.
        _ => Ok(None),
    }
}

impl Sink for Influx {
    fn write(&mut self, points: &[Point]) -> Result<(), SinkError> {
        for point in points {
            if !fits(self.series, point) {
                self.shared.lose(Loss::Malformed, 1);
            } else if self.encoder.encode(&mut self.text, point) {
                self.points += 1;
                if self.points >= LINES || self.text.len() >= self.shared.text_limit() {
                    self.flush()?;
                }
            } else {
                self.shared.lose(Loss::Empty, 1);
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        Ok(self.flush()?)
    }

    fn status(&self) -> Status {
        self.shared.status()
    }

    fn close(mut self: Box<Self>) -> Result<Status, SinkError> {
        let flushed = self.flush();
        let Self { bodies, courier, shared, .. } = *self;
        drop(bodies);
        let sent = courier.join().unwrap_or_else(|_| {
            Err(InfluxError::System {
                server: "InfluxDB".to_owned(),
                doing: "send points",
                why: "the thread has ended unexpectedly".to_owned(),
            })
        });
        let failed = shared.take_failure().map_or(Ok(()), Err);
        flushed.and(failed).and(sent)?;
        Ok(shared.status())
    }
}

#[cfg(test)]
mod tests;
