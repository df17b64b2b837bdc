//! The closed vocabulary of what the node stage discards or does not believe.

crate::vocabulary! {
    /// Something that the node stage left out. Names are columns of the series `sensor`.
    pub enum Trouble {
        NoWork = "no_work": "A header or a block of a peer that does not prove the work that the network asks for there: nodes drop it, and so does the sensor.",
        MutatedBlock = "mutated_block": "A block whose transactions do not hash to its merkle root, or would without a repetition, or whose witnesses are not those that it commits to: nodes drop it, and so does the sensor.",
        RebuildMismatch = "rebuild_mismatch": "A compact block whose transactions, found by short id, do not hash to its merkle root: its size stays unknown.",
        EvictedPending = "evicted_pending_tx": "A transaction that the node had not shown was forgotten: too many of them.",
        EvictedTransaction = "evicted_tx": "The oldest transaction of the shadow mempool was forgotten: it was full.",
        WaitingFull = "waiting_full": "A transaction waits for its missing parents no more: too many do, and it has waited longest.",
        EvictedBlock = "evicted_block": "A block was forgotten before its status was known: too many of them.",
        EvictedCompact = "evicted_compact_block": "A compact block was given up before it was complete: too many of them.",
        ForgottenTransaction = "forgotten_tx": "A transaction was forgotten for newer ones: seen again, it counts as new.",
        ForgottenAnnouncement = "forgotten_announcement": "The announcement of a transaction that had not come was forgotten: too many of them.",
        ForgottenBlockAnnouncement = "forgotten_block_announcement": "The announcement of a block, or the node's request for one, was forgotten: too many of them.",
        ForgottenSpender = "forgotten_spender": "Which transaction spends an output was forgotten: a double spend of that is not told.",
        ForgottenConnection = "forgotten_connection": "An ended connection was forgotten before its last figures came: too many of them.",
        ForgottenAttempt = "forgotten_v2_attempt": "A v2 attempt without an answer was forgotten: too many of them.",
        RefusedFull = "refused_full": "A refused source is not counted as banned: too many are.",
        EvictedOutput = "evicted_output": "The output least recently of use was forgotten: the index of outputs was full.",
        EvictedFollower = "evicted_follower": "Which nodes follow a block was forgotten: too many blocks.",
        UnfollowedMessage = "unfollowed_message": "A message of a peer beyond the number that is followed: counted by type and size only.",
        NoPlace = "peer_without_place": "A peer is beyond the number that can be told apart: announcements to and by it are not counted.",
    }
}
