//! The dashboard and the HTTP API: what the newest snapshot and the store hold, for browsers and programs.
//!
//! Two halves. [`watcher`] runs in the node stage: it follows what passes there ([`follow`] a connection,
//! [`timeline`] a block) and lays down a snapshot once a second ([`shared`]); the expensive parts only while somebody
//! looks, and it never waits for a reader. [`server`] answers requests on a thread and a runtime of its own:
//! [`endpoints`] lists what can be asked, with the handler of each, and [`openapi`] is made from that list;
//! [`access`] and [`limit`] say who may ask, and how often. History comes from the store, read-only, through
//! [`db`], by few threads of low priority: whoever looks can slow down the others who look, but not the capture.
//! The pages are built by Node.js from `ui/` and lie in the program ([`assets`]), if they were there when it was built.

pub mod access;
pub mod answer;
pub mod assets;
pub mod blocks;
pub mod config;
pub mod db;
pub mod endpoints;
pub mod events;
pub mod follow;
pub mod gate;
pub mod history;
pub mod limit;
pub mod login;
pub mod messages;
pub mod openapi;
pub mod params;
pub mod peers;
pub mod query;
pub mod rolled;
pub mod rows;
pub mod schemas;
pub mod server;
pub mod shared;
pub mod sql;
pub mod status;
pub mod subscribers;
pub mod timeline;
pub mod transactions;
pub mod users;
pub mod watcher;

pub use access::Access;
pub use config::{Config, Mode};
pub use server::{Door, Server, WebError};
pub use watcher::Watcher;
