//! Who may ask: on this host everybody, from elsewhere whoever has the token or is among the users.
//!
//! The `Host` of every request is checked. Without that any page in a browser of this host could ask: it would let
//! its own name point here (DNS rebinding).

use super::users::Users;
use bitcoin_hashes::sha256;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// The cookie of a browser that has shown the token.
pub const COOKIE: &str = "btcdmon";
/// Shortest token: what nobody guesses.
const SHORTEST: usize = 16;
/// Right passwords remembered at most, so that their slow hashes are not computed for each request.
const REMEMBERED: usize = 1024;

/// Why the server may not be opened so.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Everybody could see everything.
    #[error(
        "--web {0}: others could reach this address, and see all peers of the node\nhint: name a token (--web-token-file FILE) or users (--web-users FILE), or serve on 127.0.0.1 and come by `ssh -L 8399:127.0.0.1:8399`"
    )]
    Open(SocketAddr),
    /// The token is guessed too easily.
    #[error("the token for --web has less than {SHORTEST} characters\nhint: `openssl rand -hex 16` makes a good one")]
    Short,
    /// There is no randomness.
    #[error("the system has no random numbers: {0}")]
    Random(String),
}

/// SHA-256 with a salt that nobody knows: what is compared by it tells nothing by the time that takes.
type Print = [u8; 32];

/// Who may ask.
#[derive(Clone)]
pub struct Access {
    listen: SocketAddr,
    hosts: Vec<String>,
    salt: Print,
    token: Option<Print>,
    users: Option<Arc<Users>>,
    passed: Arc<Mutex<HashSet<Print>>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access to {}", self.listen)
    }
}

impl Access {
    /// Access to a server at `listen`; `hosts` are further names of it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn new(
        listen: SocketAddr,
        token: Option<&str>,
        users: Option<Users>,
        hosts: &[String],
    ) -> Result<Self, AccessError> {
        if !listen.ip().is_loopback() && token.is_none() && users.is_none() {
            return Err(AccessError::Open(listen));
        }
        if token.is_some_and(|t| t.len() < SHORTEST) {
            return Err(AccessError::Short);
        }
        let mut salt = Print::default();
        getrandom::fill(&mut salt).map_err(|e| AccessError::Random(e.to_string()))?;
        let hosts = hosts.iter().map(|h| h.to_ascii_lowercase()).collect();
        let mut access = Self { listen, hosts, salt, token: None, users: users.map(Arc::new), passed: Arc::default() };
        access.token = token.map(|t| access.print(&["token", t]));
        Ok(access)
    }

    fn print(&self, parts: &[&str]) -> Print {
        let mut bytes = self.salt.to_vec();
        for part in parts {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        sha256::Hash::hash(&bytes).to_byte_array()
    }

    /// Where the server listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Whether everybody who reaches it may ask.
    pub fn is_open(&self) -> bool {
        self.token.is_none() && self.users.is_none()
    }

    /// Whether there is a token to show.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether there are users.
    pub fn has_users(&self) -> bool {
        self.users.is_some()
    }

    /// Whether a `Host` is one of this server: an address, `localhost`, or a name that was given.
    pub fn host_is_ours(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
            _ => host,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            // An address is no name that somebody could let point elsewhere.
            Ok(ip) => ip.to_canonical().is_loopback() || !self.listen.ip().is_loopback(),
            Err(_) => name == "localhost" || self.hosts.contains(&name),
        }
    }

    /// Whether this is the token.
    pub fn is_token(&self, given: &str) -> bool {
        self.token.is_some_and(|token| token == self.print(&["token", given]))
    }

    /// What the cookie of a browser holds that has shown the token; another one after a restart.
    pub fn session(&self) -> String {
        let token = self.token.unwrap_or_default();
        let hash = sha256::Hash::hash(&[self.salt, token].concat()).to_byte_array();
        hash.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Whether a request's cookies hold the session.
    pub fn knows_cookie(&self, cookies: &str) -> bool {
        let mut all = cookies.split(';').filter_map(|c| c.trim().split_once('='));
        let given = all.find(|(name, _)| *name == COOKIE).map(|(_, v)| v);
        self.token.is_some() && given.is_some_and(|v| self.print(&[v]) == self.print(&[&self.session()]))
    }

    /// Whether a user has just shown this password.
    pub fn has_passed(&self, name: &str, password: &str) -> bool {
        let print = self.print(&["user", name, password]);
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).contains(&print)
    }

    /// Whether it is the password of a user. Takes long.
    pub fn verify(&self, name: &str, password: &str) -> bool {
        let right = self.users.as_ref().is_some_and(|u| u.verify(name, password));
        if right {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            if passed.len() >= REMEMBERED {
                passed.clear();
            }
            passed.insert(self.print(&["user", name, password]));
        }
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(listen: &str) -> Access {
        Access::new(listen.parse().unwrap(), Some("0123456789abcdef"), None, &["Sensor.example".to_owned()]).unwrap()
    }

    #[test]
    fn other_addresses_need_a_secret() {
        let listen = "0.0.0.0:8399".parse().unwrap();
        let error = Access::new(listen, None, None, &[]).unwrap_err().to_string();
        assert!(error.contains("--web-token-file") && error.contains("--web-users") && error.contains("ssh -L"));
        assert!(Access::new(listen, Some("short"), None, &[]).is_err());
        for local in ["127.0.0.1:8399", "[::1]:8399", "127.8.8.8:1"] {
            assert!(Access::new(local.parse().unwrap(), None, None, &[]).unwrap().is_open());
        }
    }

    #[test]
    fn hosts() {
        let local = access("127.0.0.1:8399");
        for ours in ["localhost", "LOCALHOST:8399", "127.0.0.1:80", "[::1]:8399", "[::1]", "sensor.example:8399"] {
            assert!(local.host_is_ours(ours), "{ours}");
        }
        for others in
            ["", "evil.example", "evil.example:8399", "localhost.evil.example", "192.0.2.1:8399", "127.0.0.1.nip.io"]
        {
            assert!(!local.host_is_ours(others), "{others}");
        }
        let open = access("0.0.0.0:8399");
        assert!(open.host_is_ours("192.0.2.1:8399") && open.host_is_ours("[2001:db8::1]:8399"));
        assert!(!open.host_is_ours("evil.example"));
    }

    #[test]
    fn token_and_cookie() {
        let a = access("127.0.0.1:8399");
        assert!(a.is_token("0123456789abcdef") && !a.is_token("0123456789abcdee") && !a.is_token(""));
        let cookie = format!("x=1; {COOKIE}={}", a.session());
        assert!(a.knows_cookie(&cookie) && !a.knows_cookie("btcdmon=") && !a.knows_cookie("x=1"));
        assert!(!access("127.0.0.1:8399").knows_cookie(&cookie), "another run, another session");
    }
}
