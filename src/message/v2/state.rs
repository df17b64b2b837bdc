//! Where the protocol stands: what each side has said and what it owes the other.

use super::accounts::{Asks, BATCHES, Batches, Debt, Wants};
use super::counts::{Context, Fit, Owe, Writer};
use super::kind::Kind;
use super::size;
use crate::flow::Side;

/// Capture time in units of 100 µs since the connection was taken up.
pub type Tick = u32;
/// How long something took, in the same unit; what took longer than 6.5 s has the most.
type Delay = u16;
/// One second.
pub const SECOND: Tick = 10_000;

/// An answer this late is surprising.
const LATE: Tick = 2 * SECOND;
/// After this it is not waited for any more.
const NEVER: Tick = 30 * SECOND;
/// The same for transactions, which are sent from memory.
const NEVER_TX: Tick = 5 * SECOND;
/// Log probability that a request is not answered in time.
const UNANSWERED: f32 = -2.0;
/// The same when it is only overdue.
const SLOW: f32 = -4.0;
/// A lost request or answer leaves everything unsure for this long.
pub const UNSURE: Tick = 3 * SECOND;

/// A request older than this many times the slowest answer so far (and [`PATIENCE`]) is not expected to be
/// answered next.
const OVERDUE: Tick = 4;
/// 100 ms.
const PATIENCE: Tick = 1000;
/// Bitcoin Core asks for what was announced within this time, its own delays included (2 s for peers that called, for
/// announcements by txid, and for peers that are busy).
pub(super) const FRESH: Tick = 5 * SECOND;
/// btcd asks at once, for what that one `inv` announced.
const FRESH_BTCD: Tick = SECOND;

/// Bits of [`End::once`].
const VERSION: u8 = bit(Kind::Version);
const VERACK: u8 = bit(Kind::Verack);
/// Another: what comes after `verack` was sent, which was not seen itself.
const PAST_VERACK: u8 = 128;

const fn bit(kind: Kind) -> u8 {
    match kind.once() {
        Some(bit) => bit,
        None => 0,
    }
}

/// Debts remembered.
const DEBTS: usize = 3;

/// How far a side has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Key, garbage, terminator and version packet.
    Key,
    /// Messages.
    Open,
}

/// One side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// Bytes of a message that has not ended yet.
    pub pending: u32,
    /// Key, garbage and so on: bytes before the first message.
    pub preamble: u16,
    /// How far it has come.
    pub stage: Stage,
    /// Its last message.
    pub previous: Kind,
    /// Messages sent that are sent once only ([`Kind::once`]).
    pub once: u8,
    /// Whose habits it has.
    pub writer: Writer,
    /// How it asks for transactions.
    pub(super) asks: Asks,
    /// Sent a compact block that may be asked about.
    pub(super) offered_block: bool,
    pub(super) debts: [Debt; DEBTS],
    /// Transactions announced and not asked for.
    announced: u16,
    /// Those of the newest `inv`s.
    pub(super) batches: Batches,
    /// Blocks announced and not asked for.
    pub(super) blocks: u16,
    /// When they were last announced or asked for.
    pub(super) blocks_at: Tick,
    /// Until when hashes of blocks are expected by it (`getblocks`); 0: it did not ask.
    blocks_until: Tick,
    /// Its slowest and its quickest answer; none: [`Delay::MAX`].
    slowest: Delay,
    quickest: Delay,
    /// Size of its last compact block.
    pub(super) compact: u32,
    /// The same of its last block.
    pub(super) block: u32,
    /// When its last message ended.
    last: Tick,
}

impl End {
    const fn new(stage: Stage) -> Self {
        Self {
            pending: 0,
            preamble: 0,
            stage,
            previous: Kind::Start,
            once: 0,
            writer: Writer::Any,
            asks: Asks::of(0),
            offered_block: false,
            debts: [Debt { what: Owe::Nothing, late: 0, count: 0, since: 0 }; DEBTS],
            announced: 0,
            batches: Batches::NONE,
            blocks: 0,
            blocks_at: 0,
            blocks_until: 0,
            slowest: 0,
            quickest: Delay::MAX,
            compact: 0,
            block: 0,
            last: 0,
        }
    }

    /// Whether it has sent `version`.
    pub fn has_begun(&self) -> bool {
        self.once & VERSION != 0
    }

    /// Whether it has sent `version`, but neither `verack` nor what comes after it.
    #[inline]
    pub fn shakes_hands(&self) -> bool {
        self.once & (VERSION | VERACK | PAST_VERACK) == VERSION
    }

    /// Announces blocks. Those that nobody has asked for by now are known there.
    fn offer(&mut self, n: u16, now: Tick) {
        let before = if now.saturating_sub(self.blocks_at) <= NEVER { self.blocks } else { 0 };
        self.blocks = before.saturating_add(n).min(2000);
        self.blocks_at = now;
    }

    fn owe(&mut self, what: Owe, count: u16, now: Tick) {
        let mut place = DEBTS - 1;
        for (i, d) in self.debts.iter().enumerate() {
            if d.what == what || d.what == Owe::Nothing {
                place = i;
                break;
            }
        }
        let d = &mut self.debts[place];
        // What has not come by now will not come.
        let before = if d.what == what && now.saturating_sub(d.since) <= LATE { d.count } else { 0 };
        *d = Debt { what, late: 0, count: before.saturating_add(count), since: now };
    }

    /// Pays `count` of `what`; true when it was owed.
    fn pay(&mut self, what: Owe, count: u16, now: Tick) -> bool {
        let Some(i) = self.debts.iter().position(|d| d.what == what) else { return false };
        let d = &mut self.debts[i];
        if d.late < 2 {
            let took = now.saturating_sub(d.since).min(Tick::from(Delay::MAX) - 1) as Delay;
            self.slowest = self.slowest.max(took);
            self.quickest = self.quickest.min(took);
        }
        d.count = d.count.saturating_sub(count);
        d.since = now;
        d.late = 0;
        if d.count == 0 {
            self.drop_debt(i);
        }
        true
    }

    fn drop_debt(&mut self, i: usize) {
        self.debts.copy_within(i + 1.., i);
        self.debts[DEBTS - 1] = Debt::default();
    }

    /// What it owes first.
    pub fn owes(&self) -> Owe {
        self.debts[0].what
    }

    /// Whether it owes anything.
    pub fn is_in_debt(&self) -> bool {
        self.debts[0].what != Owe::Nothing
    }

    fn expire(&mut self, now: Tick) -> f32 {
        let mut cost = 0.0;
        let slowest = Tick::from(self.slowest);
        while self.is_in_debt() {
            let d = &mut self.debts[0];
            let age = now.saturating_sub(d.since);
            if age > PATIENCE.max(slowest * OVERDUE) && d.late < 1 {
                d.late = 1;
                cost += SLOW;
            }
            if age > LATE && d.late < 2 {
                d.late = 2;
                cost += UNANSWERED;
            }
            if age <= if d.what == Owe::Tx { NEVER_TX } else { NEVER } {
                break;
            }
            self.drop_debt(0);
        }
        cost
    }
}

fn class(time: Tick) -> u8 {
    match time {
        0..20 => 0,
        20..500 => 1,
        500..10_000 => 2,
        _ => 3,
    }
}

// With the rest of a reading three lines of the cache.
const _: () = assert!(size_of::<State>() <= 184);

/// Both sides, by [`Side`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// The sides.
    pub ends: [End; 2],
    /// Until then requests may have been missed.
    pub unsure: Tick,
    /// Requests that were answered, so far.
    pub answered: u8,
    /// Who has made the connection, if its beginning was seen.
    pub caller: Option<Side>,
    /// What each side wants to be told unasked.
    pub(super) wants: [Wants; 2],
}

impl State {
    /// A connection whose first byte is seen, made by `caller`, or one joined in the middle.
    pub const fn new(caller: Option<Side>) -> Self {
        let (stage, unsure) = if caller.is_some() { (Stage::Key, 0) } else { (Stage::Open, 2 * UNSURE) };
        let wants = [if caller.is_some() { Wants::NOTHING } else { Wants::ANY }; 2];
        Self { ends: [End::new(stage), End::new(stage)], unsure, answered: 0, caller, wants }
    }

    /// Whether it is the same.
    #[inline]
    pub fn is(&self, other: &Self) -> bool {
        // Most differ in this already.
        (0..2).all(|i| self.ends[i].previous == other.ends[i].previous) && self == other
    }

    /// Whether a side has sent `version`, but no `verack` yet.
    pub fn shakes_hands(&self) -> bool {
        self.ends.iter().any(End::shakes_hands)
    }

    /// Something that `side` sent was not read: requests may have been missed, until then, and what it wants.
    pub fn miss(&mut self, side: Side, until: Tick) {
        self.unsure = self.unsure.max(until);
        self.wants[side as usize] = Wants::ANY;
    }

    /// Looks at a little of each part; what is told means nothing.
    #[inline]
    pub fn look(&self) -> u32 {
        self.ends.iter().fold(self.unsure, |a, e| a ^ e.pending ^ e.batches.at[BATCHES - 1] ^ e.debts[0].since ^ e.last)
    }

    /// The situation of `side`, as the learnt table has it.
    #[inline]
    pub fn context(&self, side: Side, now: Tick) -> Context {
        let me = &self.ends[side as usize];
        let peer = &self.ends[side.other() as usize];
        let way = if me.quickest == Delay::MAX { 0 } else { Tick::from(me.quickest) };
        let gap = class(now.saturating_sub(me.last));
        let peer_gap = class(now.saturating_sub(peer.last).saturating_sub(way));
        let debt = &me.debts[0];
        let overdue = debt.what != Owe::Nothing
            && now.saturating_sub(debt.since) > PATIENCE.max(Tick::from(me.slowest) * OVERDUE);
        let owes = if overdue || (now < self.unsure && debt.what == Owe::Nothing) { Owe::Unsure } else { debt.what };
        Context { writer: me.writer, gap, owes, previous: me.previous, peer_gap, peer: peer.previous }
    }

    /// How a `getdata` for `n` transactions from `side` fits the announcements.
    pub fn fit(&self, side: Side, n: u32, now: Tick) -> Fit {
        let peer = &self.ends[side.other() as usize];
        let fresh = || {
            let fresh = if self.ends[side as usize].writer == Writer::Btcd { FRESH_BTCD } else { FRESH };
            peer.batches.fresh(now, fresh)
        };
        if fresh().any(|b| b == n) {
            Fit::Exact
        } else if n <= fresh().sum() {
            Fit::Within
        } else if n <= u32::from(peer.announced) {
            Fit::Stale
        } else {
            Fit::Beyond
        }
    }

    /// `side` has sent it.
    pub fn apply(&mut self, side: Side, kind: Kind, (len, n): (u32, u32), now: Tick) {
        let n16 = u16::try_from(n).unwrap_or(u16::MAX);
        if kind == Kind::GetDataTx
            && let fit @ (Fit::Exact | Fit::Within) = self.fit(side, n, now)
        {
            self.ends[side as usize].asks.ask(fit == Fit::Within);
        }
        let [low, high] = &mut self.ends;
        let (me, peer) = if side == Side::Low { (low, high) } else { (high, low) };
        me.pending = 0;
        if kind == Kind::Start {
            me.preamble = me.preamble.saturating_add(u16::try_from(len).unwrap_or(u16::MAX));
            return;
        }
        me.once |= bit(kind);
        if me.shakes_hands() && !matches!(kind, Kind::Version | Kind::Unknown) && !kind.is_negotiation() {
            me.once |= PAST_VERACK;
        }
        let answered = match kind {
            Kind::Pong => me.pay(Owe::Pong, 1, now),
            Kind::Headers => {
                me.offer(n16, now);
                me.pay(Owe::Headers, 1, now)
            }
            Kind::Tx => me.pay(Owe::Tx, 1, now),
            Kind::NotFound => {
                me.pay(Owe::Tx, n16, now) || me.pay(Owe::Block, n16, now) || me.pay(Owe::Blocks, n16, now)
            }
            Kind::BlockTxn => me.pay(Owe::BlockTxn, 1, now),
            Kind::Block => {
                me.block = len;
                me.pay(Owe::Block, 1, now) || me.pay(Owe::Blocks, 1, now)
            }
            Kind::CmpctBlock => {
                me.offered_block = true;
                me.compact = len;
                me.pay(Owe::Block, 1, now)
            }
            _ => false,
        };
        match kind {
            Kind::Ping => peer.owe(Owe::Pong, 1, now),
            Kind::GetHeaders => peer.owe(Owe::Headers, 1, now),
            Kind::GetBlocks => {
                me.blocks_until = now + LATE;
                if me.writer == Writer::Any {
                    me.writer = Writer::Btcd;
                }
            }
            Kind::GetDataTx => {
                peer.announced = peer.announced.saturating_sub(n16);
                peer.batches.take(n16);
                peer.owe(Owe::Tx, n16, now);
            }
            Kind::GetDataBlock => {
                peer.blocks = peer.blocks.saturating_sub(n16);
                peer.blocks_at = now;
                peer.owe(if n > 1 { Owe::Blocks } else { Owe::Block }, n16, now);
            }
            Kind::GetBlockTxn => {
                peer.offered_block = false;
                peer.owe(Owe::BlockTxn, 1, now);
            }
            Kind::Inv => {
                me.announced = me.announced.saturating_add(n16);
                me.batches.push(n16, now);
                if std::mem::take(&mut peer.blocks_until) >= now.max(1) {
                    me.offer(n16, now);
                }
            }
            Kind::WtxidRelay => me.writer = Writer::Core,
            Kind::Verack if me.writer == Writer::Any && me.once & VERSION != 0 => me.writer = Writer::Btcd,
            // Joined in the middle, habits show later.
            Kind::CmpctBlock | Kind::FeeFilter if me.writer == Writer::Any => {
                me.writer = Writer::Core;
            }
            Kind::Version => {
                me.stage = Stage::Open;
                if size::VERSION_CORE.contains(&len) {
                    me.writer = Writer::Core;
                }
            }
            _ => {}
        }
        me.previous = if kind == Kind::Unknown { me.previous } else { kind };
        me.last = now;
        match kind {
            Kind::SendCmpct | Kind::SendHeaders => self.wants[side as usize].say(kind),
            Kind::CmpctBlock | Kind::Headers if !answered => self.wants[side.other() as usize].get(kind),
            Kind::Unknown => self.miss(side, now + SECOND),
            _ => {}
        }
        self.answered = self.answered.saturating_add(u8::from(answered));
    }

    /// The clock is set back by so many units.
    pub fn shift(&mut self, by: Tick) {
        let back = |t: &mut Tick| *t = t.saturating_sub(by);
        back(&mut self.unsure);
        for e in &mut self.ends {
            e.debts.iter_mut().for_each(|d| back(&mut d.since));
            e.batches.at.iter_mut().for_each(back);
            back(&mut e.blocks_until);
            back(&mut e.blocks_at);
            back(&mut e.last);
        }
    }

    /// Time has passed: log probability of what was not answered.
    #[inline]
    pub fn expire(&mut self, now: Tick) -> f32 {
        // Mostly nothing is owed.
        let of = |e: &mut End| if e.is_in_debt() { e.expire(now) } else { 0.0 };
        let [low, high] = &mut self.ends;
        of(low) + of(high)
    }
}
