//! Options of `btcdmon live` and `btcdmon doctor`.

use super::args::{WatchArgs, duration, interval};
use super::sink_args::{SinkArgs, bytes};
use super::web_args::WebArgs;
use clap::Args;
use std::path::PathBuf;

/// What to capture.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// Interfaces to capture on, `any` for all of them; without it that of the default route. Those of a
    /// mirror that sends each direction to an interface of its own are merged by time.
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    pub interface: Vec<String>,

    /// Capture what matches this expression, as tcpdump has it, in place of TCP on the Bitcoin ports and
    /// the envelopes of mirrors (VLAN, MPLS, PPPoE, GRE, ERSPAN, VXLAN, GENEVE).
    #[arg(short, long, value_name = "BPF")]
    pub filter: Option<String>,

    /// Size of the kernel's ring for each interface: what may wait while the sensor is busy.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = ring)]
    pub buffer: u64,

    /// Do not ask for frames that are for other hosts. A mirror port has no others.
    #[arg(long)]
    pub no_promiscuous: bool,
}

/// `btcdmon live`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo btcdmon live                                 the node of this host, on the interface of the default route
  sudo btcdmon live -i eth0,lo --port 8334          … and its Tor connections
  sudo btcdmon live -i eth1 --node home=192.0.2.7   a node seen from a mirror port
  sudo btcdmon live --write /var/lib/btcdmon/node.pcapng --rotate 1G --keep 10

Signals: SIGINT and SIGTERM end it and lose nothing; SIGHUP reads the configuration again and begins another
--write file. Each option may also stand in the configuration, or be given as BTCDMON_OPTION.")]
pub struct LiveArgs {
    /// What to capture.
    #[command(flatten)]
    pub capture: CaptureArgs,

    /// Whom to watch.
    #[command(flatten)]
    pub watch: WatchArgs,

    /// The store (an SQLite file). Without it `btcdmon.db` in `$STATE_DIRECTORY`, in `/var/lib/btcdmon` for
    /// root, else in `btcdmon` below `$XDG_STATE_HOME` or `~/.local/state`.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Keep no store.
    #[arg(long)]
    pub no_store: bool,

    /// Length of an interval: 1s, 10s, 1m, 1h.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval)]
    pub interval: i64,

    /// Name of this sensor in the store; the host's name if not given.
    #[arg(long, value_name = "NAME", env = "BTCDMON_SENSOR")]
    pub sensor: Option<String>,

    /// End after this time.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<i64>,

    /// Keep every frame that was captured, as pcapng.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// Begin another --write file when this one is as large; the full one is renamed.
    #[arg(long, value_name = "SIZE", value_parser = file_size)]
    pub rotate: Option<u64>,

    /// Keep at most this many --write files; the oldest are removed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,

    /// Started as root, become this user; without it the owner of the store's folder, else btcdmon or nobody.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Do not confine the process by Landlock and seccomp.
    #[arg(long)]
    pub no_sandbox: bool,

    /// Time between two log lines, where standard error is no terminal.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = interval)]
    pub log_interval: i64,

    /// Say nothing but warnings and errors.
    #[arg(short, long)]
    pub quiet: bool,

    /// Print a summary at the end as one JSON object.
    #[arg(long)]
    pub json: bool,

    /// Where the points go besides the store.
    #[command(flatten)]
    pub sinks: SinkArgs,

    /// No dashboard.
    #[arg(long)]
    pub no_web: bool,

    /// The dashboard.
    #[command(flatten)]
    pub web: WebArgs,
}

/// `btcdmon doctor`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo btcdmon doctor                     this host's node, on the interface of the default route
  sudo btcdmon doctor -i eth1 --port 8334 a mirror port, and a further port

Exit status: 0 all is well, 1 something is wrong, and the lines with FAIL say what to do.")]
pub struct DoctorArgs {
    /// What to capture.
    #[command(flatten)]
    pub capture: CaptureArgs,

    /// Whom to watch.
    #[command(flatten)]
    pub watch: WatchArgs,

    /// The store that `btcdmon live` would use.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Where the points would go besides the store.
    #[command(flatten)]
    pub sinks: SinkArgs,

    /// How long to wait for Bitcoin packets.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub wait: i64,
}

/// Smallest ring and file: less holds no burst, and no large frame.
const SMALLEST: u64 = 1 << 20;
/// Largest ring: libpcap takes a C `int`.
const LARGEST_RING: u64 = 1 << 31;

fn ring(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        n if (SMALLEST..LARGEST_RING).contains(&n) => Ok(n),
        _ => Err("the ring has from 1M to less than 2G".to_owned()),
    }
}

fn file_size(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        n if n >= SMALLEST => Ok(n),
        _ => Err("a file has at least 1M".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!((ring("64M"), file_size("1G")), (Ok(64 << 20), Ok(1 << 30)));
        assert!(ring("100kB").is_err() && ring("2G").is_err() && ring("many").is_err());
        assert!(file_size("1KiB").is_err() && file_size("5GB").is_ok());
    }
}
