//! Bitcoin wire messages.

pub mod hash;
pub mod network;
pub mod read;
pub mod text;
