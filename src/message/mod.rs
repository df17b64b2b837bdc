//! Bitcoin wire messages.
