//! Closed vocabularies of what can go wrong, and their counters.
//!
//! One name, one meaning, one counter. Every place that discards bytes names
//! its reason here or in a vocabulary declared with [`vocabulary!`](crate::vocabulary); the hot
//! path counts, it never logs. The names are columns of the series `sensor`,
//! so they are stable.

use std::fmt;
use std::marker::PhantomData;

/// A closed list of reasons, made by [`vocabulary!`](crate::vocabulary).
pub trait Vocabulary: Copy + 'static {
    /// Every entry, in the order of [`Vocabulary::index`].
    const ALL: &'static [Self];
    /// The stable name, `snake_case`.
    fn name(self) -> &'static str;
    /// One sentence: what happened and what the sensor did about it.
    fn help(self) -> &'static str;
    /// Position in [`Vocabulary::ALL`].
    fn index(self) -> usize;
}

/// Declares an enum that is a [`Vocabulary`]: `Variant = "name": "help",` an entry.
///
/// `in "prefix_"` behind the name sets what stands before the names where they are columns.
#[macro_export]
macro_rules! vocabulary {
    ($(#[$meta:meta])* pub enum $name:ident { $($rest:tt)+ }) => {
        $crate::vocabulary! { $(#[$meta])* pub enum $name in "" { $($rest)+ } }
    };
    ($(#[$meta:meta])* pub enum $name:ident in $prefix:literal { $($variant:ident = $text:literal : $help:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $help] $variant,)+ }

        impl $name {
            /// Every entry as a column of a series: its name behind the vocabulary's prefix, and its help.
            #[allow(dead_code)] // not every vocabulary is one of columns
            pub const COLUMNS: &'static [(&'static str, &'static str)] = &[$((concat!($prefix, $text), $help),)+];
        }

        impl $crate::health::Vocabulary for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];
            fn name(self) -> &'static str { match self { $(Self::$variant => $text,)+ } }
            fn help(self) -> &'static str { match self { $(Self::$variant => $help,)+ } }
            fn index(self) -> usize { self as usize }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::health::Vocabulary::name(*self))
            }
        }
    };
}

/// One counter for each entry of the vocabulary `V`.
#[derive(Clone, PartialEq, Eq)]
pub struct Tally<V> {
    counts: Box<[u64]>,
    of: PhantomData<V>,
}

impl<V: Vocabulary> Tally<V> {
    /// Counts one.
    #[inline]
    pub fn count(&mut self, entry: V) {
        self.add(entry, 1);
    }

    /// Counts `n`.
    #[inline]
    pub fn add(&mut self, entry: V, n: u64) {
        let c = &mut self.counts[entry.index()];
        *c = c.saturating_add(n);
    }

    /// The count of `entry`.
    pub fn get(&self, entry: V) -> u64 {
        self.counts[entry.index()]
    }

    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Every entry with its count.
    pub fn iter(&self) -> impl Iterator<Item = (V, u64)> + '_ {
        V::ALL.iter().map(|&v| (v, self.get(v)))
    }

    /// The entries that were counted at least once.
    pub fn nonzero(&self) -> impl Iterator<Item = (V, u64)> + '_ {
        self.iter().filter(|&(_, n)| n > 0)
    }
}

impl<V: Vocabulary> Default for Tally<V> {
    fn default() -> Self {
        Self { counts: vec![0; V::ALL.len()].into_boxed_slice(), of: PhantomData }
    }
}

impl<V: Vocabulary> fmt::Debug for Tally<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.nonzero().map(|(v, n)| (v.name(), n))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    vocabulary! {
        /// For the test.
        pub enum Colour {
            Red = "red": "It was red.",
            Blue = "blue": "It was blue.",
        }
    }

    #[test]
    fn counts_by_name_and_merges() {
        let mut a = Tally::<Colour>::default();
        a.count(Colour::Blue);
        let mut b = a.clone();
        b.add(Colour::Blue, u64::MAX);
        a.merge(&b);
        assert_eq!((a.get(Colour::Red), a.get(Colour::Blue)), (0, u64::MAX));
        assert_eq!(format!("{a:?}"), format!("{{\"blue\": {}}}", u64::MAX));
    }
}
