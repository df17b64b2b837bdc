//! Options of the sinks beside the store, for every command that has points to give.

use crate::sink::SinkConfig;
use crate::sink::influx::config::Secret;
use crate::sink::influx::{Config as Influx, InfluxError};
use crate::sink::rollup::Retention;
use anyhow::{Context as _, Result, bail};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the points go besides the store.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Where the points go")]
pub struct SinkArgs {
    /// Write to this InfluxDB (1.x, 2.x, 3.x), or to VictoriaMetrics, QuestDB or Telegraf, which take the same
    /// line protocol. `udp://HOST:8089` sends datagrams as the original btcdmon did: nobody learns what is lost.
    #[arg(long, value_name = "URL")]
    pub influx: Option<String>,

    /// Its database, `btcdmon` if not given (1.x); made if it is missing.
    #[arg(long, value_name = "NAME")]
    pub influx_database: Option<String>,

    /// Retention policy of the database, if not its default one (1.x).
    #[arg(long, value_name = "NAME")]
    pub influx_retention_policy: Option<String>,

    /// User (1.x).
    #[arg(long, value_name = "NAME")]
    pub influx_user: Option<String>,

    /// Password (1.x). Others see command lines: better in the environment, or in a file.
    #[arg(long, value_name = "TEXT", hide_env_values = true)]
    pub influx_password: Option<String>,

    /// File that holds the password.
    #[arg(long, value_name = "FILE", conflicts_with = "influx_password")]
    pub influx_password_file: Option<PathBuf>,

    /// Organisation (2.x).
    #[arg(long, value_name = "NAME")]
    pub influx_org: Option<String>,

    /// Bucket (2.x) or database (3.x); made if it is missing and the token may do that.
    #[arg(long, value_name = "NAME")]
    pub influx_bucket: Option<String>,

    /// Token (2.x, 3.x). Better in the environment, or in a file.
    #[arg(long, value_name = "TEXT", hide_env_values = true)]
    pub influx_token: Option<String>,

    /// File that holds the token.
    #[arg(long, value_name = "FILE", conflicts_with = "influx_token")]
    pub influx_token_file: Option<PathBuf>,

    /// Folder for points that the server does not take; they are sent when it does. If not given:
    /// `spool` in the service's state directory, else ~/.local/state/btcdmon/spool.
    #[arg(long, value_name = "FOLDER")]
    pub influx_spool: Option<PathBuf>,

    /// Size of that folder at most; then the oldest points leave, and are counted.
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = bytes)]
    pub influx_spool_limit: u64,

    /// How long the store keeps points: 7d, 24h, forever. A replay keeps everything unless it is told otherwise, a
    /// live capture 7 days of points, 90 days of minutes, and hours for ever.
    #[arg(long, value_name = "TIME", value_parser = length)]
    pub keep_points: Option<Length>,

    /// How long the store keeps figures of minutes.
    #[arg(long, value_name = "TIME", value_parser = length)]
    pub keep_minutes: Option<Length>,

    /// How long the store keeps figures of hours.
    #[arg(long, value_name = "TIME", value_parser = length)]
    pub keep_hours: Option<Length>,

    /// Serve the newest figures to Prometheus at this address: /metrics, /-/healthy, /-/ready. 127.0.0.1:9435 is usual.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub prometheus: Option<SocketAddr>,

    /// Post alerts to this URL, in the format of Alertmanager's webhook: the rules of deploy/prometheus/alerts.yml,
    /// for those without Prometheus.
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub alert_webhook: Option<String>,

    /// Post a sign of life to this URL each minute of a live capture, in the same format (`Watchdog`), to a service that
    /// tells when they stop: a sensor that is down cannot say so itself.
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub alert_heartbeat: Option<String>,
}

/// Options that say more about another one: on the command line it must be there. In the environment or in a file
/// they may stand for the day it is wanted.
const DETAILS: [(&str, &str); 2] = [("influx_", "influx"), ("alert_heartbeat", "alert_webhook")];

/// Tells of details on the command line without what they are details of.
///
/// # Errors
/// As any other wrong use.
pub fn check(matches: &ArgMatches, command: &Command) -> Result<(), clap::Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
    let is_given = |id: &str| matches.try_contains_id(id).is_ok_and(|given| given);
    for id in matches.ids().map(clap::Id::as_str) {
        let whole = DETAILS.iter().find(|(beginning, whole)| id.starts_with(beginning) && !is_given(whole));
        if let (Some((_, whole)), Some(ValueSource::CommandLine)) = (whole, matches.value_source(id)) {
            let (id, whole) = (id.replace('_', "-"), whole.replace('_', "-"));
            let mut command = command.find_subcommand(name).unwrap_or(command).clone();
            return Err(command.error(ErrorKind::MissingRequiredArgument, format!("--{id} needs --{whole} <URL>")));
        }
    }
    Ok(())
}

impl SinkArgs {
    /// The sinks that were asked for.
    ///
    /// # Errors
    /// What does not fit together, and files that cannot be read.
    pub fn configs(&self) -> Result<Vec<SinkConfig>> {
        let mut all = Vec::new();
        if let Some(url) = &self.influx {
            all.push(SinkConfig::Influx(self.influx(url)?));
        }
        if let Some(listen) = self.prometheus {
            all.push(SinkConfig::Prometheus { listen });
        }
        if let Some(url) = self.alert_webhook.clone() {
            all.push(SinkConfig::AlertWebhook { url, heartbeat: self.alert_heartbeat.clone() });
        }
        Ok(all)
    }

    /// How long the store keeps what, `usual` where it was not said.
    pub fn retention(&self, usual: Retention) -> Retention {
        let chosen = |given: Option<Length>, usual| given.map_or(usual, |l| l.0);
        Retention {
            raw: chosen(self.keep_points, usual.raw),
            minutes: chosen(self.keep_minutes, usual.minutes),
            hours: chosen(self.keep_hours, usual.hours),
        }
    }

    fn influx(&self, url: &str) -> Result<Influx> {
        let config = Influx {
            url: url.to_owned(),
            database: self.influx_database.clone(),
            retention_policy: self.influx_retention_policy.clone(),
            user: self.influx_user.clone(),
            password: secret(self.influx_password.as_deref(), self.influx_password_file.as_deref())?,
            org: self.influx_org.clone(),
            bucket: self.influx_bucket.clone(),
            token: secret(self.influx_token.as_deref(), self.influx_token_file.as_deref())?,
            spool: match &self.influx_spool {
                Some(folder) => folder.clone(),
                None if url.starts_with("udp:") => PathBuf::new(),
                None => default_spool()?,
            },
            spool_limit: self.influx_spool_limit,
        };
        // Told before any file is read.
        config.url().and(config.api().map(|_| ())).map_err(|e: InfluxError| anyhow::Error::new(e))?;
        Ok(config)
    }
}

/// A secret, as it was given or from its file without the line's end.
fn secret(given: Option<&str>, file: Option<&Path>) -> Result<Option<Secret>> {
    let text = match (given, file) {
        (Some(text), _) => text.to_owned(),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(Secret(text)))
}

fn default_spool() -> Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(state) = folder("STATE_DIRECTORY") {
        return Ok(state.join("spool"));
    }
    let state = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|h| h.join(".local/state")));
    match state {
        Some(state) => Ok(state.join("btcdmon/spool")),
        None => bail!(
            "--influx: there is no home folder for points that the server does not take; name one with --influx-spool"
        ),
    }
}

/// A length of time, ns; nothing: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(Option<i64>);

/// `7d`, `24h`, `forever`. An hour at least: minutes and hours are made of points.
fn length(text: &str) -> Result<Length, String> {
    if text == "forever" {
        return Ok(Length(None));
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = crate::sink::rewrite::unit(&text[digits.len()..]);
    match digits.parse::<i64>().ok().zip(unit).and_then(|(n, u)| n.checked_mul(u)) {
        Some(n) if n >= 2 * 3600 * crate::time::SECOND => Ok(Length(Some(n))),
        Some(_) => Err("at least 2h are kept: hours are made of points".to_owned()),
        None => Err("expected a number and a unit, for example 7d or 24h, or `forever`".to_owned()),
    }
}

/// A number of bytes: `500MB`, `1GiB`, `1000000`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "KiB" => Some(1 << 10),
        "MiB" | "M" => Some(1 << 20),
        "GiB" | "G" => Some(1 << 30),
        "TiB" => Some(1 << 40),
        _ => None,
    };
    let number = digits.trim().parse::<u64>().ok().zip(unit).and_then(|(n, u): (u64, u64)| n.checked_mul(u));
    number.ok_or_else(|| "expected a number and a unit, for example 500MB or 1GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::influx::config::SPOOL_LIMIT;

    #[test]
    fn numbers_of_bytes() {
        assert_eq!(bytes("1GiB"), Ok(SPOOL_LIMIT));
        assert_eq!((bytes("500MB"), bytes("17"), bytes("2 kB")), (Ok(500_000_000), Ok(17), Ok(2000)));
        for bad in ["", "GiB", "1.5GB", "-1", "1XB", "99999999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(length("7d"), Ok(Length(Retention::LIVE.raw)));
        assert_eq!(length("forever"), Ok(Length(None)));
        for bad in ["", "7", "1h", "-7d", "ever", "99999999999d"] {
            assert!(length(bad).is_err(), "{bad}");
        }
        let args = SinkArgs { keep_minutes: Some(Length(None)), ..SinkArgs::default() };
        assert_eq!(args.retention(Retention::LIVE), Retention { minutes: None, ..Retention::LIVE });
    }

    #[test]
    fn secrets_come_from_files_without_the_end_of_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "pass word \n").unwrap();
        assert_eq!(secret(None, Some(&file)).unwrap(), Some(Secret("pass word ".to_owned())));
        let missing = secret(None, Some(&dir.path().join("none"))).unwrap_err();
        assert!(missing.to_string().contains("cannot read"));
    }
}
