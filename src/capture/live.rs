//! Frames from network interfaces, through libpcap.
//!
//! libpcap hands a frame out as a slice of the kernel's ring only inside `pcap_dispatch`, so this source pushes:
//! [`Live::read`] calls a closure for each frame, without a copy where there is one interface. Of several interfaces
//! the frames are merged by time. The caller waits with [`Live::wait`] and brings the clock.
//!
//! Everything that needs a right happens in [`Live::open`]; afterwards the process may give its rights away. An
//! interface that goes down and comes back is captured on again by itself. One that is removed is not (a new socket
//! would need the right), and [`Live::gone`] tells.

use super::device::{self, ANY, Interface};
use super::merge::{LATE, Merge};
use super::{CaptureError, Dropped, Frame, LinkType};
use crate::time::Timestamp;
use ::pcap::{Active, Capture, Inactive, Linktype, Precision};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::os::fd::AsFd as _;
use std::time::Duration;

/// Frames taken from one interface before the next has its turn.
const BATCH: usize = 4096;
/// Block time of the ring, ms: how long the kernel may collect frames before it hands them over.
const BLOCK_TIME: i32 = 10;
/// Snap length: libpcap's largest, whole frames, segments that a card would cut up included.
const WHOLE: i32 = 262_144;
/// `DLT_LINUX_SLL2`: cooked frames that tell their interface.
const SLL2: Linktype = Linktype(276);

/// What to capture.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Interfaces by name, `any` for all; empty: that of the default route.
    pub interfaces: Vec<String>,
    /// Expression of pcap-filter(7).
    pub filter: String,
    /// Bytes of the kernel's ring, for each interface.
    pub buffer: u32,
    /// Whether to take frames that are for other hosts (a mirror port has no others).
    pub promiscuous: bool,
}

/// One interface.
struct Input {
    name: String,
    capture: Capture<Active>,
    link: LinkType,
    /// Cumulative counts as libpcap last told them; they wrap.
    last: (u32, u32),
    /// Why it is gone.
    gone: Option<String>,
    /// Time of its newest frame.
    newest: Option<Timestamp>,
}

/// A running capture.
pub struct Live {
    inputs: Vec<Input>,
    merge: Option<Merge>,
    dropped: Dropped,
    /// When [`Live::read`] was called last.
    read_at: Option<Timestamp>,
}

impl Live {
    /// Opens the interfaces.
    pub fn open(options: &LiveOptions) -> Result<Self, CaptureError> {
        let known = device::interfaces()?;
        let mut names = options.interfaces.clone();
        if names.is_empty() {
            names.push(device::default_interface(&known)?);
        }
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|n| seen.insert(n.clone()));
        let inputs = names.into_iter().map(|n| open(n, options, &known)).collect::<Result<Vec<_>, _>>()?;
        let merge = (inputs.len() > 1).then(Merge::default);
        Ok(Self { inputs, merge, dropped: Dropped::default(), read_at: None })
    }

    /// Names and link types of the interfaces; [`Frame::interface`] is a place in this list.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, LinkType)> {
        self.inputs.iter().map(|i| (i.name.as_str(), i.link))
    }

    /// Waits until there are frames, at most `most`; also returns early at a signal. Whether there are any.
    pub fn wait(&self, most: Duration) -> Result<bool, CaptureError> {
        let flags = PollFlags::POLLIN;
        let mut fds: Vec<_> = self.alive().map(|i| PollFd::new(i.capture.as_fd(), flags)).collect();
        // Frames that wait for older ones are due soon.
        let most = if self.merge.is_some() { most.min(Duration::from_nanos(LATE as u64 / 2)) } else { most };
        let timeout = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
        match nix::poll::poll(&mut fds, timeout) {
            Ok(n) => Ok(n > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(e) => Err(CaptureError::Device { interface: self.names(), message: e.desc().to_owned() }),
        }
    }

    /// Hands out what the kernel has captured, at most a few thousand frames an interface, and returns their number.
    /// `now` is the time of the machine's clock.
    ///
    /// # Errors
    /// When no interface is left; the frames that were waiting are handed out before.
    pub fn read(&mut self, now: Timestamp, each: &mut dyn FnMut(&Frame<'_>)) -> Result<usize, CaptureError> {
        let Self { inputs, merge, read_at, .. } = self;
        let mut handed = 0;
        // Below this no interface has a frame that was not seen.
        let mut complete = now.plus(-LATE);
        for (number, input) in inputs.iter_mut().enumerate() {
            if input.gone.is_some() {
                continue;
            }
            let n = input.read(number as u32, &mut |frame| match merge {
                // A time beyond the clock: the clock was set back. Such a frame waits for nothing.
                Some(merge) if frame.time.since(now) <= LATE => merge.push(frame),
                _ => {
                    handed += 1;
                    each(frame);
                }
            });
            if n >= BATCH {
                complete = complete.min(input.newest.unwrap_or(complete));
            }
        }
        if let Some(merge) = merge {
            let set_back = read_at.is_some_and(|before| before.since(now) > LATE);
            handed += if set_back { merge.flush(each) } else { merge.release(complete, each) };
            *read_at = Some(now);
        }
        if self.alive().next().is_some() {
            return Ok(handed);
        }
        self.flush(each);
        let why = self.inputs.iter().find_map(|i| i.gone.clone()).unwrap_or_default();
        Err(CaptureError::Gone { interface: self.names(), message: why })
    }

    /// Hands out the frames that still wait for older ones.
    pub fn flush(&mut self, each: &mut dyn FnMut(&Frame<'_>)) -> usize {
        self.merge.as_mut().map_or(0, |m| m.flush(each))
    }

    /// Asks the kernel what was dropped, and returns the sum since the start.
    pub fn count_drops(&mut self) -> Dropped {
        for input in self.inputs.iter_mut().filter(|i| i.gone.is_none()) {
            let Ok(s) = input.capture.stats() else { continue };
            self.dropped.system += u64::from(s.dropped.wrapping_sub(input.last.0));
            self.dropped.interface += u64::from(s.if_dropped.wrapping_sub(input.last.1));
            input.last = (s.dropped, s.if_dropped);
        }
        self.dropped
    }

    /// What was dropped, as of the last [`Live::count_drops`].
    #[inline]
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Replaces the filter; the old one stays when the new one is wrong.
    pub fn set_filter(&mut self, expression: &str) -> Result<(), CaptureError> {
        for input in &self.inputs {
            input.compile(expression)?;
        }
        for input in self.inputs.iter_mut().filter(|i| i.gone.is_none()) {
            input.set_filter(expression)?;
        }
        Ok(())
    }

    /// Interfaces that are lost, and why.
    pub fn gone(&self) -> impl Iterator<Item = (&str, &str)> {
        self.inputs.iter().filter_map(|i| Some((i.name.as_str(), i.gone.as_deref()?)))
    }

    fn alive(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(|i| i.gone.is_none())
    }

    fn names(&self) -> String {
        self.inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Input {
    /// Hands out at most [`BATCH`] frames; their number.
    fn read(&mut self, number: u32, each: &mut dyn FnMut(&Frame<'_>)) -> usize {
        let Self { capture, link, newest, .. } = self;
        let result = capture.dispatch(Some(BATCH), |p| {
            // With `Precision::Nano` the field of the microseconds holds nanoseconds.
            let time = Timestamp::from_parts(p.header.ts.tv_sec, p.header.ts.tv_usec);
            *newest = Some(time);
            each(&Frame { time, link: *link, interface: number, wire_len: p.header.len, data: p.data });
        });
        match result {
            Ok(n) => n,
            Err(e) => {
                self.gone = Some(text(e));
                0
            }
        }
    }

    fn compile(&self, expression: &str) -> Result<(), CaptureError> {
        self.capture.compile(expression, true).map(drop).map_err(|e| self.refused(expression, e))
    }

    fn set_filter(&mut self, expression: &str) -> Result<(), CaptureError> {
        self.capture.filter(expression, true).map_err(|e| self.refused(expression, e))
    }

    fn refused(&self, expression: &str, e: ::pcap::Error) -> CaptureError {
        let expression = expression.escape_default().to_string();
        CaptureError::Filter { expression, link: self.link, message: text(e) }
    }
}

fn open(name: String, options: &LiveOptions, known: &[Interface]) -> Result<Input, CaptureError> {
    if name != ANY && known.iter().all(|i| i.name != name) {
        return Err(CaptureError::NoSuchInterface { interface: escaped(&name), known: device::names(known) });
    }
    // The device `any` knows no promiscuous mode, and warns, which the crate takes for an error.
    let capture = match activate(&name, options, options.promiscuous && name != ANY) {
        Err(_) if options.promiscuous => activate(&name, options, false),
        other => other,
    };
    let failed = |e| {
        let message = text(e);
        let right = ["permission", "Operation not permitted"].iter().any(|s| message.contains(s));
        let interface = name.clone();
        if right { CaptureError::NoRight { interface } } else { CaptureError::Device { interface, message } }
    };
    let mut capture = capture.map_err(failed)?;
    if name == ANY {
        capture.set_datalink(SLL2).map_err(failed)?;
    }
    let capture = capture.setnonblock().map_err(failed)?;
    let link = link_type(capture.get_datalink());
    let mut input = Input { name, capture, link, last: (0, 0), gone: None, newest: None };
    input.set_filter(&options.filter)?;
    Ok(input)
}

fn activate(name: &str, options: &LiveOptions, promiscuous: bool) -> Result<Capture<Active>, ::pcap::Error> {
    let inactive: Capture<Inactive> = Capture::from_device(name)?;
    inactive
        .promisc(promiscuous)
        .snaplen(WHOLE)
        .buffer_size(i32::try_from(options.buffer).unwrap_or(i32::MAX))
        .timeout(BLOCK_TIME)
        // Immediate mode would take the ring of fixed slots, which holds a hundredth of the frames.
        .immediate_mode(false)
        .precision(Precision::Nano)
        .open()
}

/// The LINKTYPE of a file for a DLT of this system.
fn link_type(dlt: Linktype) -> LinkType {
    LinkType(match dlt.0 {
        12 | 14 => 101, // RAW
        11 => 100,      // ATM_RFC1483
        15 => 102,      // SLIP_BSDOS
        16 => 103,      // PPP_BSDOS
        19 => 106,      // ATM_CLIP
        same => u16::try_from(same).unwrap_or(u16::MAX),
    })
}

/// What libpcap said, on one line.
pub(super) fn text(e: ::pcap::Error) -> String {
    let text = match e {
        ::pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    };
    escaped(text.trim())
}

fn escaped(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
