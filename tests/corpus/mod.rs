//! Real captures for tests: frames in memory, the stages over them, and an oracle that shares no code with them.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod oracle;
pub mod packet;
pub mod run;

use btcdmon::capture::{Options, PacketSource as _, Replay};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A frame that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Capture time, ns since 1970.
    pub time: i64,
    /// Link type.
    pub link: u16,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// Captured bytes.
    pub data: Vec<u8>,
}

/// A recording.
pub struct Capture {
    /// Folder name.
    pub name: &'static str,
    /// Address of the watched node.
    pub node: &'static str,
    /// Its folder.
    pub folder: PathBuf,
    /// All frames.
    pub packets: Vec<Packet>,
}

/// Folder of the bundled recordings.
pub fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name)
}

/// All frames of `paths` as one stream.
pub fn read(paths: &[PathBuf]) -> Vec<Packet> {
    let mut replay = Replay::open(paths, Options::default()).unwrap();
    let mut packets = Vec::new();
    while let Some(f) = replay.next_frame().unwrap() {
        packets.push(Packet { time: f.time.nanos(), link: f.link.0, wire_len: f.wire_len, data: f.data.to_vec() });
    }
    assert!(replay.damage().is_empty(), "{:?}", replay.damage());
    packets
}

fn load(name: &'static str, node: &'static str, folder: PathBuf) -> Capture {
    let packets = read(&[folder.join("capture.pcap.zst")]);
    Capture { name, node, folder, packets }
}

/// The bundled recordings, and those below the folder that `BTCDMON_SHARED` names.
pub fn captures() -> &'static [Capture] {
    static ALL: OnceLock<Vec<Capture>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = vec![
            load("btcd-v1", "10.88.0.2", bundled("btcd-v1")),
            load("btcd-ipv6", "fd88::2", bundled("btcd-ipv6")),
            load("btcd-v2", "10.88.0.2", bundled("btcd-v2")),
        ];
        match std::env::var_os("BTCDMON_SHARED") {
            Some(folder) => {
                let folder = Path::new(&folder).join("captures");
                for (name, node) in [("core31-v1", "10.77.0.1"), ("core31-mixed", "10.77.0.1")] {
                    all.push(load(name, node, folder.join(name)));
                }
            }
            None => eprintln!(
                "SKIPPED: core31-v1 and core31-mixed; set BTCDMON_SHARED to the folder that holds captures/core31-v1"
            ),
        }
        all
    })
}

/// Those, and the ones of encrypted connections.
pub fn recordings() -> impl Iterator<Item = &'static Capture> {
    static ENCRYPTED: OnceLock<Vec<Capture>> = OnceLock::new();
    let encrypted = ENCRYPTED.get_or_init(|| {
        let mut all = vec![load("btcd-v2-messages", "10.88.0.2", bundled("btcd-v2-messages"))];
        // That they are absent was said already.
        if let Some(folder) = std::env::var_os("BTCDMON_SHARED") {
            let folder = Path::new(&folder).join("captures");
            let names = ["core31-v2", "core31-v2-busy", "core31-v2-quiet"];
            all.extend(names.map(|name| load(name, "10.77.0.1", folder.join(name))));
        }
        all
    });
    captures().iter().chain(encrypted)
}

/// Random numbers that are the same in every run (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in one of `n` cases.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
