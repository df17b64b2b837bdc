//! How many inbound peers come from one part of the address space: many from one are cheap to have for whoever wants
//! a node's slots.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The first 16 bits of an IPv4 address, the first 32 of an IPv6 address: what Bitcoin Core takes for one network
/// group without a map of autonomous systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    V4([u8; 2]),
    V6([u16; 2]),
}

/// Nothing for this host itself: onion and I2P peers come from there, and are of no group.
fn group(address: IpAddr) -> Option<Group> {
    match address.to_canonical() {
        a if a.is_loopback() => None,
        IpAddr::V4(a) => {
            let [b, c, ..] = a.octets();
            Some(Group::V4([b, c]))
        }
        IpAddr::V6(a) => {
            let [b, c, ..] = a.segments();
            Some(Group::V6([b, c]))
        }
    }
}

/// Open inbound connections by group: no more entries than connections.
#[derive(Clone, Debug, Default)]
pub struct Groups(BTreeMap<Group, u32>);

impl Groups {
    /// What a peer at `address` counts as inbound has changed.
    pub fn recount(&mut self, address: IpAddr, before: u32, after: u32) {
        if before == after {
            return;
        }
        let Some(group) = group(address) else { return };
        let n = self.0.entry(group).or_default();
        *n = (*n + after).saturating_sub(before);
        if *n == 0 {
            self.0.remove(&group);
        }
    }

    /// Connections of the largest group.
    pub fn largest(&self) -> u64 {
        self.0.values().copied().max().unwrap_or(0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_16_and_32_bits_and_forgets() {
        let mut groups = Groups::default();
        let mut change = |address: &str, before, after| {
            groups.recount(address.parse().unwrap(), before, after);
            groups.largest()
        };
        assert_eq!(change("192.0.2.1", 0, 1), 1);
        assert_eq!(change("192.0.99.1", 0, 1), 2, "the same /16");
        assert_eq!(change("::ffff:192.0.3.4", 0, 1), 3, "an IPv4 address in IPv6's clothes");
        assert_eq!(change("192.1.2.1", 0, 1), 3, "another /16");
        assert_eq!(change("192.1.2.1", 1, 1), 3);
        for host in 1..=4 {
            change(&format!("2001:db8:{host}::1"), 0, 1);
        }
        assert_eq!(change("2001:db9::1", 0, 1), 4);
        for port in 0..9 {
            assert_eq!(change("127.0.0.1", 0, 1), 4, "onion peers, number {port}");
        }
        (1..=4).for_each(|host| {
            change(&format!("2001:db8:{host}::1"), 1, 0);
        });
        assert_eq!(change("192.0.2.1", 1, 0), 2);
        for address in ["192.0.99.1", "192.0.3.4", "192.1.2.1", "2001:db9::1"] {
            change(address, 1, 0);
        }
        assert!(groups.0.is_empty());
    }
}
