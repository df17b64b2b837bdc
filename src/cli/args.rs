//! Options and their help texts.

use super::live_args::{DoctorArgs, LiveArgs};
use super::sink_args::SinkArgs;
use super::view_args::{CompletionsArgs, ManArgs, TopArgs};
use super::web_args::{Speed, WebArgs, speed};
use crate::app::messages::Format;
use crate::flow::Checksums;
use crate::message::network::Network;
use crate::node::NodeSpec;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A passive network sensor for Bitcoin nodes.
///
/// Reads packets, reassembles the TCP streams, decodes the Bitcoin messages and computes message,
/// bandwidth and peer series, for any node, without touching it.
#[derive(Debug, Parser)]
#[command(name = "btcdmon", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// The configuration; /etc/btcdmon/btcdmon.toml if that is there. `btcdmon config` shows what it may hold.
    #[arg(long, value_name = "FILE", global = true, env = "BTCDMON_CONFIG")]
    pub config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  sudo btcdmon live                               watch the node of this host
  btcdmon replay node.pcapng                      what a capture shows, in one page
  btcdmon replay --serve node.pcapng              the same in a browser, at http://127.0.0.1:8399
  btcdmon replay --store node.db captures/        a folder of rotated captures into a store
  btcdmon messages node.pcap -c tx,inv            each message, one JSON object a line
  btcdmon query --store node.db \"SELECT * FROM peers WHERE user_agent <> ''\"
  btcdmon top                                     a running sensor on the terminal
  btcdmon series peers                            what a series and its columns mean

Exit status: 0 done, 1 error or damaged input, 2 wrong usage, 130 interrupted twice.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch network interfaces: a store of the series, for months.
    Live(Box<LiveArgs>),
    /// Replay captures: a summary, JSON, a store of the series.
    Replay(Box<ReplayArgs>),
    /// List every Bitcoin message of captures, one a line.
    Messages(MessagesArgs),
    /// Run SQL on a store.
    Query(QueryArgs),
    /// Explain the series and their columns.
    Series(SeriesArgs),
    /// Look whether everything is right for a live capture, and say what to do if not.
    Doctor(Box<DoctorArgs>),
    /// Show the configuration in force, or every option there is.
    Config(ConfigArgs),
    /// Show a running sensor or a store on the terminal, as htop shows a machine.
    Top(TopArgs),
    /// Print what a shell needs to complete btcdmon's commands and options.
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them.
    Man(ManArgs),
}

/// Whom to watch, and how closely.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// A watched node, as `[name=]ADDRESS[:PORT][,ADDRESS…]`; may be given several times. Without it
    /// nodes are found: the endpoint that most Bitcoin connections share, then that of those left, and so on.
    #[arg(long, value_name = "NODE", env = "BTCDMON_NODE")]
    pub node: Vec<NodeSpec>,

    /// A further Bitcoin port (encrypted connections are looked for on the known ones only; plain ones
    /// are found on any port).
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    pub port: Vec<u16>,

    /// A further network: its 4 magic bytes in hex as on the wire (a custom signet), for connections
    /// joined in the middle; others are found by themselves.
    #[arg(long, value_name = "MAGIC")]
    pub magic: Vec<Network>,

    /// TCP checksums: `auto` ignores segments with a wrong one unless the host computes checksums in
    /// hardware, `on` always, `off` never.
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub checksums: Checksums,

    /// TCP conversations kept at most; beyond it the least valuable one is dropped, and counted.
    #[arg(long, value_name = "N", default_value_t = 131_072, value_parser = clap::value_parser!(u32).range(32..))]
    pub max_connections: u32,

    /// Threads that reassemble and decode, beside that of the source and that of the node; 0 does everything
    /// on one thread. The results are the same. Without it: one less than there are cores, at least 1.
    #[arg(long, value_name = "N", env = "BTCDMON_WORKERS", value_parser = clap::value_parser!(u8).range(..=32))]
    pub workers: Option<u8>,
}

/// What to read and how.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Captures: pcap or pcapng, plain, gzip or zstd; folders of them; `-` for standard input. Several
    /// are read as one stream in the order of time.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Whom to watch.
    #[command(flatten)]
    pub watch: WatchArgs,

    /// Keep only frames that match this expression, as tcpdump has it.
    #[arg(short, long, value_name = "BPF")]
    pub filter: Option<String>,

    /// Go on when the (newest) file grows, until interrupted.
    #[arg(long)]
    pub follow: bool,

    /// No progress bar.
    #[arg(short, long)]
    pub quiet: bool,
}

/// `btcdmon replay`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  btcdmon replay node.pcap.zst
  btcdmon replay --node home=192.0.2.7,2001:db8::7 --store home.db --interval 10s /var/captures
  tcpdump -w - 'tcp port 8333' | btcdmon replay -
  btcdmon replay --json node.pcap | jq '.nodes[0].messages'
  btcdmon replay --serve --speed 60x node.pcap            look at it at http://127.0.0.1:8399")]
pub struct ReplayArgs {
    /// What to read.
    #[command(flatten)]
    pub input: InputArgs,

    /// Fill this store (SQLite) with the series; the same capture replayed again changes nothing in it.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Length of an interval of capture time: 1s, 10s, 1m, 1h.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval)]
    pub interval: i64,

    /// Name of this sensor in the store; the host's name if not given.
    #[arg(long, value_name = "NAME", env = "BTCDMON_SENSOR")]
    pub sensor: Option<String>,

    /// Print the summary as one JSON object.
    #[arg(long)]
    pub json: bool,

    /// Show the capture in a browser (see --web), while it is replayed and afterwards, until interrupted. Without
    /// --store the series are kept in a temporary file.
    #[arg(long)]
    pub serve: bool,

    /// How fast: `1x` as it was captured, `60x` a minute in a second, `max` as fast as possible. A silence is waited
    /// for 5 s at most.
    #[arg(long, value_name = "SPEED", default_value = "max", value_parser = speed)]
    pub speed: Speed,

    /// Where the points go besides the store.
    #[command(flatten)]
    pub sinks: SinkArgs,

    /// The dashboard.
    #[command(flatten)]
    pub web: WebArgs,
}

/// `btcdmon messages`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  btcdmon messages node.pcap --format text | less -S
  btcdmon messages node.pcap -c version | jq -r .user_agent | sort | uniq -c
  tcpdump -U -w - 'tcp port 8333' | btcdmon messages - -c inv,tx")]
pub struct MessagesArgs {
    /// What to read.
    #[command(flatten)]
    pub input: InputArgs,

    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Only messages of these commands.
    #[arg(short, long, value_name = "COMMAND", value_delimiter = ',')]
    pub command: Vec<String>,
}

/// `btcdmon query`
#[derive(Debug, Args)]
#[command(after_help = crate::sink::functions::HELP)]
pub struct QueryArgs {
    /// The store.
    #[arg(long, value_name = "FILE")]
    pub store: PathBuf,

    /// One SQL statement that reads.
    pub sql: String,

    /// Print an array of JSON objects.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,

    /// Print comma-separated values with a header (RFC 4180).
    #[arg(long)]
    pub csv: bool,

    /// Print at most this many rows.
    #[arg(long, value_name = "N")]
    pub rows: Option<u64>,
}

/// `btcdmon series`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  btcdmon series              all of them, a line each
  btcdmon series mempool      one, with its columns
  btcdmon series --json | jq '.[].name'")]
pub struct SeriesArgs {
    /// Only this series.
    pub name: Option<String>,

    /// As JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,

    /// As Markdown: the text of docs/series.md.
    #[arg(long)]
    pub markdown: bool,
}

/// `btcdmon config`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  btcdmon config                          what is in force, and where each value comes from
  btcdmon config live > btcdmon.toml      a file to begin with")]
pub struct ConfigArgs {
    /// Only the options of this command.
    pub command: Option<String>,

    /// Every option as Markdown: the text of docs/config.md.
    #[arg(long)]
    pub markdown: bool,
}

/// Shortest interval, ns: the capture's clock ticks once a second.
const SHORTEST: i64 = crate::time::SECOND;
/// Longest interval, ns.
const LONGEST: i64 = 86_400 * crate::time::SECOND;

/// A number and a unit, ns; none when it is something else, or longer than can be told.
fn length(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = crate::sink::rewrite::unit(&text[digits.len()..])?;
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

/// A length of time in whole seconds, ns.
pub(super) fn interval(text: &str) -> Result<i64, String> {
    match length(text) {
        Some(n) if (SHORTEST..=LONGEST).contains(&n) && n % SHORTEST == 0 => Ok(n),
        Some(_) => Err("an interval has whole seconds, from 1s to 1d".to_owned()),
        None => Err("expected a number and a unit, for example 10s, 1m or 1h".to_owned()),
    }
}

/// How long something goes on, in whole seconds, ns.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    match length(text) {
        Some(n) if n >= SHORTEST && n % SHORTEST == 0 => Ok(n),
        Some(_) => Err("expected whole seconds, at least 1s".to_owned()),
        None => Err("expected a number and a unit, for example 10s, 1h or 7d".to_owned()),
    }
}

impl clap::ValueEnum for Checksums {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::On, Self::Off]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(match self {
            Self::Auto => "auto".into(),
            Self::On => "on".into(),
            Self::Off => "off".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn intervals() {
        assert_eq!(interval("10s"), Ok(10_000_000_000));
        assert_eq!(interval("1h"), Ok(3_600_000_000_000));
        for bad in ["", "10", "s", "500ms", "1500ms", "2w", "-1s", "99999999999999999999s", "1x"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
