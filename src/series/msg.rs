//! `msg_recv`, `msg_sent` and their `_bytes`: messages by command, and what they weigh.

use super::Kind::{Exact, Inferred};
use super::{Cadence, Column, Series, Value, integer, tag};
use crate::message::command::COMMANDS;

/// The tag, every command of the table, and `unknown`.
const WIDTH: usize = COMMANDS.len() + 2;

/// `transport` and one column a command.
const fn columns(unit: &'static str) -> [Column; WIDTH] {
    let mut all = [TRANSPORT; WIDTH];
    let mut i = 0;
    while i < COMMANDS.len() {
        all[i + 1] = integer(COMMANDS[i].name, Exact, unit, COMMANDS[i].help);
        i += 1;
    }
    all[WIDTH - 1] = integer("unknown", Exact, unit, "Messages of a command that the sensor does not know.");
    all
}

const TRANSPORT: Column = tag(
    "transport",
    Exact,
    "v1 (read off the wire), or v2 (encrypted, BIP 324): those rows are estimated from sizes, order and time, and counted when a message is told, up to 4 s after it was sent. The two are never added.",
);
const MESSAGES: [Column; WIDTH] = columns("messages");
const BYTES: [Column; WIDTH] = columns("bytes");

const fn series(name: &'static str, help: &'static str, columns: &'static [Column]) -> Series {
    Series { name, cadence: Cadence::Interval, help, columns }
}

/// The columns of `msg_sent`: one more than the others have.
const SENT: [Column; WIDTH + 1] = {
    let mut all = [INV_KNOWN; WIDTH + 1];
    let mut i = 0;
    while i < WIDTH {
        all[i] = MESSAGES[i];
        i += 1;
    }
    all
};

const INV_KNOWN: Column = integer(
    "inv_known",
    Inferred,
    "announcements",
    "Announcements that the node did not have to make: a peer announced or sent a transaction of the shadow mempool before the node announced it there.",
);

/// Messages to the node.
pub const MSG_RECV: Series =
    series("msg_recv", "Messages that the node received in the interval, by command.", &MESSAGES);
/// Messages from the node.
pub const MSG_SENT: Series = series("msg_sent", "Messages that the node sent in the interval, by command.", &SENT);
/// Bytes of messages to the node.
pub const MSG_RECV_BYTES: Series = series(
    "msg_recv_bytes",
    "Bytes of the messages that the node received in the interval, headers included, by command.",
    &BYTES,
);
/// Bytes of messages from the node.
pub const MSG_SENT_BYTES: Series = series(
    "msg_sent_bytes",
    "Bytes of the messages that the node sent in the interval, headers included, by command.",
    &BYTES,
);

/// One counter a command, the last for unknown ones.
pub type PerCommand = [u64; COMMANDS.len() + 1];

/// A point's values.
pub fn values(transport: &str, counts: &PerCommand) -> Vec<Value> {
    std::iter::once(Value::Text(transport.into())).chain(counts.iter().map(|&n| Value::from(n))).collect()
}
