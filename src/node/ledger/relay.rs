//! Transactions: what the node receives, announces, serves, asks for and does not have.

use super::tip::Show;
use super::{Incoming, Ledger, Pen};
use crate::message::command::Command;
use crate::message::digest::{OutPoint, TxDigest};
use crate::message::inventory::{Entry, Kind};
use crate::node::coins::{Coins, fee};
use crate::node::output::Direction;
use crate::series::{id, mempool, tx_fees};
use crate::time::Timestamp;
use std::sync::Arc;

impl Ledger {
    /// `tx`.
    pub(super) fn transaction(&mut self, m: &Incoming<'_>, tx: &Arc<TxDigest>, coins: &mut Coins, pen: &mut Pen<'_>) {
        let now = m.at.time;
        let place = self.peers.get(&m.connection).and_then(|p| p.place);
        let new = self.transactions.first_sight(tx, now, m.connection);
        let mut priced = true;
        if new {
            let prevouts = coins.prevouts(tx);
            let fee = fee(tx, &prevouts);
            priced = fee.is_some();
            self.transactions.points(pen, now, tx, &prevouts);
            coins.learn(tx);
            self.fill(tx, now, coins);
            self.double_spend(tx, now, pen);
            let least = tx_fees::min_fee(self.transactions.min_rate.unwrap_or(0), tx.tx.vsize());
            if fee.is_some_and(|fee| fee < least) {
                self.limited += u64::from(self.limiter.holds_back(tx.tx.size, now));
            }
        }
        let from = if m.direction == Direction::Recv { place } else { None };
        self.mempool.arrive(tx, from, now, coins);
        if m.direction == Direction::Sent {
            self.mempool.show(&tx.tx.wtxid, place, now, coins);
        }
        if !priced {
            self.mempool.want_fee(&tx.tx.wtxid);
        }
    }

    /// Two transactions that spend one output.
    fn double_spend(&mut self, tx: &TxDigest, now: Timestamp, pen: &mut Pen<'_>) {
        let by = self.key.of_hash(&tx.tx.txid);
        for input in tx.inputs.iter().filter(|i| !i.prevout.is_null()) {
            let OutPoint { txid, index } = input.prevout;
            let print = self.key.of_outpoint(&txid, index);
            match self.spenders.get_mut(print) {
                Some(first) if *first != by => {
                    self.double_spends += 1;
                    self.all_double_spends += 1;
                    let values = || mempool::double_spend(tx.tx.txid.to_string(), input.prevout.to_string());
                    pen.event(id::MEMPOOL, now, values);
                }
                Some(_) => {}
                None => self.spenders.insert(print, by),
            }
        }
    }

    /// `inv`, `getdata`, `notfound`.
    pub(super) fn inventory(&mut self, m: &Incoming<'_>, list: &[Entry], coins: &mut Coins, pen: &mut Pen<'_>) {
        let (now, connection) = (m.at.time, m.connection);
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let (place, address) = (peer.place, peer.address);
        let command = m.message.command;
        let sent = m.direction == Direction::Sent;
        if sent && command == Command::INV && list.iter().any(|e| e.kind.is_tx()) {
            peer.was_told = true;
        }
        let blocks = list.iter().filter(|e| e.kind.is_block()).count();
        // Several at once answer a getblocks: any part of the chain.
        let answer = sent && blocks > 1 && std::mem::take(&mut peer.asked_chain);
        for entry in list {
            let id = &entry.hash;
            match (command, sent) {
                (Command::INV, false) if entry.kind.is_tx() => {
                    if let Some(place) = place {
                        self.mempool.hear(id, place);
                    }
                }
                (Command::INV, false) if entry.kind.is_block() => self.blocks.announced(id, now, address),
                (Command::INV, true) if entry.kind.is_tx() => self.mempool.show(id, place, now, coins),
                (Command::INV, true) if entry.kind.is_block() => {
                    let show = if blocks == 1 { Show::Announced } else { Show::Has };
                    self.shown(id, now, show, !answer, coins, pen);
                }
                (Command::GETDATA, true) if matches!(entry.kind, Kind::Tx | Kind::WitnessTx) => self.mempool.ask(id),
                (Command::GETDATA, true) if entry.kind.is_block() => {
                    self.blocks.ask(id, connection, entry.kind != Kind::CompactBlock);
                }
                (Command::NOTFOUND, true) if entry.kind.is_tx() => {
                    if let Some(place) = place {
                        self.mempool.deny(id, place, now);
                    }
                }
                _ => {}
            }
        }
    }

    /// Writes the fees that became known.
    pub(super) fn price(&mut self, pen: &mut Pen<'_>, now: Timestamp) {
        for (tx, fee) in self.mempool.take_priced() {
            self.transactions.late_fee(pen, now, &tx, fee);
        }
    }

    /// Share of the transactions of the newest blocks that the mempool had before.
    pub fn coverage(&self) -> Option<f64> {
        let (known, all) = self.known.iter().fold((0, 0), |(a, b), (_, known, all)| (a + known, b + all));
        (all > 0).then(|| known as f64 / all as f64)
    }

    /// Double spends since the start.
    pub fn double_spends_in_all(&self) -> u64 {
        self.all_double_spends
    }

    /// The best height that was told.
    pub fn best_height(&self) -> Option<u32> {
        self.best_height
    }

    /// Gauges of the interval that ends now.
    pub fn mempool_gauges(&mut self) -> mempool::Gauges {
        let totals = self.mempool.totals();
        mempool::Gauges {
            num_tx: totals.num_tx,
            size: totals.size,
            vsize: totals.vsize,
            num_orphans: totals.num_orphans,
            double_spend: std::mem::take(&mut self.double_spends),
            tx_rate_limit: std::mem::take(&mut self.limited),
            min_fee_rate: self.transactions.min_rate,
            coverage: self.coverage(),
            replaced: self.mempool.take_replaced(),
        }
    }
}
