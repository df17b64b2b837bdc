//! What the messages are, found the plain way: all bytes of a stream in one buffer, one header after the other.
//!
//! Knows nothing of time, windows and buffers, and shares no code with the sensor.

use super::Packet;
use super::packet::{ACK, FIN, RST, SYN, tcp};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// Magic of regtest: all recordings are of it.
const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];
/// Bytes of a header.
const HEADER: u64 = 24;

/// A message in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub offset: u64,
    pub end: u64,
    pub command: String,
    pub checksum: [u8; 4],
    pub checksum_valid: bool,
}

/// A segment with payload.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Index of the frame.
    pub frame: usize,
    /// Stream offset of its first byte.
    pub start: u64,
    /// Payload bytes.
    pub len: u64,
    /// Bytes of the frame before the payload.
    pub headers: usize,
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Sequence number of offset 0.
    pub origin: u32,
    pub bytes: Vec<u8>,
    pub pieces: Vec<Piece>,
    pub messages: Vec<Message>,
    /// Frames that tell where offset 0 is: its SYN, and the SYN-ACK that acknowledges that.
    pub openings: Vec<usize>,
    /// Frames with its FIN.
    pub fins: Vec<usize>,
}

/// Sender, receiver, how many connections between the two were opened before.
pub type Key = (SocketAddr, SocketAddr, usize);

/// All streams of a capture.
pub struct Oracle {
    pub streams: BTreeMap<Key, Stream>,
    /// The stream of each TCP frame, by index.
    pub of_frame: Vec<Option<Key>>,
}

fn sha256d(bytes: &[u8]) -> [u8; 32] {
    bitcoin_hashes::sha256d::Hash::hash(bytes).to_byte_array()
}

impl Oracle {
    /// Puts the streams of `packets` together. Every handshake must be in them and no byte may be missing.
    pub fn new(packets: &[Packet]) -> Self {
        let mut streams: BTreeMap<Key, Stream> = BTreeMap::new();
        let mut of_frame = Vec::with_capacity(packets.len());
        // By the two ends, lower first: sequence number of the last SYN, and the number of the connection.
        let mut connections: HashMap<(SocketAddr, SocketAddr), (u32, usize)> = HashMap::new();
        for (frame, p) in packets.iter().enumerate() {
            let Some(s) = tcp(p) else {
                of_frame.push(None);
                continue;
            };
            let ends = (s.src.min(s.dst), s.src.max(s.dst));
            if s.flags & (SYN | ACK) == SYN {
                let c = connections.entry(ends).or_insert((s.seq, 0));
                if c.0 != s.seq {
                    *c = (s.seq, c.1 + 1);
                }
            }
            let number = connections.get(&ends).expect("every connection begins in the recording").1;
            let key = (s.src, s.dst, number);
            of_frame.push(Some(key));
            if s.flags & SYN != 0 {
                let stream = streams.entry(key).or_default();
                stream.origin = s.seq.wrapping_add(1);
                stream.openings.push(frame);
                if s.flags & ACK != 0 {
                    streams.entry((s.dst, s.src, number)).or_default().openings.push(frame);
                }
            }
            if s.flags & FIN != 0 {
                streams.entry(key).or_default().fins.push(frame);
            }
            if s.payload.is_empty() || s.flags & (SYN | RST) != 0 {
                continue;
            }
            let stream = streams.get_mut(&key).expect("a SYN before data");
            let start = s.seq.wrapping_sub(stream.origin) as i32;
            if start < 0 {
                continue; // a keep-alive before the first byte
            }
            let len = s.payload.len();
            stream.pieces.push(Piece { frame, start: start as u64, len: len as u64, headers: p.data.len() - len });
            let end = start as usize + len;
            if stream.bytes.len() < end {
                stream.bytes.resize(end, 0);
            }
            stream.bytes[start as usize..end].copy_from_slice(&s.payload);
        }
        for stream in streams.values_mut() {
            let whole = stream.present(|p| Some(p.len));
            assert!(whole.iter().all(|&b| b), "a byte is missing in a recording");
            stream.messages = messages(&stream.bytes);
        }
        Self { streams, of_frame }
    }
}

/// Cuts a stream into messages; none when it does not begin with one.
fn messages(bytes: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + HEADER as usize) {
        if header[..4] != MAGIC {
            break;
        }
        let len = u32::from_le_bytes(header[16..20].try_into().unwrap()) as usize;
        let Some(payload) = bytes.get(at + HEADER as usize..at + HEADER as usize + len) else { break };
        let name = header[4..16].split(|&b| b == 0).next().unwrap();
        let checksum: [u8; 4] = header[20..24].try_into().unwrap();
        let end = at + HEADER as usize + len;
        all.push(Message {
            offset: at as u64,
            end: end as u64,
            command: String::from_utf8(name.to_vec()).unwrap(),
            checksum,
            checksum_valid: sha256d(payload)[..4] == checksum,
        });
        at = end;
    }
    all
}

/// What must come of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Whole,
    /// It is there, truncated, and this many bytes of its payload are missing.
    Truncated(u32),
    /// It cannot be told where it begins, or it comes before the place is known again.
    Swallowed,
    /// The stream ends in it, and it is not clear whether its end was lost or never sent.
    AtTheEnd,
}

impl Stream {
    /// Which bytes are there when of each segment only as much is left as `left` says, the first copy of a byte
    /// being the one that counts.
    pub fn present(&self, left: impl Fn(&Piece) -> Option<u64>) -> Vec<bool> {
        let mut seen = vec![false; self.bytes.len()];
        let mut present = vec![false; self.bytes.len()];
        for p in &self.pieces {
            let Some(left) = left(p) else { continue };
            let range = p.start as usize..(p.start + p.len) as usize;
            let there = (p.start + left.min(p.len)) as usize;
            if seen[range.clone()].iter().any(|&b| b) {
                for i in range.clone() {
                    present[i] |= !seen[i] && i < there;
                }
            } else {
                present[p.start as usize..there].fill(true);
            }
            seen[range].fill(true);
        }
        present
    }

    /// The offset from which the sensor counts: 0 when a frame of the handshake tells it, else the first byte that
    /// it sees.
    pub fn base(&self, opening: impl Fn(usize) -> bool, piece: impl Fn(&Piece) -> bool) -> u64 {
        if self.openings.iter().any(|&f| opening(f)) {
            return 0;
        }
        self.pieces.iter().find(|p| piece(p)).map_or(0, |p| p.start)
    }

    /// What must come of each message when these bytes are there; in a connection that was `joined` in the middle
    /// it is not known at first where messages begin.
    pub fn fates(&self, present: &[bool], joined: bool) -> Vec<Fate> {
        let last = present.iter().rposition(|&b| b).map_or(0, |i| i as u64 + 1);
        let absent = |from: u64, to: u64| present[from as usize..to as usize].iter().filter(|b| !**b).count() as u64;
        let mut in_step = !joined;
        let mut fates = Vec::with_capacity(self.messages.len());
        for (i, m) in self.messages.iter().enumerate() {
            let missing = absent(m.offset, m.end);
            let fate = if in_step {
                if absent(m.offset, m.offset + HEADER) > 0 {
                    in_step = false;
                    Fate::Swallowed
                } else if missing == 0 {
                    Fate::Whole
                } else if last < m.end {
                    Fate::AtTheEnd
                } else {
                    Fate::Truncated(missing as u32)
                }
            } else {
                // Believed for its checksum, or for the header that follows.
                let next = self.messages.get(i + 1);
                let believed = m.checksum_valid || next.is_some_and(|n| absent(n.offset, n.offset + HEADER) == 0);
                if missing == 0 && believed {
                    in_step = true;
                    Fate::Whole
                } else {
                    Fate::Swallowed
                }
            };
            fates.push(fate);
        }
        fates
    }
}
