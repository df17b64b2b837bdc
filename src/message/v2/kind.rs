//! What a message on an encrypted connection may be, as the inference sees it.

use crate::message::command::Command;

/// Message types that are told apart. A `getdata` for transactions and one for blocks have different answers, so they
/// are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // named like the messages
pub enum Kind {
    Version,
    Verack,
    WtxidRelay,
    SendAddrV2,
    SendHeaders,
    GetAddr,
    SendCmpct,
    Ping,
    Pong,
    FeeFilter,
    GetHeaders,
    Headers,
    Inv,
    GetDataTx,
    GetDataBlock,
    NotFound,
    Tx,
    Block,
    CmpctBlock,
    GetBlockTxn,
    BlockTxn,
    AddrV2,
    Addr,
    GetBlocks,
    Mempool,
    SendTxRcncl,
    /// Bytes that no message explains.
    Unknown,
    /// Before the first message.
    Start,
}

/// Number of kinds.
pub const KINDS: usize = Kind::Start as usize + 1;

impl Kind {
    /// All kinds, by number.
    pub const ALL: [Self; KINDS] = [
        Self::Version,
        Self::Verack,
        Self::WtxidRelay,
        Self::SendAddrV2,
        Self::SendHeaders,
        Self::GetAddr,
        Self::SendCmpct,
        Self::Ping,
        Self::Pong,
        Self::FeeFilter,
        Self::GetHeaders,
        Self::Headers,
        Self::Inv,
        Self::GetDataTx,
        Self::GetDataBlock,
        Self::NotFound,
        Self::Tx,
        Self::Block,
        Self::CmpctBlock,
        Self::GetBlockTxn,
        Self::BlockTxn,
        Self::AddrV2,
        Self::Addr,
        Self::GetBlocks,
        Self::Mempool,
        Self::SendTxRcncl,
        Self::Unknown,
        Self::Start,
    ];

    /// The message type; absent for bytes that no message explains.
    pub const fn command(self) -> Option<Command> {
        Some(match self {
            Self::Version => Command::VERSION,
            Self::Verack => Command::VERACK,
            Self::WtxidRelay => Command::WTXIDRELAY,
            Self::SendAddrV2 => Command::SENDADDRV2,
            Self::SendHeaders => Command::SENDHEADERS,
            Self::GetAddr => Command::GETADDR,
            Self::SendCmpct => Command::SENDCMPCT,
            Self::Ping => Command::PING,
            Self::Pong => Command::PONG,
            Self::FeeFilter => Command::FEEFILTER,
            Self::GetHeaders => Command::GETHEADERS,
            Self::Headers => Command::HEADERS,
            Self::Inv => Command::INV,
            Self::GetDataTx | Self::GetDataBlock => Command::GETDATA,
            Self::NotFound => Command::NOTFOUND,
            Self::Tx => Command::TX,
            Self::Block => Command::BLOCK,
            Self::CmpctBlock => Command::CMPCTBLOCK,
            Self::GetBlockTxn => Command::GETBLOCKTXN,
            Self::BlockTxn => Command::BLOCKTXN,
            Self::AddrV2 => Command::ADDRV2,
            Self::Addr => Command::ADDR,
            Self::GetBlocks => Command::GETBLOCKS,
            Self::Mempool => Command::MEMPOOL,
            Self::SendTxRcncl => Command::SENDTXRCNCL,
            Self::Unknown | Self::Start => return None,
        })
    }

    /// Name in the learnt table: the command's, with `/block` for a `getdata` of blocks.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetDataBlock => "getdata/block",
            Self::Start => "start",
            _ => self.command().map_or("?", Command::name),
        }
    }

    /// The kind with this name in the table.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Bit of a message that a side sends at most once, in [`super::state::End`].
    pub const fn once(self) -> Option<u8> {
        Some(match self {
            Self::Version => 1,
            Self::Verack => 2,
            Self::WtxidRelay => 4,
            Self::SendAddrV2 => 8,
            Self::SendHeaders => 16,
            Self::GetAddr => 32,
            Self::SendTxRcncl => 64,
            _ => return None,
        })
    }

    /// Whether it answers something, and does not come unasked, as compact blocks and `headers` may.
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Pong | Self::NotFound | Self::Tx | Self::Block | Self::GetBlockTxn | Self::BlockTxn)
    }

    /// Whether it is `verack` or comes between `version` and that (BIP 155, BIP 330, BIP 339); all others come after `verack`.
    pub const fn is_negotiation(self) -> bool {
        matches!(self, Self::WtxidRelay | Self::SendAddrV2 | Self::SendTxRcncl | Self::Verack)
    }
}
