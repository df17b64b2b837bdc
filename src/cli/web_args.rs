//! Options of the dashboard and the HTTP API.

use crate::web::access::AccessError;
use crate::web::users::Users;
use crate::web::{Access, server};
use anyhow::{Context as _, Result};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The dashboard.
#[derive(Clone, Debug, Default, Args)]
pub struct WebArgs {
    /// Serve the dashboard and the HTTP API at this address, 127.0.0.1:8399 if not given. An address that others can
    /// reach needs a token or users.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub web: Option<SocketAddr>,

    /// Whoever shows this token may look: at least 16 characters. Better in the environment, or in a file.
    #[arg(long, value_name = "TEXT", hide_env_values = true)]
    pub web_token: Option<String>,

    /// File that holds the token.
    #[arg(long, value_name = "FILE", conflicts_with = "web_token")]
    pub web_token_file: Option<PathBuf>,

    /// Users who may look: lines of `htpasswd -B`, or with hashes of Argon2.
    #[arg(long, value_name = "FILE")]
    pub web_users: Option<PathBuf>,

    /// A further name by which browsers reach the dashboard (the name of a proxy before it, for one).
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub web_host: Vec<String>,
}

/// Where to serve, and whom.
#[derive(Clone, Debug)]
pub struct Web {
    /// Where.
    pub listen: SocketAddr,
    token: Option<String>,
    users: Option<Users>,
    hosts: Vec<String>,
}

impl WebArgs {
    /// What was asked for, checked before anything is opened.
    ///
    /// # Errors
    /// Files that cannot be read, and an address that would be open to all.
    pub fn read(&self) -> Result<Web> {
        let token = match (&self.web_token, &self.web_token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                Some(text.trim_end_matches(['\n', '\r']).to_owned())
            }
            (None, None) => None,
        };
        let users = self.web_users.as_deref().map(Users::read).transpose()?;
        let web = Web { listen: self.web.unwrap_or(server::ADDRESS), token, users, hosts: self.web_host.clone() };
        web.access(web.listen)?;
        Ok(web)
    }
}

impl Web {
    /// Who may ask the server at `bound`.
    ///
    /// # Errors
    /// It would be open to all.
    pub fn access(&self, bound: SocketAddr) -> Result<Access, AccessError> {
        Access::new(bound, self.token.as_deref(), self.users.clone(), &self.hosts)
    }
}

/// How many times faster than its capture a replay goes: `60x`; nothing for `max`.
pub fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed(None));
    }
    let number = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    match number.filter(|n| n.is_finite() && (0.001..=1e6).contains(n)) {
        Some(n) => Ok(Speed(Some(n))),
        None => Err("expected a number such as 1x or 60x, or max".to_owned()),
    }
}

/// A speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(pub Option<f64>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds() {
        assert_eq!(speed("60x"), Ok(Speed(Some(60.0))));
        assert_eq!((speed("0.5"), speed("max")), (Ok(Speed(Some(0.5))), Ok(Speed(None))));
        for bad in ["", "x", "0x", "-1x", "infx", "NaN", "fast"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
    }
}
