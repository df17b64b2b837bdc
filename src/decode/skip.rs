//! Why a frame was not used, and what else was seen on the way to a segment.
//!
//! [`SkipReason`] is the outcome of a frame that gave no segment: one frame,
//! one reason. A [`Note`] decides nothing: a frame may leave several, whether
//! or not it gave a segment.

crate::vocabulary! {
    /// The one reason why a frame gave no TCP segment.
    pub enum SkipReason in "skipped_" {
        UnsupportedLinkType = "unsupported_link_type": "The link type of the interface is not one the sensor reads; the frame was skipped.",
        TruncatedLink = "truncated_link": "The frame ended inside a link layer, VLAN, MPLS or PPPoE header; it was skipped.",
        TruncatedIp = "truncated_ip": "The frame ended inside an IP header or extension header; it was skipped.",
        TruncatedTunnel = "truncated_tunnel": "The captured bytes ended inside a tunnel header; the frame was skipped.",
        TruncatedTcp = "truncated_tcp": "The captured bytes ended inside the TCP header; the frame was skipped.",
        Arp = "arp": "The frame carried ARP or RARP; it was skipped.",
        Llc = "llc": "The frame carried an IEEE 802.2 LLC protocol other than IP (spanning tree and the like); it was skipped.",
        NotIp = "not_ip": "The frame carried a network protocol other than IP; it was skipped.",
        MalformedIp = "malformed_ip": "An IP header contradicted itself (version, header length, total length, extension); the frame was skipped.",
        Udp = "udp": "The packet carried UDP that is no known tunnel; it was skipped.",
        Icmp = "icmp": "The packet carried ICMP or ICMPv6; it was skipped.",
        OtherProtocol = "other_protocol": "The packet carried a transport protocol other than TCP, UDP and ICMP; it was skipped.",
        MalformedTcp = "malformed_tcp": "The TCP header did not fit the IP length or its own data offset; the packet was skipped.",
        MalformedTunnel = "malformed_tunnel": "A tunnel header did not fit the packet that carried it; the packet was skipped.",
        UnsupportedTunnel = "unsupported_tunnel": "The packet was in a tunnel that the sensor does not open (GRE version 1, GRE source routes, L2TPv3, IPComp, control messages); it was skipped.",
        EncryptedTunnel = "encrypted_tunnel": "The packet was encrypted below TCP (IPsec ESP, MACsec); it was skipped.",
        NestingTooDeep = "nesting_too_deep": "The frame had more encapsulations or extension headers than the limit; it was skipped.",
        FragmentPending = "fragment_pending": "The packet was an IP fragment and is kept until its datagram is complete.",
        FragmentDuplicate = "fragment_duplicate": "The packet was an IP fragment whose bytes had all come before; it was dropped.",
        FragmentOverlap = "fragment_overlap": "The packet was an IPv6 fragment of a datagram with overlapping fragments; the datagram was dropped (RFC 5722).",
        FragmentMalformed = "fragment_malformed": "The packet was an IP fragment with an impossible offset, length or end; it was dropped.",
        FragmentTruncated = "fragment_truncated": "The packet was an IP fragment that the capture had cut; it was dropped.",
        FragmentDropped = "fragment_dropped": "The packet was an IP fragment beyond the limits of the reassembler; it was dropped.",
    }
}

crate::vocabulary! {
    /// Something seen while decoding that does not decide whether the frame is used.
    pub enum Note {
        Vlan = "vlan_tags": "VLAN tags (IEEE 802.1Q, 802.1ad and their forerunners) were removed.",
        Mpls = "mpls_stacks": "An MPLS label stack was removed.",
        Pppoe = "pppoe_headers": "A PPPoE session header was removed.",
        Macsec = "macsec_tags": "A MACsec tag of a frame that was authenticated only was removed.",
        IpInIp = "tunnel_ip_in_ip": "An IP packet was taken out of an IP packet (IP-in-IP, 6in4).",
        Gre = "tunnel_gre": "A packet was taken out of GRE (ERSPAN included).",
        Erspan = "tunnel_erspan": "A mirrored frame was taken out of ERSPAN type I, II or III.",
        Vxlan = "tunnel_vxlan": "A frame was taken out of VXLAN or VXLAN-GPE.",
        Geneve = "tunnel_geneve": "A frame was taken out of GENEVE.",
        EtherIp = "tunnel_ether_ip": "A frame was taken out of an IP packet directly (EtherIP, Ethernet, MPLS-in-IP).",
        AuthenticationHeader = "authentication_headers": "An IP authentication header was passed over.",
        IpLengthZero = "ip_length_zero": "The IP length was 0, as segmentation offload leaves it; the length of the frame was taken.",
        Jumbogram = "jumbograms": "The IPv6 length came from the jumbo payload option (RFC 2675).",
        PayloadCut = "payload_cut": "A segment was used although the capture had cut its payload.",
        TcpOptionsMalformed = "tcp_options_malformed": "The TCP options ran over their end; those before the fault were used.",
        WindowScaleClamped = "window_scale_clamped": "A window scale above 14 was taken as 14 (RFC 7323 section 2.3).",
        AtomicFragment = "fragments_atomic": "An IPv6 fragment header on a whole packet was passed over (RFC 6946).",
        DatagramReassembled = "datagrams_reassembled": "All fragments of a datagram had come; it was decoded as one packet.",
        DatagramExpired = "datagrams_expired": "An incomplete datagram reached its age limit; its fragments were dropped.",
        DatagramEvicted = "datagrams_evicted": "An incomplete datagram was dropped to make room for a later one.",
        OverlapV4 = "fragment_overlaps_v4": "An IPv4 fragment overlapped another one; the bytes that came first were kept.",
        OverlapV6 = "fragment_overlaps_v6": "An IPv6 fragment overlapped another one; the datagram was dropped (RFC 5722).",
    }
}
