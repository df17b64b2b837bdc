//! Network interfaces: which there are, which one has the default route, and whether a node runs on this host.
//!
//! What the kernel tells in `/proc/net` is read by pure functions, so that the tests need no network.

use super::CaptureError;
use ::pcap::{Device, IfFlags};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The device of libpcap that stands for all interfaces.
pub const ANY: &str = "any";

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is the loopback.
    pub loopback: bool,
}

/// What is known of Bitcoin nodes on this host, from its own TCP sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalNodes {
    /// Bitcoin ports on which something listens, sorted: those that others can reach, or else those of loopback (where
    /// Bitcoin Core waits for Tor, beside the port for others).
    pub listening: Vec<u16>,
    /// Those of loopback.
    inner: Vec<u16>,
    /// Whether a connection to a Bitcoin port elsewhere is open.
    pub outbound: bool,
}

/// The network interfaces of this host (without what else libpcap can capture from), in the order of the kernel.
pub fn interfaces() -> Result<Vec<Interface>, CaptureError> {
    let devices = Device::list().map_err(|e| CaptureError::Interfaces { message: super::live::text(e) })?;
    let network = devices.into_iter().filter(|d| d.name != ANY && fs::exists(folder(&d.name)).unwrap_or(false));
    Ok(network
        .map(|d| Interface {
            addresses: d.addresses.iter().map(|a| a.addr).collect(),
            up: d.flags.contains(IfFlags::UP),
            loopback: d.flags.is_loopback(),
            name: d.name,
        })
        .collect())
}

/// The addresses that these interfaces have now (all interfaces where one of them is `any`), sorted.
///
/// It asks the kernel only for them: libpcap's list needs rights that a running sensor has given up.
pub fn addresses(interfaces: &[&str]) -> Vec<IpAddr> {
    let wanted = |name: &str| interfaces.iter().any(|i| *i == name || *i == ANY);
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten().filter(|a| wanted(&a.interface_name));
    let mut ips: Vec<IpAddr> = all
        .filter_map(|a| {
            let address = a.address?;
            let v4 = address.as_sockaddr_in().map(|s| IpAddr::V4(s.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|s| IpAddr::V6(s.ip())))
        })
        .collect();
    ips.sort_unstable();
    ips.dedup();
    ips
}

fn folder(name: &str) -> String {
    format!("/sys/class/net/{name}")
}

/// The interface's MTU, where the kernel tells it.
pub fn mtu(name: &str) -> Option<u32> {
    fs::read_to_string(format!("{}/mtu", folder(name))).ok()?.trim().parse().ok()
}

/// The interface to capture on when none is named: that of the default route, else the only one that is up and has
/// an address.
pub fn default_interface(interfaces: &[Interface]) -> Result<String, CaptureError> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let routed = default_route_v4(&read("/proc/net/route")).or_else(|| default_route_v6(&read("/proc/net/ipv6_route")));
    if let Some(name) = routed {
        return Ok(name);
    }
    let usable = |i: &&Interface| i.up && !i.loopback && !i.addresses.is_empty();
    let mut candidates = interfaces.iter().filter(usable);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only.name.clone()),
        _ => Err(CaptureError::NoDefaultInterface { known: names(interfaces) }),
    }
}

/// The names, for a message.
pub(super) fn names(interfaces: &[Interface]) -> String {
    interfaces.iter().map(|i| i.name.as_str()).chain([ANY]).collect::<Vec<_>>().join(", ")
}

/// `RTF_UP` and `RTF_REJECT` of `linux/route.h`.
const UP: u32 = 1;
const REJECT: u32 = 0x200;

/// From `/proc/net/route`: the interface of the default route with the lowest metric.
fn default_route_v4(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let f: Vec<&str> = line.split_whitespace().collect();
        let flags = u32::from_str_radix(f.get(3)?, 16).ok()?;
        let default = f[1] == "00000000" && *f.get(7)? == "00000000" && flags & UP != 0 && flags & REJECT == 0;
        default.then(|| Some((f[6].parse::<u32>().ok()?, f[0].to_owned())))?
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, name)| name)
}

/// From `/proc/net/ipv6_route`, likewise.
fn default_route_v6(table: &str) -> Option<String> {
    let routes = table.lines().filter_map(|line| {
        let f: Vec<&str> = line.split_whitespace().collect();
        let name = *f.get(9)?;
        let flags = u32::from_str_radix(f[8], 16).ok()?;
        let everything = f[0].bytes().all(|b| b == b'0') && f[1] == "00";
        let default = everything && name != "lo" && flags & UP != 0 && flags & REJECT == 0;
        default.then(|| Some((u32::from_str_radix(f[5], 16).ok()?, name.to_owned())))?
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, name)| name)
}

/// Looks whether a node runs on this host: who listens on one of `ports` (sorted), who is connected to one.
pub fn local_nodes(ports: &[u16]) -> LocalNodes {
    let mut found = LocalNodes::default();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        find_nodes(&fs::read_to_string(path).unwrap_or_default(), ports, &mut found);
    }
    found.settle();
    found
}

impl LocalNodes {
    fn settle(&mut self) {
        if self.listening.is_empty() {
            self.listening = std::mem::take(&mut self.inner);
        }
        self.listening.sort_unstable();
        self.listening.dedup();
    }
}

/// Socket states of `net/tcp_states.h`.
const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

fn find_nodes(table: &str, ports: &[u16], found: &mut LocalNodes) {
    let bitcoin = |port: u16| ports.binary_search(&port).is_ok();
    for line in table.lines().skip(1) {
        let mut fields = line.split_whitespace().skip(1);
        let (Some(local), Some(remote), Some(state)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (Some((here, own)), Some((ip, port))) = (socket(local), socket(remote)) else { continue };
        match state {
            LISTEN if bitcoin(own) && here.is_loopback() => found.inner.push(own),
            LISTEN if bitcoin(own) => found.listening.push(own),
            ESTABLISHED if bitcoin(port) && !bitcoin(own) && !ip.is_loopback() => found.outbound = true,
            _ => {}
        }
    }
}

/// An address of `/proc/net/tcp`: words of 32 bits in the byte order of the machine, and a port.
fn socket(text: &str) -> Option<(IpAddr, u16)> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |i: usize| u32::from_str_radix(ip.get(8 * i..8 * i + 8)?, 16).ok().map(u32::to_ne_bytes);
    match ip.len() {
        8 => Some((Ipv4Addr::from(word(0)?).into(), port)),
        32 => {
            let mut bytes = [0; 16];
            for (i, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(i)?);
            }
            Some((Ipv6Addr::from(bytes).to_canonical(), port))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_default_route() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                  eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                  eth1\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                  bad\t00000000\n";
        assert_eq!(default_route_v4(v4).as_deref(), Some("eth0"));
        assert_eq!(default_route_v4("head\n"), None);
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             {zero} 00 {zero} 00 fe80000000000000000000000000000a 00000400 00000001 00000000 00000003     eth2\n\
             fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth3\n"
        );
        assert_eq!(default_route_v6(&v6).as_deref(), Some("eth2"));
        assert_eq!(default_route_v6("lo"), None);
    }

    #[test]
    fn falls_back_to_the_only_interface_and_else_names_them() {
        let at = |name: &str, up, addresses: &[&str]| Interface {
            name: name.to_owned(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            up,
            loopback: name == "lo",
        };
        assert_eq!(names(&[at("lo", true, &[]), at("eth0", true, &[])]), "lo, eth0, any");
        // Which of the two happens here depends on the routes of this machine; neither may panic.
        let _ = default_interface(&[at("lo", true, &["127.0.0.1"]), at("eth0", true, &["192.0.2.1"])]);
    }

    #[test]
    fn finds_nodes_by_their_sockets() {
        let le = |text: &str| text.to_owned();
        // 0.0.0.0:8333 listens; 192.0.2.1:43210 is connected to 198.51.100.7:8333; 127.0.0.1 to 127.0.0.1:8333.
        let table = le("  sl  local_address rem_address   st tx_queue\n\
             0: 00000000:208D 00000000:0000 0A 00000000\n\
             1: 010200C0:A8CA 076433C6:208D 01 00000000\n");
        let mut found = LocalNodes::default();
        find_nodes(&table, &[8333], &mut found);
        assert_eq!(found, LocalNodes { listening: vec![8333], inner: vec![], outbound: true });
        // Bitcoin Core waits for Tor at 127.0.0.1:8334: that is the same node.
        let tor = " sl\n 0: 0100007F:208E 00000000:0000 0A 0\n";
        find_nodes(tor, &[8333, 8334], &mut found);
        found.settle();
        assert_eq!(found.listening, [8333]);
        // One that only this host can reach is a node too.
        let mut alone = LocalNodes::default();
        find_nodes(tor, &[8333, 8334], &mut alone);
        alone.settle();
        assert_eq!(alone.listening, [8334]);
        let loopback =
            "head\n 1: 0100007F:A8CA 0100007F:208D 01 0\n 2: nonsense\n 3: 00000000:0050 00000000:0000 0A 0\n";
        let mut found = LocalNodes::default();
        find_nodes(loopback, &[8333], &mut found);
        assert_eq!(found, LocalNodes::default());
        assert_eq!(socket("0000000000000000FFFF00000100007F:208D"), Some((Ipv4Addr::LOCALHOST.into(), 8333)));
    }

    #[test]
    fn lists_the_loopback() {
        let all = interfaces().unwrap();
        assert!(all.iter().any(|i| i.name == "lo" && i.loopback), "{all:?}");
        assert!(all.iter().all(|i| i.name != ANY));
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        assert!(addresses(&["lo"]).contains(&loopback) && addresses(&[ANY]).contains(&loopback));
        assert!(addresses(&["none"]).is_empty());
    }
}
