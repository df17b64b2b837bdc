//! From options to what the stages need to know.

use super::args::WatchArgs;
use crate::app::batch::BatchLimits;
use crate::app::stage::{Settings, default_workers};
use crate::flow::Limits;
use crate::flow::key::KeyHasher;
use crate::flow::partition::PARTITIONS;
use crate::message::network::Network;
use crate::message::transport::Magics;
use crate::node::{Config, NodeSpec};
use anyhow::{Result, bail};
use std::sync::Arc;

/// Settings of the stages; `learn` is how long nodes are looked for, ns.
pub fn settings(watch: &WatchArgs, interval: i64, learn: i64) -> Result<Settings> {
    check_nodes(&watch.node)?;
    let ports = ports(watch);
    let magics: Vec<_> = watch.magic.iter().map(|n| n.magic()).collect();
    let limits = Limits { conversations: watch.max_connections as usize / PARTITIONS, ..Limits::default() };
    Ok(Settings {
        ports: Arc::clone(&ports),
        magics: Magics::new(&magics),
        digests: true,
        checksums: watch.checksums,
        limits,
        node: Config { nodes: watch.node.clone(), interval, ports, learn },
        workers: watch.workers.map_or_else(default_workers, usize::from),
        batches: BatchLimits::default(),
        hasher: KeyHasher::fixed(),
    })
}

/// The Bitcoin ports, sorted.
pub fn ports(watch: &WatchArgs) -> Arc<[u16]> {
    // A node given with its port listens there (it decides roles, and where v2 is looked for).
    let given = watch.node.iter().flat_map(|n| &n.addresses).filter_map(|a| a.port);
    let named = Network::NAMED.iter().filter_map(|n| n.default_port());
    let mut ports: Vec<u16> = named.chain(watch.port.iter().copied()).chain(given).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.into()
}

/// The host's name, as the kernel has it.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "sensor".to_owned() } else { name.to_owned() }
}

/// Two nodes of one name would overwrite each other's points, two at one address each other's connections.
fn check_nodes(nodes: &[NodeSpec]) -> Result<()> {
    for (i, node) in nodes.iter().enumerate() {
        for other in &nodes[..i] {
            if node.name.is_some() && node.name == other.name {
                bail!(
                    "--node: two nodes are named `{}`; one node with several addresses is NAME=ADDRESS,ADDRESS",
                    node.name.as_deref().unwrap_or_default()
                );
            }
            if let Some(a) = node.addresses.iter().find(|a| other.addresses.contains(a)) {
                bail!("--node: two nodes have the address {}", a.ip);
            }
        }
    }
    Ok(())
}
