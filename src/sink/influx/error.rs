//! What can go wrong with an InfluxDB, and what the operator can do about it.

use super::spool::SpoolError;

/// An error of the InfluxDB sink; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum InfluxError {
    /// The URL makes no sense.
    #[error("--influx {url}: {why}\nhint: for example --influx http://127.0.0.1:8086")]
    Url {
        /// As it was given.
        url: String,
        /// Why not.
        why: String,
    },
    /// Somebody wrote the password into the URL.
    #[error(
        "--influx: the URL holds a user or a password, which would be shown in process lists and logs\nhint: use --influx-user, and BTCDMON_INFLUX_PASSWORD or --influx-password-file"
    )]
    SecretInUrl,
    /// Options of 1.x and of 2.x together.
    #[error(
        "--influx: user, password and retention policy belong to InfluxDB 1.x, bucket, org and token to 2.x and 3.x; both were given\nhint: leave out one of the two"
    )]
    Mixed,
    /// A password without a user.
    #[error("--influx: a password was given and no user\nhint: add --influx-user")]
    NoUser,
    /// User, password or token were refused at the start.
    #[error("{server}: the server refuses the {what}: {why}\nhint: {hint}")]
    Denied {
        /// The server.
        server: String,
        /// User and password, or token.
        what: &'static str,
        /// The server's word.
        why: String,
        /// What to look at.
        hint: &'static str,
    },
    /// InfluxDB 2.x keeps buckets by organisation.
    #[error("{server}: {why}\nhint: add --influx-org")]
    NoOrg {
        /// The server.
        server: String,
        /// The server's word.
        why: String,
    },
    /// Nobody answers, and a replay cannot wait for it.
    #[error("{server}: {why}\nhint: start the server, or check the address given with --influx")]
    Unreachable {
        /// The server.
        server: String,
        /// What the system says.
        why: String,
    },
    /// A replay ends and the server does not take the rest.
    #[error(
        "{server}: {why}; {points} points wait in {spool}\nhint: when the server is well, any run with the same --influx options sends them"
    )]
    Undelivered {
        /// The server.
        server: String,
        /// Why.
        why: String,
        /// How many.
        points: u64,
        /// Where.
        spool: String,
    },
    /// A replay has more than the spool can hold.
    #[error(
        "{server} does not take points, and the spool {spool} is full ({points} points wait there)\nhint: bring the server back and replay again (what is there twice is there once), or raise --influx-spool-limit"
    )]
    SpoolFull {
        /// The server.
        server: String,
        /// How many wait.
        points: u64,
        /// Where.
        spool: String,
    },
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The system gives no socket, thread or the like.
    #[error("{server}: {doing}: {why}")]
    System {
        /// The server.
        server: String,
        /// What was being done.
        doing: &'static str,
        /// Why not.
        why: String,
    },
}
