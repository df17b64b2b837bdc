//! Real captures, changed in ways that change no message, or only those that are told beforehand.
//!
//! Each transformation of [`packets`] and [`files`] must give exactly the
//! messages of the recording as it is. [`losses`] takes bytes away, and an
//! oracle that knows no time and no buffers says what must be left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;

#[path = "transforms/files.rs"]
mod files;
#[path = "transforms/losses.rs"]
mod losses;
#[path = "transforms/packets.rs"]
mod packets;

use corpus::oracle::Oracle;
use corpus::run::{Content, Direct, assert_same, run};
use corpus::{Capture, Packet, captures};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Messages of a recording as it is.
type Messages = BTreeMap<Direct, Vec<Content>>;

/// Every recording with its messages.
fn baselines() -> &'static [(&'static Capture, Messages)] {
    static ALL: OnceLock<Vec<(&'static Capture, Messages)>> = OnceLock::new();
    ALL.get_or_init(|| captures().iter().map(|c| (c, run(&c.packets).directions())).collect())
}

/// Demands that `transform` changes no message of any recording.
fn same(what: &str, transform: impl Fn(&[Packet]) -> Vec<Packet>) {
    for (capture, expected) in baselines() {
        let changed = transform(&capture.packets);
        assert_same(&format!("{}, {what}", capture.name), expected, &run(&changed).directions());
    }
}

/// The recordings themselves give the messages that a plain reading of their streams finds.
#[test]
fn untouched_captures_give_what_the_streams_hold() {
    for (capture, found) in baselines() {
        let oracle = Oracle::new(&capture.packets);
        let mut expected: Vec<_> = (oracle.streams.iter())
            .filter(|(_, s)| !s.messages.is_empty())
            .map(|((from, to, _), s)| {
                let list: Vec<_> = s
                    .messages
                    .iter()
                    .map(|m| (m.offset, m.command.clone(), Some(m.checksum), m.checksum_valid))
                    .collect();
                let recv = to.ip().to_string() == capture.node;
                (recv, if recv { *from } else { *to }, list)
            })
            .collect();
        let mut found: Vec<_> = (found.iter())
            .map(|((_, peer, _, recv), list)| {
                assert!(list.iter().all(|m| !m.truncated && m.missing == 0 && m.trailing == 0));
                let list: Vec<_> =
                    list.iter().map(|m| (m.offset, m.command.clone(), m.checksum, m.checksum_valid)).collect();
                (*recv, *peer, list)
            })
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(expected, found, "{}", capture.name);
        assert!(found.iter().map(|f| f.2.len()).sum::<usize>() > 90, "{}", capture.name);
    }
}
