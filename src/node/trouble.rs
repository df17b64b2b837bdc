//! The closed vocabulary of what the node stage discards or does not believe.

crate::vocabulary! {
    /// Something that the node stage left out. Names are columns of the series `sensor`.
    pub enum Trouble {
        MutatedBlock = "mutated_block": "A block whose transactions do not hash to its merkle root, or would without a repetition: nodes drop it, and so does the sensor.",
        RebuildMismatch = "rebuild_mismatch": "A compact block whose transactions, found by short id, do not hash to its merkle root: its size stays unknown.",
        EvictedPending = "evicted_pending_tx": "A transaction that the node had not shown was forgotten: too many of them.",
        EvictedTransaction = "evicted_tx": "The oldest transaction of the shadow mempool was forgotten: it was full.",
        WaitingFull = "waiting_full": "A transaction does not wait for a missing parent: too many do.",
        EvictedBlock = "evicted_block": "A block was forgotten before its status was known: too many of them.",
        EvictedCompact = "evicted_compact_block": "A compact block was given up before it was complete: too many of them.",
        NoPlace = "peer_without_place": "A peer is beyond the number that can be told apart: announcements to and by it are not counted.",
    }
}
