//! What the header tree keeps, and what it says.

use crate::message::hash::Hash256;
use crate::message::headers::Header;

/// Headers kept in all, of every kind.
pub const MAX_HEADERS: usize = 200_000;
/// So many headers that the node never followed stay although the cap is reached.
pub const KEPT_SIDE: usize = 50_000;
/// Headers kept that are related to nothing that the node follows.
pub const MAX_UNLINKED: usize = 10_000;

crate::vocabulary! {
    /// What the header tree discarded or did not believe.
    pub enum Doubt in "chain_" {
        EvictedUnlinked = "evicted_unlinked": "A header that is related to nothing the node follows was forgotten: too many of them.",
        EvictedSide = "evicted_side": "A header that the node never followed was forgotten: too many headers.",
        EvictedConfirmed = "evicted_confirmed": "The oldest header of the node's chain was forgotten: too many headers.",
        HeightConflict = "height_conflict": "A block says another height than its place in the chain; the place was believed.",
        HeightImplausible = "height_implausible": "A block says a height beyond any possible; it was not believed.",
        OwnParent = "own_parent": "A header that names itself as its parent was not taken.",
    }
}

/// How many headers are kept.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// In all.
    pub headers: usize,
    /// Of these, that the node never followed, when there are more than fit.
    pub side: usize,
    /// Related to nothing that the node follows.
    pub unlinked: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { headers: MAX_HEADERS, side: KEPT_SIDE, unlinked: MAX_UNLINKED }
    }
}

/// Where a block stands in the node's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The node's tip or an ancestor of it.
    Active,
    /// On the node's chain before a reorganisation: stale.
    Stale,
    /// Never on the node's chain.
    Side,
}

/// What is known of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its header.
    pub header: Header,
    /// Its height; absent while nothing related says one.
    pub height: Option<u32>,
    /// Whether the height is counted from the genesis block, or from a block that the node follows.
    pub height_is_sure: bool,
    /// Where it stands.
    pub place: Place,
}

/// What became of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// It was not known before.
    pub new: bool,
    /// Its parent is known.
    pub parent_known: bool,
    /// Its height.
    pub height: Option<u32>,
}

/// What a change of the node's tip means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Height of the new tip.
    pub height: Option<u32>,
    /// Blocks that joined the node's chain, lowest first, the tip last. With the first tip only that one.
    pub connected: Vec<Hash256>,
    /// Blocks that left it, highest first: a reorganisation unless empty.
    pub disconnected: Vec<Hash256>,
    /// The way from the tip before is known whole; otherwise headers between are missing, and what is
    /// disconnected is what the heights tell.
    pub linked: bool,
}
