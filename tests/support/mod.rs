//! What the integration tests of the flow stage share: frames, a script of packets, a recording handler, a runner.
#![allow(dead_code)] // each test binary uses a part of it
#![allow(clippy::many_single_char_names)] // a, b, c, f, p: ends, conversation, frame, packet

pub mod conversation;
pub mod frame;
pub mod recorder;
pub mod run;
pub mod script;

/// Initial sequence numbers at which every case must give the same result (R36).
pub const ISNS: [u32; 6] = [0, 1, (1 << 31) - 1, 1 << 31, u32::MAX - 10, u32::MAX];
