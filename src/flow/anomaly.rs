//! The closed vocabularies of TCP: what was odd, why bytes are missing, why a conversation ended.

crate::vocabulary! {
    /// Something abnormal in a segment. Names are columns of the series `sensor`.
    pub enum Anomaly {
        DuplicateFrame = "duplicate_frame": "The same frame captured twice within 5 ms (mirror of both ports): left out of all byte counts.",
        Retransmission = "retransmission": "A segment held only bytes that had been delivered before.",
        PartialRetransmission = "partial_retransmission": "A segment held bytes that had been delivered before, and new ones.",
        KeepAlive = "keep_alive": "A keep-alive probe: at most one byte, just before the next expected one.",
        OutOfOrder = "out_of_order": "A segment beyond a hole was held back until the hole is filled or given up.",
        OverlapConflict = "overlap_conflict_bytes": "Bytes of a second copy that differ from the first one, where both are at hand (held back beyond a hole); the first to arrive was kept.",
        RetransmissionConflict = "retransmission_conflict": "A segment seen again at the same place and of the same length, whose contents are not those delivered (by the sum of its words); the first to arrive were kept.",
        RetransmissionUnchecked = "retransmission_unchecked_bytes": "Bytes seen again after their delivery in a segment that cannot be compared with the first copy: cut otherwise, more than 4 segments ago, or checksums are off; the first to arrive were kept.",
        BadChecksum = "bad_checksum": "The TCP checksum is wrong and checksum offloading is ruled out: the segment was ignored.",
        OldTimestamp = "old_timestamp": "The TCP timestamp is older than the newest one in order (PAWS, RFC 7323): the new bytes were ignored.",
        OutsideWindow = "outside_window": "The sequence number is more than 16 MiB away from the expected one: the segment was ignored.",
        BeforeStart = "before_start": "Bytes that precede the first byte seen of a stream joined in the middle: ignored.",
        NoAckFlag = "no_ack_flag": "Data or FIN without the ACK flag, which no receiver takes (RFC 9293 section 3.10.7.4): ignored.",
        AfterFin = "after_fin": "Bytes beyond the sender's FIN: ignored.",
        FinMoved = "fin_moved": "A second FIN at another place than the first: ignored.",
        AfterClose = "after_close": "A segment of a conversation that has ended: counted, not delivered.",
        NoConversation = "no_conversation": "A segment without data of a conversation that was never seen: ignored.",
        SynRetransmission = "syn_retransmission": "A SYN or SYN-ACK seen again.",
        SynAckMismatch = "syn_ack_mismatch": "A SYN-ACK that does not fit the running conversation: ignored.",
        RstOutsideWindow = "rst_outside_window": "An RST whose sequence number is not plausible: ignored.",
        RstSuspect = "rst_suspect": "Data from the sender of an accepted RST: the RST was forged, the conversation goes on.",
        RstPayload = "rst_payload": "An RST carried bytes: never delivered.",
        AckImplausible = "ack_implausible": "An acknowledgment more than 16 MiB beyond the data seen: ignored.",
        UrgentData = "urgent_data": "Urgent data: delivered in line.",
        RoleCorrected = "role_corrected": "Who opened the conversation was guessed wrong at first and corrected.",
        EvictedConversation = "evicted_conversation": "The table of conversations was full: the least valuable one was closed.",
        EvictedBuffer = "evicted_buffer": "Held-back data exceeded its cap: the largest buffer was turned into a gap.",
        ContainedPanic = "contained_panic": "The program failed on a conversation, a fault of its own: the conversation was given up, all others went on.",
        QuarantinedSegment = "quarantined_segment": "A segment of a conversation that was given up for a fault of the program: not looked at.",
    }
}

crate::vocabulary! {
    /// Why bytes of a stream are missing.
    pub enum GapCause in "gaps_" {
        Acked = "acked": "The receiver acknowledged bytes that were never captured (after a grace of 250 ms or 64 segments).",
        OneSided = "one_sided": "No acknowledgment is captured for this direction and the hole is older than 1 s.",
        BufferCap = "buffer_cap": "More than 4 MiB or 4096 segments were held back beyond the hole.",
        MemoryCap = "memory_cap": "The partition's memory for held-back data was used up.",
        SnapLength = "snap_length": "The capture cut the frame (snap length).",
        Resync = "resync": "The sequence numbers jumped; three segments in a row agreed on the new place.",
        AtClose = "at_close": "The conversation ended with the hole open.",
    }
}

crate::vocabulary! {
    /// [`GapCause`] again, as the names of byte counts.
    pub enum GapBytes in "gap_bytes_" {
        Acked = "acked": "Bytes of those gaps, as far as their size is known.",
        OneSided = "one_sided": "Bytes of those gaps, as far as their size is known.",
        BufferCap = "buffer_cap": "Bytes of those gaps, as far as their size is known.",
        MemoryCap = "memory_cap": "Bytes of those gaps, as far as their size is known.",
        SnapLength = "snap_length": "Bytes of those gaps, as far as their size is known.",
        Resync = "resync": "Bytes of those gaps, as far as their size is known.",
        AtClose = "at_close": "Bytes of those gaps, as far as their size is known.",
    }
}

crate::vocabulary! {
    /// Why a conversation ended.
    pub enum CloseReason {
        Fin = "fin": "Both sides sent FIN.",
        Rst = "rst": "One side sent RST.",
        Reused = "reused": "A new connection took the same addresses and ports.",
        EmbryonicTimeout = "embryonic_timeout": "The handshake did not complete within 60 s.",
        IdleTimeout = "idle_timeout": "Nothing was seen for 30 min.",
        ClosingTimeout = "closing_timeout": "One side sent FIN, then nothing was seen for 60 s.",
        Evicted = "evicted": "The table of conversations was full.",
        Quarantined = "quarantined": "The program failed on it, a fault of its own.",
        EndOfCapture = "end_of_capture": "The capture ended.",
    }
}
