//! A capture to measure with: its size, its packets, its first part.

use anyhow::{Context as _, Result, ensure};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A capture.
pub struct Capture {
    /// What it shows.
    pub name: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its packets.
    pub packets: u64,
}

impl Capture {
    /// Reads the whole file: its packets are counted, and it lies in the page cache afterwards.
    pub fn read(name: &'static str, path: PathBuf) -> Result<Self> {
        let (bytes, packets) = walk(&path, u64::MAX, &mut std::io::sink())?;
        Ok(Self { name, path, bytes, packets })
    }

    /// The packets of the first `bytes` bytes as a capture of their own.
    pub fn prefix(&self, bytes: u64) -> Result<Self> {
        let path = self.path.with_extension("first.pcap");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        let (bytes, packets) = walk(&self.path, bytes, &mut out)?;
        out.flush()?;
        Ok(Self { name: self.name, path, bytes, packets })
    }
}

/// Copies packets while they end within `most` bytes; bytes and packets copied.
fn walk(path: &Path, most: u64, out: &mut impl std::io::Write) -> Result<(u64, u64)> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let size = file.metadata()?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut buffer = vec![0; 24];
    file.read_exact(&mut buffer)?;
    out.write_all(&buffer)?;
    let (mut bytes, mut packets) = (24, 0);
    while bytes < size {
        let mut header = [0; 16];
        file.read_exact(&mut header)?;
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        ensure!(length <= 262_144, "{} is damaged: remove it", path.display());
        buffer.resize(length, 0);
        file.read_exact(&mut buffer)?;
        if bytes + 16 + length as u64 > most {
            break;
        }
        out.write_all(&header)?;
        out.write_all(&buffer)?;
        bytes += 16 + length as u64;
        packets += 1;
    }
    Ok((bytes, packets))
}
