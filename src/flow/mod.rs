//! TCP conversations: from segments in capture order to two byte streams each.
//!
//! Knows no protocol above TCP: what a stream means is the business of a
//! [`StreamHandler`]. The rules (R10…R49) and what each follows are in
//! `docs/tcp-semantics.md`; tests name the rules they check.
//!
//! Reading order: [`handler`] (what comes out), [`key`], [`half`] (one
//! direction), [`ooo`] (data beyond a hole), [`gap`] (when a hole is given
//! up), [`conversation`] (two directions, roles, SYN, FIN, RST), `receive` (what
//! one segment does to them), [`table`], [`partition`] (the entry point: segments, ticks, caps).
//!
//! Contract: no input panics; memory stays within [`limits::Limits`]; the
//! in-order path allocates nothing; every discarded byte is counted under an
//! [`anomaly::Anomaly`] or a [`anomaly::GapCause`].

pub mod anomaly;
pub mod checksums;
pub mod conversation;
pub mod delivered;
pub mod duplicate;
pub mod gap;
pub mod half;
pub mod handler;
pub mod key;
pub mod lifecycle;
pub mod limits;
pub mod ooo;
pub mod partition;
mod quarantine;
mod receive;
pub mod table;

pub use anomaly::{Anomaly, CloseReason, GapCause};
pub use handler::{Action, At, Chunk, Conversation, DirectionStats, Gap, PacketIndex, Span, StreamHandler};
pub use key::{FlowKey, Side};
pub use limits::{Checksums, Config, Limits};
pub use partition::Partition;
