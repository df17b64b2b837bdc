//! Where an InfluxDB is, and how it is spoken to.

use super::error::InfluxError;
use reqwest::Url;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// Bytes of a spool, unless it is said.
pub const SPOOL_LIMIT: u64 = 1 << 30;
/// Name of the database, unless it is said.
pub const DATABASE: &str = "btcdmon";

/// A secret: never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// An InfluxDB, or what takes its line protocol.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// `http://host:8086`, `https://…`, or `udp://host:8089`.
    pub url: String,
    /// Database (1.x, and all that speak its API).
    #[serde(default)]
    pub database: Option<String>,
    /// Retention policy of the database; the default one if not given (1.x).
    #[serde(default)]
    pub retention_policy: Option<String>,
    /// User (1.x).
    #[serde(default)]
    pub user: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Organisation (2.x).
    #[serde(default)]
    pub org: Option<String>,
    /// Bucket (2.x) or database (3.x).
    #[serde(default)]
    pub bucket: Option<String>,
    /// Token (2.x, 3.x).
    #[serde(default)]
    pub token: Option<Secret>,
    /// Folder for what the server does not take.
    pub spool: PathBuf,
    /// Bytes of it at most.
    #[serde(default = "spool_limit")]
    pub spool_limit: u64,
}

const fn spool_limit() -> u64 {
    SPOOL_LIMIT
}

/// Which API writes go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Api {
    /// `/write?db=…`: InfluxDB 1.x, VictoriaMetrics, QuestDB, Telegraf.
    V1 {
        /// The database.
        database: String,
    },
    /// `/api/v2/write?bucket=…`: InfluxDB 2.x, 3.x.
    V2 {
        /// The organisation; 3.x has none.
        org: Option<String>,
        /// The bucket.
        bucket: String,
    },
}

impl Config {
    /// The server's URL, checked.
    ///
    /// # Errors
    /// [`InfluxError::Url`] or [`InfluxError::SecretInUrl`].
    pub fn url(&self) -> Result<Url, InfluxError> {
        let wrong = |why: &str| InfluxError::Url { url: self.url.clone(), why: why.to_owned() };
        let url = Url::parse(&self.url).map_err(|e| wrong(&e.to_string()))?;
        if !["http", "https", "udp"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("expected http://HOST:PORT, https://HOST or udp://HOST:PORT"));
        }
        if url.scheme() == "udp" && url.port().is_none() {
            return Err(wrong("a UDP port is needed: udp://HOST:8089"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InfluxError::SecretInUrl);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("database, bucket and the like have options of their own"));
        }
        Ok(url)
    }

    /// Which API it is: a bucket or a token means the second.
    ///
    /// # Errors
    /// [`InfluxError::Mixed`].
    pub fn api(&self) -> Result<Api, InfluxError> {
        let second = self.bucket.is_some() || self.token.is_some() || self.org.is_some();
        let first = self.retention_policy.is_some() || self.user.is_some() || self.password.is_some();
        if second && first {
            return Err(InfluxError::Mixed);
        }
        if self.password.is_some() && self.user.is_none() {
            return Err(InfluxError::NoUser);
        }
        let name = |given: &Option<String>| given.clone().unwrap_or_else(|| DATABASE.to_owned());
        Ok(if second {
            let bucket = self.bucket.clone().or_else(|| self.database.clone());
            Api::V2 { org: self.org.clone(), bucket: name(&bucket) }
        } else {
            Api::V1 { database: name(&self.database) }
        })
    }

    /// The spool's own folder in the given one: bodies for one database must not go to another.
    pub fn spool_folder(&self, url: &Url, api: &Api) -> PathBuf {
        let target = format!("{url} {api:?} {:?}", self.retention_policy);
        let [a, b, c, d, ..] = bitcoin_hashes::sha256::Hash::hash(target.as_bytes()).to_byte_array();
        let host = url.host_str().unwrap_or_default().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        self.spool.join(format!("influx-{host}-{:08x}", u32::from_be_bytes([a, b, c, d])))
    }
}
