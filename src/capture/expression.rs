//! The filter of a live capture: Bitcoin's ports, and the envelopes in which a mirror may send them.

use std::fmt::Write as _;

/// Fragments of TCP (but for the first they have no ports) and the envelopes of mirrors: GRE (with ERSPAN), IP in IP,
/// VXLAN and GENEVE with their ports, and by Ethernet type VLAN (the kernel takes an outer tag away before the filter
/// looks; inner ones stay), MPLS and PPPoE. The frames within are looked at by the decoder.
const ENVELOPES: &str = "(ip proto 6 and ip[6:2] & 0x1fff != 0) or ip6 proto 44 or ip proto 47 or ip6 proto 47 \
    or ip proto 4 or ip proto 41 or ip6 proto 4 or ip6 proto 41 \
    or udp port 4789 or udp port 8472 or udp port 6081 \
    or ether proto 0x8100 or ether proto 0x88a8 or ether proto 0x9100 \
    or ether proto 0x8847 or ether proto 0x8848 or ether proto 0x8864";

/// The expression (pcap-filter(7)) that takes TCP on `ports` and every envelope.
pub fn expression(ports: &[u16]) -> String {
    let mut text = String::from("(tcp and (");
    for (i, port) in ports.iter().enumerate() {
        let _ = write!(text, "{}port {port}", if i == 0 { "" } else { " or " });
    }
    if ports.is_empty() {
        text.push_str("tcp");
    }
    let _ = write!(text, ")) or {ENVELOPES}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;
    use crate::capture::filter::Filter;

    /// Ethernet with an IPv4 or IPv6 packet of `protocol`, ports in the first four bytes behind the header.
    fn frame(ether_type: u16, protocol: u8, ports: [u16; 2]) -> Vec<u8> {
        let mut f = vec![2; 12];
        f.extend(ether_type.to_be_bytes());
        match ether_type {
            0x0800 => f.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]),
            0x86dd => {
                f.extend([0x60, 0, 0, 0, 0, 20, protocol, 64]);
                f.extend([0; 32]);
            }
            _ => {}
        }
        f.extend(ports.iter().flat_map(|p| p.to_be_bytes()));
        f.resize(f.len() + 40, 0);
        f
    }

    #[test]
    fn takes_bitcoin_and_envelopes_and_nothing_else() {
        let text = expression(&[8333, 18_444]);
        let mut filter = Filter::new(text).unwrap();
        let mut passes = |f: &[u8]| filter.passes(LinkType(1), f).unwrap();
        for ip in [0x0800, 0x86dd] {
            assert!(passes(&frame(ip, 6, [8333, 40_000])) && passes(&frame(ip, 6, [40_000, 18_444])));
            assert!(!passes(&frame(ip, 6, [443, 40_000])) && !passes(&frame(ip, 17, [8333, 40_000])));
            assert!(passes(&frame(ip, 17, [50_000, 4789])) && passes(&frame(ip, 17, [50_000, 6081])));
            assert!(passes(&frame(ip, 47, [0, 0x0800])) && passes(&frame(ip, 4, [0, 0])));
            assert!(!passes(&frame(ip, 17, [53, 53])) && !passes(&frame(ip, 1, [0, 0])));
        }
        for envelope in [0x8100, 0x88a8, 0x8847, 0x8864] {
            assert!(passes(&frame(envelope, 0, [0, 0])), "{envelope:#x}");
        }
        assert!(!passes(&frame(0x0806, 0, [0, 0])), "ARP");
        let mut fragment = frame(0x0800, 6, [0, 0]);
        fragment[20..22].copy_from_slice(&[0, 100]);
        assert!(passes(&fragment));
    }

    #[test]
    fn compiles_on_every_link_type_of_an_interface() {
        for ports in [&[8333_u16][..], &[]] {
            let mut filter = Filter::new(expression(ports)).unwrap();
            for link in [1, 0, 101, 113, 276] {
                filter.passes(LinkType(link), &[0; 100]).unwrap();
            }
        }
    }
}
