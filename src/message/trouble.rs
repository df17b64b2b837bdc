//! The closed vocabulary of what can be wrong with a stream of messages (R60…R64).

crate::vocabulary! {
    /// Something wrong in a message stream; the stream goes on. Names are columns of the series `sensor`.
    pub enum Trouble {
        BadMagic = "bad_magic": "Where a message should begin there are other bytes than the network's magic: the framer looks for the next message.",
        BadCommand = "bad_command": "A header's command is not printable ASCII padded with NULs: the framer looks for the next message.",
        Oversize = "oversize": "A header announces more than 4,000,000 bytes: the framer looks for the next message.",
        BadMessageChecksum = "bad_message_checksum": "A message's checksum does not match its payload.",
        Undecodable = "undecodable": "A message's payload does not decode as its command demands.",
        TrailingBytes = "trailing_bytes": "A message's payload is longer than its contents; nodes ignore the rest, and so does the sensor.",
        UnknownCommand = "unknown_command": "A command that the sensor does not know; counted by name.",
        Truncated = "truncated_message": "A gap of the stream lies inside a message's payload.",
        LostHeader = "lost_header": "A gap of the stream swallowed a header, or no header was seen yet: the framer looks for the next message.",
        Resynchronised = "resynchronised": "The framer found a message again after it had lost its place.",
        ScannedBytes = "scanned_bytes": "Bytes passed over while looking for a message.",
        FalseHeader = "false_header": "What looked like a header while looking for a message was none.",
        GatherCap = "gather_cap": "Memory for messages that span segments was used up: the longest waiting message was given up.",
        LegacyHeader = "legacy_header": "A version or verack message with the 20-byte header of before February 2012, without checksum.",
        UnfinishedMessage = "unfinished_message": "The stream ended inside a message.",
    }
}
