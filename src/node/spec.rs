//! Which hosts are watched nodes, as the user names them.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// One watched node: `[name=]address[:port][,address[:port]…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// The given name.
    pub name: Option<String>,
    /// Its addresses; a port restricts one to the connections of that port.
    pub addresses: Vec<NodeAddress>,
}

/// One address of a watched node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// IP address.
    pub ip: IpAddr,
    /// The port it listens on, when several nodes share the address.
    pub port: Option<u16>,
}

/// What is wrong with a `--node`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeSpecError {
    /// Not an address.
    #[error(
        "`{0}` is no IP address; expected [name=]address[:port][,address…], for example home=192.0.2.7,[2001:db8::7]:8333"
    )]
    Address(String),
    /// A name with nothing behind it, or the other way round.
    #[error("`{0}` names no node; expected [name=]address[:port][,address…]")]
    Empty(String),
    /// Characters that would break tables and tags.
    #[error("the node name `{}` has control characters", .0.escape_default())]
    Name(String),
}

impl FromStr for NodeSpec {
    type Err = NodeSpecError;

    fn from_str(text: &str) -> Result<Self, NodeSpecError> {
        let (name, list) = match text.split_once('=') {
            Some((name, list)) if !name.is_empty() => (Some(name.to_owned()), list),
            Some(_) => return Err(NodeSpecError::Empty(text.to_owned())),
            None => (None, text),
        };
        if let Some(name) = name.as_ref().filter(|n| n.chars().any(char::is_control)) {
            return Err(NodeSpecError::Name(name.clone()));
        }
        let addresses =
            list.split(',').map(str::trim).filter(|a| !a.is_empty()).map(address).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(NodeSpecError::Empty(text.to_owned()));
        }
        Ok(Self { name, addresses })
    }
}

fn address(text: &str) -> Result<NodeAddress, NodeSpecError> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(NodeAddress { ip: socket.ip(), port: Some(socket.port()) });
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(ip) => Ok(NodeAddress { ip, port: None }),
        Err(_) => Err(NodeSpecError::Address(text.to_owned())),
    }
}

impl NodeSpec {
    /// Whether `end` of a connection is this node; `opened` tells whether that end opened it.
    ///
    /// With a port, the connections that the node opens itself come from other ports: they are its own
    /// when `alone` (no other watched node shares the address).
    pub fn matches(&self, end: SocketAddr, opened: bool, alone: impl Fn() -> bool) -> bool {
        self.addresses.iter().any(|a| a.ip == end.ip() && a.port.is_none_or(|p| p == end.port() || (opened && alone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_addresses_and_ports() {
        let spec: NodeSpec = "home=192.0.2.7,[2001:db8::7]:8333, fd00::1".parse().unwrap();
        assert_eq!(spec.name.as_deref(), Some("home"));
        let ports: Vec<_> = spec.addresses.iter().map(|a| a.port).collect();
        assert_eq!(ports, [None, Some(8333), None]);
        assert_eq!("10.0.0.1".parse::<NodeSpec>().unwrap().name, None);
        for bad in ["", "=10.0.0.1", "home=", "10.0.0", "a,b", "10.0.0.1:99999", "x\x1b=10.0.0.1"] {
            assert!(bad.parse::<NodeSpec>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_port_keeps_nodes_on_one_host_apart() {
        let spec: NodeSpec = "127.0.0.1:18444".parse().unwrap();
        assert!(spec.matches("127.0.0.1:18444".parse().unwrap(), false, || false));
        assert!(!spec.matches("127.0.0.1:50000".parse().unwrap(), true, || false));
        assert!(spec.matches("127.0.0.1:50000".parse().unwrap(), true, || true));
    }
}
