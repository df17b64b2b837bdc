//! Bitcoin wire messages.
//!
//! [`command`] is the one table of message types; [`body::decode`] turns a
//! payload into a [`body::Body`], the owned, `Send` digest of what it says.
//! Lists (inventory, addresses, headers, transactions) stay in the payload
//! and are walked there by the `entries` functions of their modules.
//!
//! [`digest`] and [`block_digest`] keep of transactions and blocks what the
//! node stage needs, with [`script`] (types of outputs), [`standard`] (policy)
//! and [`merkle`].
//!
//! From streams to messages: [`transport`] (v1, v2 or neither), [`header`],
//! [`framer`] with [`gather`] and [`resync`], [`connections`] (the handler of
//! the flow stage), [`event`] (what goes on to the node).

pub mod addr;
pub mod block;
pub mod block_digest;
pub mod bloom;
pub mod body;
pub mod command;
pub mod compact;
pub mod connections;
pub mod contents;
pub mod digest;
pub mod event;
pub mod fields;
pub mod filters;
pub mod framer;
pub mod gather;
pub mod hash;
pub mod header;
pub mod headers;
pub mod info;
pub mod inventory;
pub mod legacy;
pub mod merkle;
pub mod network;
pub mod package;
pub mod ping;
pub mod read;
pub mod recon;
pub mod resync;
pub mod script;
pub mod standard;
pub mod text;
pub mod transport;
pub mod trouble;
pub mod tx;
pub mod v2;
pub mod version;

#[cfg(test)]
mod decode_tests;
#[cfg(test)]
mod info_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod samples;
