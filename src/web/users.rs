//! A file of users: lines `name:hash` as `htpasswd -B` writes them (bcrypt), or with hashes of Argon2.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordVerifier as _};
use std::path::{Path, PathBuf};

/// Users at most.
const MOST: usize = 1000;
/// Largest cost of a bcrypt hash: 2^14 rounds take a second, and every request would wait for it.
const COST: u32 = 14;

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read.
    #[error("--web-users {}: cannot read the file: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: std::io::Error,
    },
    /// A line of it is no user.
    #[error(
        "--web-users {}:{line}: {what}\nhint: write the file with `htpasswd -B -c FILE NAME`",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Nobody is in it.
    #[error("--web-users {}: there is no user in it\nhint: write the file with `htpasswd -B -c FILE NAME`", .0.display())]
    Nobody(PathBuf),
}

/// Names and hashes.
#[derive(Clone, Default)]
pub struct Users(Vec<(String, String)>);

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} users", self.0.len())
    }
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// [`UsersError`].
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let text = std::fs::read_to_string(path).map_err(|why| UsersError::Read { path: path.to_owned(), why })?;
        let mut users = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what| UsersError::Line { path: path.to_owned(), line: i + 1, what };
            let (name, hash) = line.split_once(':').ok_or_else(|| wrong("expected NAME:HASH"))?;
            check(hash).map_err(wrong)?;
            if users.len() >= MOST {
                return Err(wrong("too many users"));
            }
            users.push((name.to_owned(), hash.to_owned()));
        }
        if users.is_empty() {
            return Err(UsersError::Nobody(path.to_owned()));
        }
        Ok(Self(users))
    }

    /// Whether `name` has this password. Takes long, by design; as long for a name that is not there.
    pub fn verify(&self, name: &str, password: &str) -> bool {
        let found = self.0.iter().find(|(n, _)| n == name);
        let Some((_, hash)) = found.or_else(|| self.0.first()) else { return false };
        let right = if hash.starts_with("$argon2") {
            let parsed = PasswordHash::new(hash);
            parsed.is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
        } else {
            bcrypt::verify(password, hash).unwrap_or(false)
        };
        right && found.is_some()
    }
}

fn check(hash: &str) -> Result<(), &'static str> {
    if hash.starts_with("$argon2") {
        return PasswordHash::new(hash).map(|_| ()).map_err(|_| "the Argon2 hash is damaged");
    }
    let parts: Vec<&str> = hash.split('$').collect();
    match parts.as_slice() {
        ["", "2a" | "2b" | "2x" | "2y", cost, rest] if rest.len() == 53 => match cost.parse::<u32>() {
            Ok(cost) if cost <= COST => Ok(()),
            _ => Err("the cost of the hash is above 14"),
        },
        _ => Err("the password is not hashed by bcrypt or Argon2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_htpasswd_and_argon2() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users");
        let hash = bcrypt::hash("secret", 4).unwrap();
        std::fs::write(&file, format!("# who may look\nanna:{hash}\n")).unwrap();
        let users = Users::read(&file).unwrap();
        assert!(users.verify("anna", "secret"));
        assert!(!users.verify("anna", "Secret") && !users.verify("otto", "secret") && !users.verify("", ""));
        for (text, what) in [
            ("", "no user"),
            ("anna", ":1: expected NAME:HASH"),
            ("\nanna:secret", ":2: the password is not hashed"),
            ("anna:$apr1$x$y", "not hashed by bcrypt"),
            ("anna:$argon2id$oh", "damaged"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = Users::read(&file).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("htpasswd -B"), "{text:?}: {error}");
        }
        assert!(Users::read(&dir.path().join("none")).unwrap_err().to_string().contains("cannot read"));
    }
}
