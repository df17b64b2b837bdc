//! `version` and `feature`: what a node says about itself.

use super::body::Body;
use super::read::{DecodeError, Reader};
use super::text::escape;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Longest user agent, in bytes (Bitcoin Core `MAX_SUBVERSION_LENGTH`).
pub const MAX_USER_AGENT: usize = 256;
/// Longest feature id, in bytes (BIP 434).
pub const MAX_FEATURE_ID: usize = 80;
/// Most data of a feature, in bytes (BIP 434).
pub const MAX_FEATURE_DATA: usize = 512;

/// Service bits with a name: Bitcoin Core's `ServiceFlags` and the two that are common on the network
/// beside them (full replace-by-fee of Knots, Libre Relay).
const SERVICES: [(u32, &str); 9] = [
    (0, "NETWORK"),
    (1, "GETUTXO"),
    (2, "BLOOM"),
    (3, "WITNESS"),
    (6, "COMPACT_FILTERS"),
    (10, "NETWORK_LIMITED"),
    (11, "P2P_V2"),
    (26, "REPLACE_BY_FEE"),
    (29, "LIBRE_RELAY"),
];

/// Services and endpoint as `version` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Service bits.
    pub services: u64,
    /// Address and port; IPv4 is unmapped.
    pub address: SocketAddr,
}

/// The `version` message. Fields that an old or terse node leaves out are absent: nodes read each of
/// them only when bytes are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Protocol version.
    pub version: i32,
    /// Service bits of the sender.
    pub services: u64,
    /// The sender's clock, seconds since 1970, as sent.
    pub time: i64,
    /// The receiver as the sender sees it.
    pub receiver: Endpoint,
    /// The sender as it sees itself (zero in current nodes).
    pub sender: Option<Endpoint>,
    /// Random number to detect connections to oneself.
    pub nonce: Option<u64>,
    /// User agent (BIP 14), any bytes: print it by [`Version::user_agent_text`].
    pub user_agent: Option<Box<[u8]>>,
    /// Height of the sender's best block.
    pub start_height: Option<i32>,
    /// Whether the receiver shall announce transactions (BIP 37).
    pub relay: Option<bool>,
}

impl Version {
    /// The user agent, escaped; empty when absent.
    pub fn user_agent_text(&self) -> String {
        escape(self.user_agent.as_deref().unwrap_or_default())
    }

    /// Whether the sender wants transactions: `relay`, which defaults to yes (BIP 37).
    pub fn wants_transactions(&self) -> bool {
        self.relay.unwrap_or(true)
    }
}

/// Names of service bits, joined by `|`; unnamed bits as `bitN`; `NONE` for zero.
pub fn services_text(services: u64) -> String {
    if services == 0 {
        return "NONE".to_owned();
    }
    let name = |bit: u32| match SERVICES.iter().find(|s| s.0 == bit) {
        Some(&(_, name)) => name.to_owned(),
        None => format!("bit{bit}"),
    };
    let names: Vec<String> = (0..64).filter(|bit| services >> bit & 1 == 1).map(name).collect();
    names.join("|")
}

fn endpoint(r: &mut Reader<'_>, what: &'static str) -> Result<Endpoint, DecodeError> {
    let services = r.u64(what)?;
    let ip = Ipv6Addr::from(*r.array::<16>(what)?);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    Ok(Endpoint { services, address: SocketAddr::new(ip, r.u16_be(what)?) })
}

/// Reads a field when bytes are left.
fn when_there<'a, T>(
    r: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if r.is_empty() { Ok(None) } else { read(r).map(Some) }
}

/// `version`, as Bitcoin Core's `ProcessMessage` reads it.
pub(super) fn decode(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let version = r.i32("protocol version")?;
    let services = r.u64("services")?;
    let time = r.i64("time")?;
    let receiver = endpoint(r, "receiver address")?;
    // The nonce came together with the sender's address: bytes left means both (as in the nodes).
    let sender = when_there(r, |r| endpoint(r, "sender address"))?;
    let nonce = if sender.is_some() { Some(r.u64("nonce")?) } else { None };
    let user_agent = when_there(r, |r| r.bytes(MAX_USER_AGENT, "user agent").map(Box::from))?;
    let start_height = when_there(r, |r| r.i32("start height"))?;
    let relay = when_there(r, |r| r.u8("relay"))?.map(|relay| relay != 0);
    Ok(Body::Version(Box::new(Version {
        version,
        services,
        time,
        receiver,
        sender,
        nonce,
        user_agent,
        start_height,
        relay,
    })))
}

/// The `feature` message (BIP 434).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Identifier of the feature, any bytes: escape it to print it.
    pub id: Box<[u8]>,
    /// Bytes of configuration data.
    pub data_bytes: u32,
}

/// `feature`.
pub(super) fn feature(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let id = Box::from(r.bytes(MAX_FEATURE_ID, "feature id")?);
    let data_bytes = r.bytes(MAX_FEATURE_DATA, "feature data")?.len() as u32;
    Ok(Body::Feature(Box::new(Feature { id, data_bytes })))
}
