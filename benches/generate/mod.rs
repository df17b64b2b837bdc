//! Synthetic captures: the same bytes in every run.
//!
//! Reading order: [`rng`], [`tx`] and [`block`] (what is sent), [`p2p`] (in which messages), [`net`] (in which
//! packets), [`ibd`], [`relay`], [`crowd`] and [`encrypted`] (by whom and when); [`copies`] (of what was recorded).

#![allow(dead_code, reason = "each benchmark uses a part")]

pub mod block;
pub mod copies;
pub mod crowd;
pub mod encrypted;
pub mod ibd;
pub mod net;
pub mod p2p;
pub mod relay;
pub mod rng;
pub mod tx;

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Raised whenever the generator writes other bytes: captures of other versions are not used again.
const VERSION: u32 = 2;
/// Capture time of the first frame, ns since 1970.
const START: i64 = 1_730_000_000_000_000_000;

/// A capture of at least `size` bytes called `name` in `folder`; written by `write` unless it is there already.
pub fn capture(folder: &Path, name: &str, size: u64, write: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let path = folder.join(format!("{name}-{}mb-v{VERSION}.pcap", size / 1_000_000));
    if fs::metadata(&path).is_ok_and(|m| m.len() >= size) {
        return Ok(path);
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Only a whole capture gets its name.
    let part = path.with_extension("part");
    write(&part)?;
    fs::rename(&part, &path)?;
    Ok(path)
}
