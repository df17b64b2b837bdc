//! What a side may send now: how probable each message is where the protocol stands.

use super::accounts::Debt;
use super::counts::{Context, Fit, Owe, Writer};
use super::kind::Kind;
use super::model::{Habits, Logs, Model, at_least, larger, value};
use super::state::{FRESH, SECOND, Stage, State, Tick};
use crate::flow::Side;

/// Log probability of not finding more than was asked for.
const TOO_MANY: f32 = -8.0;
/// Log probability of a message that is sent once only coming again.
const AGAIN: f32 = -10.0;
/// Log probability of a message on the wrong side of `verack` ([`Kind::is_negotiation`]).
const OUT_OF_ORDER: f32 = -10.0;
/// Log probability of asking those for addresses that have called: Bitcoin Core and btcd ask whom they call.
const CALLED: f32 = -10.0;
/// Log probability of an answer to no question: a `pong` without a `ping` (BIP 31), or a `block` without a `getdata` that is
/// short enough for a transaction.
const NOT_ASKED: f32 = -5.0;
/// Log probability of a `ping` while the one before is not answered: Core and btcd send one every two minutes.
const PINGED: f32 = -4.0;
/// Log probability of a compact block or of `headers` that were neither asked for nor wanted unasked ([`State::wants`]).
const NOT_WANTED: f32 = -5.0;
/// Log probability of asking for what was never offered.
const NOT_OFFERED: f32 = -7.0;
/// The same where the offer may have been missed, of more than one block: few nodes lag.
const RARELY_OFFERED: f32 = -5.0;
/// Blocks that Bitcoin Core has asked one peer for at most (`MAX_BLOCKS_IN_TRANSIT_PER_PEER`).
const IN_FLIGHT: u32 = 16;
/// Log probability that what is left of a request for transactions is denied.
const REST_DENIED: f32 = -4.0;
/// Log probability of asking for all blocks that were just offered.
const ALL_OFFERED: f32 = -0.7;
/// Compact blocks as long as the one before (log probability: a half), and the share of those nearly so.
const SAME: (f32, f32) = (-std::f32::consts::LN_2, 0.2);
/// Compact blocks nearly as long: the coinbase and a few short ids more or less, bytes.
const NEARLY: u32 = 40;
/// The first blocks of the main network, of which many are alike, have so many bytes (215 of their own); transactions that
/// are alike are often smaller.
const FIRST_BLOCKS: u32 = 236;
/// A compact block without short ids has at least so many bytes (the coinbase has a witness commitment).
const NO_IDS: u32 = 276;
/// A compact block of an empty block is shorter.
const EMPTY: u32 = 400;
/// Log probability of two blocks within a second that are not empty: only test networks mine in a row.
const SO_SOON: f32 = -6.0;

/// Kinds of which some sizes are more probable than by themselves ([`Situation::expects`]).
pub(super) const EXPECTED: [Kind; 3] = [Kind::GetDataBlock, Kind::Block, Kind::CmpctBlock];
/// How probable such sizes are at most.
const EXPECTED_MOST: [f32; EXPECTED.len()] = [ALL_OFFERED, SAME.0, SAME.0];
/// How probable it is at most that what is left of a request is denied.
static DENIED: Logs = Logs::NONE.and(Kind::NotFound, at_least(REST_DENIED));

/// What each kind is less probable by before `verack`.
static EARLY: Logs = early();

const fn early() -> Logs {
    let (mut logs, mut i) = (Logs::NONE, 0);
    while i < Kind::ALL.len() {
        let kind = Kind::ALL[i];
        logs = logs.and(kind, if kind.is_negotiation() { 0 } else { at_least(OUT_OF_ORDER) });
        i += 1;
    }
    logs
}

/// Log probability of a size when the one before is known, and of `any` size otherwise: of empty blocks there are many
/// in a row on test networks.
fn alike(any: f32, before: u32, len: u32) -> f32 {
    match before.abs_diff(len) {
        _ if before == 0 => any,
        0 => SAME.0,
        1..NEARLY => (any.exp() + SAME.1 / (2 * NEARLY) as f32).ln() - 0.7,
        _ => any - 1.2,
    }
}

/// By the kinds of which a size is expected, a bit each in the order of `EXPECTED`, how probable such sizes are at most.
pub fn expected_sizes() -> [Logs; 1 << EXPECTED.len()] {
    std::array::from_fn(|row| {
        let kinds = EXPECTED.into_iter().zip(EXPECTED_MOST).enumerate().filter(|(i, _)| row >> i & 1 == 1);
        kinds.fold(Logs::NONE, |all, (_, (kind, most))| all.and(kind, at_least(most)))
    })
}

impl State {
    /// What `side` is at: what the probabilities of its next message depend on.
    #[inline]
    pub fn situation<'a>(&'a self, model: &'a Model, side: Side, now: Tick) -> Situation<'a> {
        let context = self.context(side, now);
        Situation { state: self, model, side, now, habits: model.habits(&context), context }
    }
}

/// What a side is at, looked up once for all that it may send now.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    state: &'a State,
    model: &'a Model,
    side: Side,
    now: Tick,
    context: Context,
    habits: Habits<'a>,
}

impl Situation<'_> {
    /// What [`Situation::score`] is at most, of every kind that may have `len` bytes, when sizes count for `most` at most.
    #[allow(clippy::inline_always, reason = "half of what it is made of is at hand already where it is called")]
    #[inline(always)]
    pub fn most_of_all(&self, len: u32, most: &Logs) -> Logs {
        let row = EXPECTED.map(|kind| most.of(kind) != Logs::NEVER && self.expects(kind, len));
        let row = usize::from(row[0]) | usize::from(row[1]) << 1 | usize::from(row[2]) << 2;
        let all = self.habits.with(&most.or(self.model.expected(row)));
        let all =
            if most.of(Kind::NotFound) != Logs::NEVER && self.denies() { all.or(&most.plus(&DENIED)) } else { all };
        if self.is_early() { all.plus(&EARLY) } else { all }
    }

    /// Whether the side negotiates features still: all but a few messages come later.
    #[inline]
    fn is_early(&self) -> bool {
        self.state.ends[self.side as usize].shakes_hands() && self.now >= self.state.unsure
    }

    /// What habit tells of each kind, whatever its length.
    #[inline]
    pub fn by_habit(&self) -> Logs {
        if self.is_early() { self.habits.all().plus(&EARLY) } else { self.habits.all() }
    }

    /// [`Situation::most_of_all`] of one kind, of which habit tells `habit`.
    #[inline]
    pub fn most(&self, kind: Kind, habit: i16, (len, most): (u32, i16)) -> i16 {
        match kind {
            Kind::NotFound if self.denies() => habit.max(DENIED.of(kind)).saturating_add(most),
            Kind::GetDataBlock | Kind::Block | Kind::CmpctBlock if self.expects(kind, len) => {
                habit.saturating_add(most.max(self.model.expected((1 << EXPECTED.len()) - 1).of(kind)))
            }
            _ => habit.saturating_add(most),
        }
    }

    /// Whether a size of one of [`EXPECTED`] is more probable than by itself: it was asked for or seen.
    #[inline]
    fn expects(&self, kind: Kind, len: u32) -> bool {
        let me = &self.state.ends[self.side as usize];
        match kind {
            Kind::Block => me.block.abs_diff(len) < NEARLY,
            Kind::CmpctBlock => me.compact.abs_diff(len) < NEARLY,
            _ => self.state.ends[self.side.other() as usize].blocks > 0,
        }
    }

    /// Whether it was asked for a compact block or for `headers`, or the other side wants them unasked.
    #[inline]
    fn is_wanted(&self, kind: Kind) -> bool {
        self.state.wants[self.side.other() as usize].has(kind) || self.was_asked(kind)
    }

    /// Whether it was asked for a `pong`, for `headers` or for a block, or may have been.
    #[inline]
    fn was_asked(&self, kind: Kind) -> bool {
        let is_answer = |d: &Debt| match kind {
            Kind::Pong => d.what == Owe::Pong,
            Kind::Headers => d.what == Owe::Headers,
            Kind::CmpctBlock => d.what == Owe::Block,
            _ => matches!(d.what, Owe::Block | Owe::Blocks),
        };
        self.state.ends[self.side as usize].debts.iter().any(is_answer) || self.now < self.state.unsure
    }

    /// Whether a `ping` of it waits for its `pong`.
    #[inline]
    fn has_pinged(&self) -> bool {
        self.state.ends[self.side.other() as usize].debts.iter().any(|d| d.what == Owe::Pong)
    }

    /// Whether what is left of a request may be denied, which is more probable than by habit.
    #[inline]
    fn denies(&self) -> bool {
        self.state.ends[self.side as usize].debts[0].what == Owe::Tx && !self.is_early()
    }

    /// Whether nothing counts that [`Situation::most_of_all`] leaves out: what a message of this kind is at most, it is.
    #[inline]
    pub fn is_plain(&self, kind: Kind) -> bool {
        use Kind::{Addr, AddrV2, BlockTxn, FeeFilter, GetBlocks, GetHeaders, SendCmpct, Tx};
        match kind {
            Tx | BlockTxn | FeeFilter | SendCmpct | GetHeaders | GetBlocks | Addr | AddrV2 => true,
            Kind::Inv => self.state.ends[self.side as usize].writer != Writer::Btcd,
            _ => false,
        }
    }

    /// Log probability that the side now sends a `kind` of `len` bytes with `n` entries; `size` is that of such a size
    /// alone ([`Model::size`]).
    pub fn score(&self, kind: Kind, (len, n): (u32, u32), size: f32) -> f32 {
        let Self { state, model, side, now, context: c, habits } = *self;
        let me = &state.ends[side as usize];
        let peer = &state.ends[side.other() as usize];
        let unsure = now < state.unsure;
        let mut p = value(habits.of(kind));
        if let Some(bit) = kind.once() {
            // Joined in the middle, the handshake is over.
            let over = kind != Kind::SendHeaders && me.stage == Stage::Open && !me.has_begun() && kind != Kind::Version;
            p += if me.once & bit != 0 || over { AGAIN } else { 0.0 };
        }
        // What is left of a request is denied at once.
        if kind == Kind::NotFound && self.denies() && u32::from(me.debts[0].count) == n {
            p = larger(p, REST_DENIED);
        }
        // A `verack` that was taken for lost may come still.
        if me.has_begun() && !unsure && me.shakes_hands() != kind.is_negotiation() && kind != Kind::Verack {
            p += OUT_OF_ORDER;
        }
        if kind == Kind::GetAddr && state.caller == Some(side.other()) {
            p += CALLED;
        }
        p + match kind {
            // btcd announces transactions by a timer of seconds; a block at once.
            Kind::Inv
                if me.writer == Writer::Btcd
                    && n > 1
                    && c.gap < 3
                    && now - me.batches.at[0].min(now) < SECOND
                    && me.batches.counts[0] > 0 =>
            {
                size + SO_SOON
            }
            Kind::Headers if !self.is_wanted(kind) => size + NOT_WANTED,
            Kind::Pong if !self.was_asked(kind) => size + NOT_ASKED,
            Kind::Ping if self.has_pinged() => size + PINGED,
            Kind::Block if len < FIRST_BLOCKS && !self.was_asked(kind) => size + NOT_ASKED,
            Kind::NotFound => {
                let asked = me.debts.iter().any(|d| u32::from(d.count) >= n && d.what != Owe::Nothing);
                size + if asked || unsure { 0.0 } else { TOO_MANY }
            }
            Kind::GetDataTx => match state.fit(side, n, now) {
                Fit::Exact => model.fit(me.writer, me.asks, Fit::Exact),
                fit if unsure => model.fit(me.writer, me.asks, fit).max(-2.0) + size,
                fit => model.fit(me.writer, me.asks, fit) + size,
            },
            Kind::GetDataBlock => {
                let offered =
                    (n == 1 && (peer.offered_block || peer.writer == Writer::Btcd)) || u32::from(peer.blocks) >= n;
                let recent = now.saturating_sub(peer.blocks_at) <= FRESH;
                let all = if recent && u32::from(peer.blocks) == n { ALL_OFFERED } else { f32::NEG_INFINITY };
                let strange = match n {
                    n if n > IN_FLIGHT && me.writer == Writer::Core => NOT_OFFERED,
                    n if offered || (n == 1 && unsure) => 0.0,
                    2..=IN_FLIGHT if unsure => RARELY_OFFERED,
                    _ => NOT_OFFERED,
                };
                size.max(all) + strange
            }
            Kind::GetBlockTxn => {
                // An index has 1 or 3 bytes, a short id 6: nobody asks for more than there are.
                let indexes = len.saturating_sub(54).div_ceil(3);
                let known = peer.compact == 0 || indexes <= peer.compact.saturating_sub(NO_IDS) / 6;
                size + if unsure || (peer.offered_block && known) { 0.0 } else { NOT_OFFERED }
            }
            Kind::CmpctBlock => {
                let again = me.previous == Kind::CmpctBlock && c.gap < 3;
                let empty = len < EMPTY && me.compact.abs_diff(len) < NEARLY;
                alike(size, me.compact, len)
                    + if again && !empty { SO_SOON } else { 0.0 }
                    + if self.is_wanted(kind) { 0.0 } else { NOT_WANTED }
            }
            Kind::Block if len >= FIRST_BLOCKS => alike(size, me.block, len),
            _ => size,
        }
    }
}

#[cfg(test)]
#[path = "situation_tests.rs"]
mod tests;
