//! Capture filters (pcap-filter(7)), compiled by libpcap for each link type.

use super::{CaptureError, LinkType};
use ::pcap::{BpfProgram, Capture, Linktype};

/// Link types on which an expression is tried before a file is read, the likely ones first.
const TRIED: [u16; 6] = [1, 113, 276, 101, 0, 127];

/// One expression, with a program for each link type met.
///
/// libpcap's length primitives (`len`, `greater`, `less`) see the captured length.
pub(super) struct Filter {
    expression: String,
    programs: Vec<(LinkType, BpfProgram)>,
}

impl Filter {
    /// An error unless `expression` compiles for at least one usual link type; some are valid on few.
    pub fn new(expression: String) -> Result<Self, CaptureError> {
        let [likely, others @ ..] = TRIED.map(LinkType);
        let (link, program) = match compile(&expression, likely) {
            Ok(program) => (likely, program),
            Err(e) => others.iter().find_map(|&l| Some((l, compile(&expression, l).ok()?))).ok_or(e)?,
        };
        Ok(Self { expression, programs: vec![(link, program)] })
    }

    /// Whether a frame passes. The programs are at most as many as there are link types, 65 536.
    #[inline]
    pub fn passes(&mut self, link: LinkType, data: &[u8]) -> Result<bool, CaptureError> {
        if let Some((_, program)) = self.programs.iter().find(|(of, _)| *of == link) {
            return Ok(program.filter(data));
        }
        let program = compile(&self.expression, link)?;
        let passes = program.filter(data);
        self.programs.push((link, program));
        Ok(passes)
    }
}

fn compile(expression: &str, link: LinkType) -> Result<BpfProgram, CaptureError> {
    let failed = |e: ::pcap::Error| {
        let message = match e {
            ::pcap::Error::PcapError(text) => text,
            other => other.to_string(),
        };
        CaptureError::Filter { expression: expression.escape_default().to_string(), link, message }
    };
    Capture::dead(Linktype(dlt(link))).map_err(failed)?.compile(expression, true).map_err(failed)
}

/// The DLT of this system for a LINKTYPE of a file: they differ where systems chose different DLTs
/// (libpcap's `pcap-common.c`).
fn dlt(link: LinkType) -> i32 {
    let openbsd = cfg!(target_os = "openbsd");
    match link.0 {
        100 => 11, // ATM_RFC1483
        101 => {
            if openbsd {
                14
            } else {
                12
            }
        } // RAW
        102 => 15, // SLIP_BSDOS
        103 => 16, // PPP_BSDOS
        106 => 19, // ATM_CLIP
        same => i32::from(same),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 header of 20 bytes with the given protocol, and four bytes of ports 8333 to 1.
    fn ip(protocol: u8) -> Vec<u8> {
        let mut p = vec![0x45, 0, 0, 24, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        p.extend([0x20, 0x8d, 0, 1]);
        p
    }

    #[test]
    fn filters_raw_ip_and_ethernet() {
        let mut filter = Filter::new("tcp port 8333".to_owned()).unwrap();
        assert!(filter.passes(LinkType(101), &ip(6)).unwrap());
        assert!(!filter.passes(LinkType(101), &ip(17)).unwrap());
        let mut ethernet = vec![0; 12];
        ethernet.extend([8, 0]);
        ethernet.extend(ip(6));
        assert!(filter.passes(LinkType(1), &ethernet).unwrap());
        assert!(!filter.passes(LinkType(1), &[]).unwrap());
        assert_eq!(filter.programs.len(), 2);
    }

    #[test]
    fn quotes_libpcap() {
        let e = Filter::new("tcp prot 8333".to_owned()).err().unwrap().to_string();
        assert!(e.starts_with("filter `tcp prot 8333` on link type 1: ") && e.contains("syntax error"), "{e}");
        assert!(Filter::new("nul\0inside".to_owned()).is_err());
        // Valid on 802.11 only.
        let mut wlan = Filter::new("wlan type mgt subtype beacon".to_owned()).unwrap();
        assert!(wlan.passes(LinkType(1), &[0; 60]).is_err());
    }
}
