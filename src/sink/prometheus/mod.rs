//! `/metrics` for Prometheus: the newest figures of all series.
//!
//! [`catalogue`] says which metric is made of what, [`page`] keeps the figures ([`native`]: distributions),
//! [`server`] shows them, as text or as [`protobuf`].

pub mod catalogue;
pub mod native;
pub mod page;
pub mod protobuf;
pub mod server;

use self::page::Page;
use self::server::{Server, ServerError};
use super::config::Context;
use super::contract::{Sink, SinkError, Status, fits};
use crate::series::Point;
use crate::series::delivery::Loss;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The sink.
pub struct Prometheus {
    page: Arc<Mutex<Page>>,
    server: Server,
    context: Context,
    status: Status,
}

impl Prometheus {
    /// Listens at `address`.
    ///
    /// # Errors
    /// When nobody may listen there.
    pub fn open(address: SocketAddr, context: &Context) -> Result<Self, ServerError> {
        let page = Arc::new(Mutex::new(Page::new(&context.sensor)));
        let server = Server::start(address, Arc::clone(&page))?;
        Ok(Self { page, server, context: context.clone(), status: Status::default() })
    }

    /// The figures that it shows.
    pub fn page(&self) -> Arc<Mutex<Page>> {
        Arc::clone(&self.page)
    }

    /// Where it listens: the port was chosen by the system when 0 was given.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

impl Sink for Prometheus {
    fn write(&mut self, points: &[Point]) -> Result<(), SinkError> {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        for p in points {
            if fits(self.context.series, p) {
                page.point(p);
                self.status.delivered += 1;
            } else {
                self.status.lost.count(Loss::Malformed);
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner).interval();
        Ok(())
    }

    fn status(&self) -> Status {
        self.status.clone()
    }

    fn close(self: Box<Self>) -> Result<Status, SinkError> {
        self.server.stop();
        Ok(self.status)
    }
}
