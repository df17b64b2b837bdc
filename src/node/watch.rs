//! Which end of a connection is a watched node.
//!
//! Given by the user, or found: the endpoint that most Bitcoin connections
//! share is a node; of the connections that do not touch it, again the
//! endpoint that most share, until none is left. For connections that come
//! later and touch no known node that is done again.

use super::spec::NodeSpec;
use crate::flow::{Conversation, Side};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Nodes found at most; connections beyond are not attributed.
pub const MAX_NODES: usize = 64;

/// A watched node.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Given name, or first address and port.
    pub name: Arc<str>,
    spec: Option<NodeSpec>,
    found: Option<Endpoint>,
    named: bool,
}

/// An address, with the port where both ends share the address (several nodes on one host).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Endpoint {
    ip: IpAddr,
    port: Option<u16>,
}

impl Endpoint {
    fn is(&self, end: SocketAddr) -> bool {
        self.ip == end.ip() && self.port.is_none_or(|p| p == end.port())
    }
}

impl Watched {
    /// Whether its name is final.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// Its addresses, as given or as found.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let given = self.spec.iter().flat_map(|s| &s.addresses).map(|a| a.ip);
        given.chain(self.found.map(|e| e.ip)).collect()
    }
}

/// A node and the side of a connection on which it is.
pub type Attribution = (usize, Side);

/// The watched nodes.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    nodes: Vec<Watched>,
    given: bool,
}

impl Watch {
    /// Nodes named by the user; none: they are to be found.
    pub fn new(specs: Vec<NodeSpec>) -> Self {
        let given = !specs.is_empty();
        let nodes = (specs.into_iter())
            .map(|spec| Watched { name: spec_name(&spec), named: spec.name.is_some(), spec: Some(spec), found: None })
            .collect();
        Self { nodes, given }
    }

    /// Whether the user named the nodes.
    pub fn is_given(&self) -> bool {
        self.given
    }

    /// The nodes so far.
    pub fn nodes(&self) -> &[Watched] {
        &self.nodes
    }

    /// Finds the nodes that cover `connections`.
    pub fn find(&mut self, connections: &[Conversation]) {
        let mut left: Vec<&Conversation> =
            connections.iter().filter(|c| self.attribute(c).iter().all(Option::is_none)).collect();
        while !left.is_empty() && self.nodes.len() < MAX_NODES {
            // Distinct connections by endpoint; at a tie the one that was opened to, then the lower.
            let mut count: BTreeMap<Endpoint, (usize, usize)> = BTreeMap::new();
            for c in &left {
                for end in candidates(c) {
                    let responder = end.is(c.endpoints[c.initiator.other() as usize]);
                    let n = count.entry(end).or_default();
                    n.0 += 1;
                    n.1 += usize::from(responder);
                }
            }
            let best = count.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(e, _)| *e);
            let Some(best) = best else { break };
            let name = found_name(best, &left);
            self.nodes.push(Watched { name, spec: None, found: Some(best), named: true });
            left.retain(|c| !c.endpoints.iter().any(|&e| best.is(e)));
        }
    }

    /// Whether another node can be found.
    pub fn has_room(&self) -> bool {
        !self.given && self.nodes.len() < MAX_NODES
    }

    /// The nodes at the ends of a connection: none, one, or two when both ends are watched.
    pub fn attribute(&self, c: &Conversation) -> [Option<Attribution>; 2] {
        let mut out = [None, None];
        let mut n = 0;
        for side in Side::BOTH {
            let end = c.endpoints[side as usize];
            let opened = c.initiator == side;
            let node = self.nodes.iter().position(|w| match (&w.spec, &w.found) {
                (Some(spec), _) => spec.matches(end, opened, || self.alone(end.ip())),
                (None, Some(found)) => found.is(end),
                (None, None) => false,
            });
            // One node at both ends (a host that talks to itself) is counted once, as the responder.
            if let Some(node) = node {
                if n == 1 && out[0].is_some_and(|(first, _)| first == node) {
                    out[0] = Some((node, c.initiator.other()));
                } else {
                    out[n] = Some((node, side));
                    n += 1;
                }
            }
        }
        out
    }

    fn alone(&self, ip: IpAddr) -> bool {
        let holders =
            self.nodes.iter().filter(|w| w.spec.as_ref().is_some_and(|s| s.addresses.iter().any(|a| a.ip == ip)));
        holders.count() == 1
    }

    /// Completes the name of a node given without one by the port of its first connection.
    pub fn name_by(&mut self, node: usize, c: &Conversation, side: Side, is_service: impl Fn(u16) -> bool) -> Arc<str> {
        let w = &mut self.nodes[node];
        if !w.named {
            w.named = true;
            let first = w.spec.as_ref().and_then(|s| s.addresses.first()).copied();
            if let Some(a) = first {
                let (own, other) = (c.endpoints[side as usize].port(), c.endpoints[side.other() as usize].port());
                let port = a.port.unwrap_or(if c.initiator != side || is_service(own) { own } else { other });
                w.name = SocketAddr::new(a.ip, port).to_string().into();
            }
        }
        Arc::clone(&w.name)
    }
}

fn spec_name(spec: &NodeSpec) -> Arc<str> {
    match (&spec.name, spec.addresses.first()) {
        (Some(name), _) => name.as_str().into(),
        (None, Some(a)) => a.port.map_or(a.ip.to_string(), |p| SocketAddr::new(a.ip, p).to_string()).into(),
        (None, None) => "".into(),
    }
}

/// The ends of a connection that may be the node: both addresses; on one host, its responder only.
fn candidates(c: &Conversation) -> Vec<Endpoint> {
    let [low, high] = c.endpoints;
    if low.ip() == high.ip() {
        let responder = c.endpoints[c.initiator.other() as usize];
        return vec![Endpoint { ip: responder.ip(), port: Some(responder.port()) }];
    }
    vec![Endpoint { ip: low.ip(), port: None }, Endpoint { ip: high.ip(), port: None }]
}

/// Address and the port that the node listens on; where nobody connected to it, the port it connects to.
fn found_name(end: Endpoint, connections: &[&Conversation]) -> Arc<str> {
    let ports = |responder: bool| -> BTreeSet<u16> {
        (connections.iter())
            .flat_map(|c| Side::BOTH.map(|s| (c, s)))
            .filter(|(c, s)| end.is(c.endpoints[*s as usize]) && (c.initiator != *s) == responder)
            .map(|(c, s)| c.endpoints[if responder { s } else { s.other() } as usize].port())
            .collect()
    };
    let port = end.port.or_else(|| ports(true).first().copied()).or_else(|| ports(false).first().copied());
    port.map_or(end.ip.to_string(), |p| SocketAddr::new(end.ip, p).to_string()).into()
}

#[cfg(test)]
#[path = "watch_tests.rs"]
pub(super) mod tests;
