//! Bitcoin wire messages.
//!
//! [`command`] is the one table of message types; [`body::decode`] turns a
//! payload into a [`body::Body`], the owned, `Send` digest of what it says.
//! Lists (inventory, addresses, headers, transactions) stay in the payload
//! and are walked there by the `entries` functions of their modules.

pub mod addr;
pub mod block;
pub mod bloom;
pub mod body;
pub mod command;
pub mod compact;
pub mod fields;
pub mod filters;
pub mod hash;
pub mod headers;
pub mod info;
pub mod inventory;
pub mod legacy;
pub mod network;
pub mod package;
pub mod ping;
pub mod read;
pub mod recon;
pub mod text;
pub mod tx;
pub mod version;

#[cfg(test)]
mod decode_tests;
#[cfg(test)]
mod info_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod samples;
