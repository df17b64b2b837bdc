//! From the bytes of one frame to one TCP segment.
pub mod checksum;
pub mod segment;
pub mod seq;
