//! Storage of the header tree: slots, links between parents and children, lists by order of leaving.
//!
//! Every operation is O(1). A parent is found by its hash, so that taking it away or bringing it
//! back touches none of its children, however many a hostile peer makes.

use crate::message::hash::Hash256;
use crate::message::headers::Header;
use ahash::RandomState;
use hashbrown::HashTable;
use std::collections::HashMap;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// How well the height of a block is known; a better one replaces a worse one, never the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Not at all.
    None,
    /// A block says so (BIP 34), or an ancestor did.
    Claimed,
    /// A block that the node follows says so, or one related to it.
    Confirmed,
    /// Counted from the genesis block.
    Linked,
}

/// In which order entries leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Not related to anything the node follows.
    Unlinked = 0,
    /// Related, but never on the node's chain.
    Side = 1,
    /// Was or is on the node's chain.
    Confirmed = 2,
    /// Never leaves: the genesis block.
    Pinned = 3,
}

/// A header in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub header: Header,
    pub height: u32,
    pub level: Level,
    pub class: Class,
    /// On the chain of the node's tip now.
    pub active: bool,
    first_child: u32,
    next_sibling: u32,
    prev_sibling: u32,
    next: u32,
    before: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
    len: usize,
}

/// The slots.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    slots: Vec<Entry>,
    free: Vec<u32>,
    index: HashTable<u32>,
    /// The first child of blocks that are not here, by their hash.
    waiting: HashMap<Hash256, u32, RandomState>,
    lists: [List; 4],
    hasher: RandomState,
}

impl Arena {
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            waiting: HashMap::default(),
            lists: [List { first: NONE, last: NONE, len: 0 }; 4],
            hasher: RandomState::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn count(&self, class: Class) -> usize {
        self.lists[class as usize].len
    }

    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Entry>()
            + self.free.capacity() * 4
            + self.index.allocation_size()
            + self.waiting.capacity() * (size_of::<(Hash256, u32)>() + 1)
    }

    pub fn get(&self, at: u32) -> &Entry {
        &self.slots[at as usize]
    }

    pub fn get_mut(&mut self, at: u32) -> &mut Entry {
        &mut self.slots[at as usize]
    }

    pub fn find(&self, hash: &Hash256) -> Option<u32> {
        let key = self.hasher.hash_one(hash);
        self.index.find(key, |&at| self.slots[at as usize].header.hash == *hash).copied()
    }

    pub fn parent(&self, at: u32) -> Option<u32> {
        self.find(&self.get(at).header.prev)
    }

    pub fn children(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.get(at).first_child;
        std::iter::from_fn(move || {
            let child = (next != NONE).then_some(next)?;
            next = self.get(child).next_sibling;
            Some(child)
        })
    }

    /// All used slots.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.index.iter().copied()
    }

    /// The entry of `class` that leaves next.
    pub fn oldest(&self, class: Class) -> Option<u32> {
        let first = self.lists[class as usize].first;
        (first != NONE).then_some(first)
    }

    /// Puts in a header that is not there yet.
    pub fn insert(&mut self, header: Header) -> u32 {
        let parent = self.find(&header.prev);
        let first_child = self.waiting.remove(&header.hash).unwrap_or(NONE);
        let entry = Entry {
            header,
            height: NONE,
            level: Level::None,
            class: Class::Unlinked,
            active: false,
            first_child,
            next_sibling: NONE,
            prev_sibling: NONE,
            next: NONE,
            before: NONE,
        };
        let at = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(at as usize) {
            Some(slot) => *slot = entry,
            None => self.slots.push(entry),
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash_of = |&at: &u32| hasher.hash_one(slots[at as usize].header.hash);
        self.index.insert_unique(hash_of(&at), at, hash_of);
        let sibling = match parent {
            Some(p) => std::mem::replace(&mut self.get_mut(p).first_child, at),
            None => self.waiting.insert(header.prev, at).unwrap_or(NONE),
        };
        if sibling != NONE {
            self.get_mut(at).next_sibling = sibling;
            self.get_mut(sibling).prev_sibling = at;
        }
        self.push(at, Class::Unlinked, false);
        at
    }

    /// Takes an entry away; its children stay, and wait for it.
    pub fn remove(&mut self, at: u32) {
        self.unlist(at);
        let entry = *self.get(at);
        let hash = entry.header.hash;
        let (before, after) = (entry.prev_sibling, entry.next_sibling);
        if after != NONE {
            self.get_mut(after).prev_sibling = before;
        }
        if before != NONE {
            self.get_mut(before).next_sibling = after;
        } else if let Some(p) = self.find(&entry.header.prev) {
            self.get_mut(p).first_child = after;
        } else if after != NONE {
            self.waiting.insert(entry.header.prev, after);
        } else {
            self.waiting.remove(&entry.header.prev);
        }
        let key = self.hasher.hash_one(hash);
        if let Ok(found) = self.index.find_entry(key, |&i| i == at) {
            found.remove();
        }
        if entry.first_child != NONE {
            self.waiting.insert(hash, entry.first_child);
        }
        self.free.push(at);
    }

    /// Moves an entry to the end of a list, or to its start: the next to leave.
    pub fn file(&mut self, at: u32, class: Class, first: bool) {
        self.unlist(at);
        self.push(at, class, first);
    }

    fn unlist(&mut self, at: u32) {
        let Entry { class, before, next, .. } = *self.get(at);
        if before != NONE {
            self.get_mut(before).next = next;
        }
        if next != NONE {
            self.get_mut(next).before = before;
        }
        let list = &mut self.lists[class as usize];
        if before == NONE {
            list.first = next;
        }
        if next == NONE {
            list.last = before;
        }
        list.len -= 1;
    }

    fn push(&mut self, at: u32, class: Class, first: bool) {
        let List { first: head, last: tail, .. } = self.lists[class as usize];
        let (before, next) = if first { (NONE, head) } else { (tail, NONE) };
        let entry = self.get_mut(at);
        (entry.class, entry.before, entry.next) = (class, before, next);
        if before != NONE {
            self.get_mut(before).next = at;
        }
        if next != NONE {
            self.get_mut(next).before = at;
        }
        let list = &mut self.lists[class as usize];
        if before == NONE {
            list.first = at;
        }
        if next == NONE {
            list.last = at;
        }
        list.len += 1;
    }
}
