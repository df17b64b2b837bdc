//! btcdmon: a passive network sensor for Bitcoin nodes.
//!
//! Reads packets, never talks to the node, and turns what it reads into the
//! series that operators and researchers want. The folders in alphabetical
//! order are the order of the data:
//!
//! ```text
//! capture ─▶ decode ─▶ flow ─▶ message ─▶ node ─▶ series ─▶ sink ─▶ web
//!  frames    segments  streams  messages   the      points    SQLite, API,
//!                               events     node               text    pages
//! └───────────────────────────── app wires them ──────────────────────────┘
//! ```
//!
//! Reading order: [`capture`] (`Frame`, `PacketSource`), [`decode`]
//! (`Segment`), [`flow`] (`StreamHandler`, `Partition`), [`message`]
//! (`Framer`, `Connections`, `Event`), [`node`] (`View`), [`series`]
//! (`SERIES`, `Point`), [`sink`] (`Store`), [`web`] (`Watcher`, `Server`), then [`app`].
//!
//! [`time`], [`health`] and [`wrap`] are leaves. Capture time is the only clock below
//! [`app`]; imports point left only. A test holds the tree to both.

pub mod app;
pub mod capture;
pub mod cli;
pub mod config;
pub mod decode;
pub mod flow;
#[doc(hidden)]
pub mod fuzz;
pub mod health;
pub mod message;
pub mod node;
pub mod series;
pub mod sink;
pub mod time;
pub mod web;
pub mod wrap;
