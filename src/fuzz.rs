//! Entry points of the fuzz targets, one for each stage that reads bytes from the network.
//!
//! The same functions are run by `tests/fuzz` (libFuzzer, guided by coverage)
//! and by `tests/fuzz_smoke.rs` (mutations of the bundled captures, bounded in
//! time). Each takes any bytes and panics when an invariant of the stage is
//! broken; what the bytes mean is told by each.

mod messages;
mod streams;

pub use messages::{connections, framer};
pub use streams::segments;

use crate::capture::{self, Frame, LinkType};
use crate::decode::{Decoder, FragmentLimits};
use crate::message::command::Command;
use crate::message::hash::sha256d;
use crate::message::{addr, block, body, compact, fields, headers, info, inventory, package};
use crate::time::Timestamp;

/// A target: its name and its entry point.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("frame_decode", frame_decode),
    ("segments", segments),
    ("framer", framer),
    ("connections", connections),
    ("payload", payload),
    ("capture_file", capture_file),
];

/// Takes the input apart; zeros when it is used up.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        let (some, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        some
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Link types that the decoder knows, and one that it does not.
const LINKS: [u16; 16] = [1, 113, 276, 0, 108, 101, 228, 229, 12, 14, 9, 50, 51, 239, 253, 147];

/// Frames: link type (1 byte, an index, above the table 2 bytes more), captured bytes (2), how many more were on
/// the wire (1), milliseconds since the frame before (1), the captured bytes.
pub fn frame_decode(data: &[u8]) {
    let mut input = Input(data);
    let limits = FragmentLimits { datagrams: 8, bytes: 64 * 1024, ..FragmentLimits::default() };
    let mut decoder = Decoder::new(limits);
    let (mut frames, mut used, mut now) = (0, 0, 0_i64);
    while !input.is_empty() {
        let link = match input.u8() {
            n if usize::from(n) < LINKS.len() => LINKS[usize::from(n)],
            _ => input.u16(),
        };
        let n = input.u16();
        let cut = u32::from(input.u8());
        now += i64::from(input.u8()) * 1_000_000;
        let data = input.take(n.into());
        let frame = Frame {
            time: Timestamp::from_nanos(now),
            link: LinkType(link),
            interface: 0,
            wire_len: data.len() as u32 + cut,
            data,
        };
        frames += 1;
        if let Ok(s) = decoder.decode(&frame) {
            used += 1;
            assert!(s.payload.len() as u64 <= u64::from(s.payload_len), "more payload than the packet has");
            assert!(s.payload_len <= s.ip_len, "more payload than the packet is long");
            assert!(s.checksummed.is_empty() || s.checksummed.len() >= 20 + s.payload.len());
            let _ = (s.src(), s.dst());
        }
        decoder.expire(Timestamp::from_nanos(now));
        let (datagrams, bytes) = decoder.fragments_held();
        assert!(datagrams <= limits.datagrams && bytes <= limits.bytes, "fragments beyond the cap");
    }
    assert_eq!(decoder.used(), used);
    assert_eq!(decoder.used() + decoder.skipped().total(), frames, "a frame without exactly one outcome");
}

/// A payload: the command's place in the table, then the payload. What came out is printed, and every list walked.
pub fn payload(data: &[u8]) {
    let mut input = Input(data);
    let index = usize::from(input.u8());
    let command = Command::all().nth(index).unwrap_or(Command::UNKNOWN);
    let payload = input.0;
    match body::decode(command, payload, &sha256d(payload).0) {
        Ok((body, trailing)) => {
            assert!(trailing as usize <= payload.len());
            let line = info::line(command.name(), &body);
            assert!(!line.chars().any(char::is_control), "{line:?}");
            fields::fields(&body, &mut serde_json::Map::new());
        }
        Err(e) => assert!(e.offset <= payload.len(), "{e}"),
    }
    let items = [
        inventory::entries(payload).count(),
        headers::entries(payload).count(),
        headers::locator_hashes(payload).count(),
        addr::entries(payload, index & 1 == 0).count(),
        block::transactions(payload).count(),
        compact::short_ids(payload).count(),
        compact::prefilled(payload).count(),
        compact::requested(payload).count(),
        compact::transactions(payload).count(),
        package::entries(payload).count(),
    ];
    assert!(items.iter().all(|&n| n <= payload.len()), "items without bytes");
}

/// Frames read of a capture file at most.
const FRAMES: u64 = 10_000;

/// A capture file; its frames are decoded.
pub fn capture_file(data: &[u8]) {
    let mut decoder = Decoder::default();
    let mut bytes = 0;
    let result = capture::read_bytes(data.to_vec(), FRAMES, |frame| {
        bytes += frame.data.len();
        let _ = decoder.decode(&frame);
    });
    match result {
        Ok(frames) => assert_eq!(frames, decoder.used() + decoder.skipped().total()),
        Err(e) => assert!(!e.to_string().contains('\n'), "an error of several lines: {e}"),
    }
    let plain = data.starts_with(b"\x0a\x0d\x0d\x0a") || data.starts_with(b"\xd4\xc3\xb2\xa1");
    assert!(!plain || bytes <= data.len(), "more frame bytes than the file has");
}
