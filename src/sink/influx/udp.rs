//! Line protocol in UDP datagrams, as the original btcdmon sent it: fast, and nobody learns what is lost.

use super::config::Config;
use super::error::InfluxError;
use super::line::Encoder;
use crate::series::delivery::Loss;
use crate::series::{Point, Series};
use crate::sink::config::Context;
use crate::sink::contract::{Sink, SinkError, Status, fits};
use std::net::UdpSocket;

/// Bytes of a datagram that holds several points: what an Ethernet frame carries.
const SEVERAL: usize = 1400;
/// Longest datagram: a single point may take so many (RFC 768, less the IPv4 header).
const LONGEST: usize = 65_507;

/// The sink.
pub struct Udp {
    socket: UdpSocket,
    encoder: Encoder,
    series: &'static [Series],
    text: String,
    points: u64,
    status: Status,
}

impl Udp {
    /// A socket for `config.url`.
    ///
    /// # Errors
    /// When the name cannot be resolved, or there is no socket.
    pub fn open(config: &Config, context: &Context) -> Result<Self, InfluxError> {
        let url = config.url()?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let system = |doing| {
            let server = config.url.clone();
            move |e: std::io::Error| InfluxError::System { server, doing, why: e.to_string() }
        };
        let local = if host.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(local).map_err(system("make a socket"))?;
        socket.connect((host, url.port().unwrap_or(8089))).map_err(system("resolve the host"))?;
        Ok(Self {
            socket,
            encoder: Encoder::new(context.series, &context.sensor),
            series: context.series,
            text: String::new(),
            points: 0,
            status: Status::default(),
        })
    }

    /// Sends the first `bytes` of the text.
    fn send(&mut self, bytes: usize, points: u64) {
        if points == 0 {
            return;
        }
        // On this machine the system tells when nobody listens; the datagram of before is lost then too, unseen.
        if bytes <= LONGEST && self.socket.send(&self.text.as_bytes()[..bytes]).is_ok() {
            self.status.delivered += points;
        } else {
            self.status.lost.add(Loss::Refused, points);
        }
        self.text.drain(..bytes);
    }
}

impl Sink for Udp {
    fn write(&mut self, points: &[Point]) -> Result<(), SinkError> {
        for point in points {
            if !fits(self.series, point) {
                self.status.lost.count(Loss::Malformed);
                continue;
            }
            let before = self.text.len();
            if !self.encoder.encode(&mut self.text, point) {
                self.status.lost.count(Loss::Empty);
                continue;
            }
            if self.text.len() > SEVERAL {
                let points = std::mem::take(&mut self.points);
                self.send(before, points);
            }
            self.points += 1;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        let points = std::mem::take(&mut self.points);
        self.send(self.text.len(), points);
        Ok(())
    }

    fn status(&self) -> Status {
        self.status.clone()
    }

    fn close(mut self: Box<Self>) -> Result<Status, SinkError> {
        Sink::commit(&mut *self)?;
        Ok(self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::contract::Notices;
    use crate::sink::fixture::{LIST, output, text};
    use std::time::Duration;

    #[test]
    fn lines_share_datagrams_and_a_long_one_has_its_own() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let context = Context { sensor: "s1".into(), series: LIST, notices: Notices::default(), live: true };
        let url = format!("udp://{}", server.local_addr().unwrap());
        let config: Config = serde_json::from_value(serde_json::json!({ "url": url, "spool": "unused" })).unwrap();
        let mut sink = Udp::open(&config, &context).unwrap();
        let mut long = output(100, "a", 1);
        long.values[1] = text(&"x".repeat(3000));
        let mut points: Vec<Point> = (0..40).map(|t| output(t, "a", t)).collect();
        points.push(long);
        points.push(output(101, "a", 1));
        sink.write(&points).unwrap();
        sink.commit().unwrap();
        assert_eq!((sink.status.delivered, sink.status.lost.total()), (42, 0));
        let mut lines = Vec::new();
        let mut buffer = vec![0; 65_536];
        while lines.len() < 42 {
            let n = server.recv(&mut buffer).unwrap();
            let got = std::str::from_utf8(&buffer[..n]).unwrap();
            assert!(got.ends_with('\n') && (n <= SEVERAL || got.lines().count() == 1), "{n} bytes");
            lines.extend(got.lines().map(str::to_owned));
        }
        assert!(lines[41].ends_with(" 101") && lines[0].ends_with(" 0"));
    }
}
