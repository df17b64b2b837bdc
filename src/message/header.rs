//! The header before each message of the v1 transport: magic, command, length, checksum.
//!
//! 24 bytes (protocol documentation, "Message structure"); 20 bytes, without
//! checksum, before `version` and `verack` messages of nodes from before
//! 20 February 2012.

use super::command::{Command, field_name};

/// Bytes of a header.
pub const HEADER: usize = 24;
/// Bytes of a header without checksum.
pub const LEGACY_HEADER: usize = 20;
/// Payload bytes by which a `version` behind a header without checksum is told: version, services, time.
const LEGACY_VERSION: usize = 20;
/// Bytes that decide which header a `version` message has.
pub const LEGACY_LOOK: usize = LEGACY_HEADER + LEGACY_VERSION;
/// Longest payload a node takes (Bitcoin Core `MAX_PROTOCOL_MESSAGE_LENGTH`), bytes.
pub const MAX_PAYLOAD: u32 = 4_000_000;
/// Checksum of an empty payload: the first four bytes of its double SHA-256.
const EMPTY_CHECKSUM: [u8; 4] = [0x5d, 0xf6, 0xe0, 0xe2];

/// A header, its fields as they stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The network's four bytes.
    pub magic: [u8; 4],
    /// Command, padded with NULs.
    pub command: [u8; 12],
    /// Payload bytes that follow.
    pub length: u32,
    /// First four bytes of the payload's double SHA-256; absent in the header of before 2012.
    pub checksum: Option<[u8; 4]>,
}

/// Why 24 bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAHeader {
    /// Other magic bytes.
    Magic,
    /// The command is not printable ASCII padded with NULs.
    Command,
    /// More than [`MAX_PAYLOAD`] bytes.
    Length,
}

impl Header {
    /// Reads the 24 bytes; says nothing of whether they make sense.
    #[inline]
    pub fn read(b: &[u8; HEADER]) -> Self {
        let mut command = [0; 12];
        command.copy_from_slice(&b[4..16]);
        Self {
            magic: [b[0], b[1], b[2], b[3]],
            command,
            length: u32::from_le_bytes([b[16], b[17], b[18], b[19]]),
            checksum: Some([b[20], b[21], b[22], b[23]]),
        }
    }

    /// Checks command and length.
    #[inline]
    pub fn check(&self) -> Result<(), NotAHeader> {
        // A known command is valid; the others are few.
        if !Command::from_field(&self.command).is_known() && field_name(&self.command).is_none() {
            Err(NotAHeader::Command)
        } else if self.length > MAX_PAYLOAD {
            Err(NotAHeader::Length)
        } else {
            Ok(())
        }
    }

    /// Whether the command is `name`.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        field_name(&self.command) == Some(name)
    }

    /// Bytes of this header on the wire.
    pub fn bytes(&self) -> usize {
        if self.checksum.is_some() { HEADER } else { LEGACY_HEADER }
    }

    /// Whether the last four bytes may be the start of the payload instead of a checksum.
    ///
    /// A `version` payload begins with the protocol version, a small number; a checksum is one in
    /// 43,000 times. An empty `verack` is followed by the next message's magic.
    pub fn may_be_legacy(&self) -> bool {
        let Some(last) = self.checksum else { return true };
        if self.is("version") {
            self.length as usize >= LEGACY_VERSION && (1..100_000).contains(&u32::from_le_bytes(last))
        } else {
            self.is("verack") && self.length == 0 && last != EMPTY_CHECKSUM && last == self.magic
        }
    }

    /// The same header without checksum.
    #[must_use]
    pub fn without_checksum(self) -> Self {
        Self { checksum: None, ..self }
    }
}

/// What the first bytes of a message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Too few to tell; this many are needed, at most [`LEGACY_LOOK`], and never more than the message has.
    Needs(usize),
    /// A header of either form.
    Sound(Header),
    /// None.
    Unsound(NotAHeader),
}

/// Judges the first bytes of a message on the network of `magic` (any network without one).
///
/// `legacy` tells that a header without checksum was seen in this direction: its `verack` has none either
/// (the protocol version that brings the checksum is agreed on only behind the `verack`).
#[inline]
pub fn head(bytes: &[u8], magic: Option<[u8; 4]>, legacy: bool) -> Head {
    if let (true, Some(short)) = (legacy, bytes.first_chunk::<LEGACY_HEADER>()) {
        let mut whole = [0; HEADER];
        whole[..LEGACY_HEADER].copy_from_slice(short);
        let header = Header::read(&whole).without_checksum();
        if magic.is_none_or(|m| m == header.magic) && header.is("verack") && header.length == 0 {
            return Head::Sound(header);
        }
    }
    let Some(whole) = bytes.first_chunk::<HEADER>() else { return Head::Needs(HEADER) };
    let header = Header::read(whole);
    if magic.is_some_and(|m| m != header.magic) {
        return Head::Unsound(NotAHeader::Magic);
    }
    if let Err(why) = header.check() {
        return Head::Unsound(why);
    }
    if !header.may_be_legacy() {
        return Head::Sound(header);
    }
    if header.length == 0 {
        return Head::Sound(header.without_checksum());
    }
    match bytes.get(LEGACY_HEADER..LEGACY_LOOK) {
        None => Head::Needs(LEGACY_LOOK),
        Some(payload) if is_legacy_version(payload) => Head::Sound(header.without_checksum()),
        Some(_) => Head::Sound(header),
    }
}

/// Whether `payload`, read from behind a 20-byte header, is that of a `version` message: a small version,
/// services 0 or 1, a time between 2009 and 2013. Behind a 24-byte header the same bytes are shifted by four
/// and never look so.
fn is_legacy_version(payload: &[u8]) -> bool {
    let Some(b) = payload.first_chunk::<LEGACY_VERSION>() else { return false };
    let services = u64::from_le_bytes([b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11]]);
    let time = u64::from_le_bytes([b[12], b[13], b[14], b[15], b[16], b[17], b[18], b[19]]);
    services <= 1 && (1_230_000_000..1_360_000_000).contains(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(command: &[u8], length: u32, last: [u8; 4]) -> [u8; HEADER] {
        let mut b = [0; HEADER];
        b[..4].copy_from_slice(&[0xf9, 0xbe, 0xb4, 0xd9]);
        b[4..4 + command.len()].copy_from_slice(command);
        b[16..20].copy_from_slice(&length.to_le_bytes());
        b[20..].copy_from_slice(&last);
        b
    }

    #[test]
    fn reads_and_checks() {
        let h = Header::read(&bytes(b"inv", 37, [1, 2, 3, 4]));
        assert_eq!((h.magic, h.length, h.checksum), ([0xf9, 0xbe, 0xb4, 0xd9], 37, Some([1, 2, 3, 4])));
        assert!(h.is("inv") && h.check().is_ok());
        assert_eq!(Header::read(&bytes(b"in\0v", 0, [0; 4])).check(), Err(NotAHeader::Command));
        assert_eq!(Header::read(&bytes(b"inv\x07", 0, [0; 4])).check(), Err(NotAHeader::Command));
        assert_eq!(Header::read(&bytes(b"block", 4_000_001, [0; 4])).check(), Err(NotAHeader::Length));
        assert!(Header::read(&bytes(b"block", 4_000_000, [0; 4])).check().is_ok());
    }

    #[test]
    fn tells_the_old_header_by_what_follows() {
        assert!(Header::read(&bytes(b"version", 85, 31_900_u32.to_le_bytes())).may_be_legacy());
        assert!(!Header::read(&bytes(b"version", 85, [0x8d, 0x31, 0xf0, 0x11])).may_be_legacy());
        assert!(Header::read(&bytes(b"verack", 0, [0xf9, 0xbe, 0xb4, 0xd9])).may_be_legacy());
        assert!(!Header::read(&bytes(b"verack", 0, EMPTY_CHECKSUM)).may_be_legacy());
        // Too short for the fields that would tell: no reason to wait for them.
        assert!(!Header::read(&bytes(b"version", 3, 31_900_u32.to_le_bytes())).may_be_legacy());
    }
}
