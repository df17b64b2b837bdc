//! skeleton
pub mod capture;
pub mod decode;
pub mod flow;
pub mod health;
pub mod message;
pub mod series;
pub mod sink;
pub mod time;
