//! A source for tests: frames from a list.

use super::{CaptureError, Frame, LinkType, PacketSource, Progress};
use crate::time::Timestamp;

/// Hands out the frames it was made of, all on interface 0 and none cut.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    frames: Vec<(Timestamp, LinkType, Vec<u8>)>,
    next: usize,
}

impl Scripted {
    /// A source of these frames, in this order.
    pub fn new(frames: Vec<(Timestamp, LinkType, Vec<u8>)>) -> Self {
        Self { frames, next: 0 }
    }

    /// One more frame, also after the end was reached.
    pub fn push(&mut self, time: Timestamp, link: LinkType, data: Vec<u8>) {
        self.frames.push((time, link, data));
    }
}

impl PacketSource for Scripted {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let Some((time, link, data)) = self.frames.get(self.next) else { return Ok(None) };
        self.next += 1;
        Ok(Some(Frame { time: *time, link: *link, interface: 0, wire_len: data.len() as u32, data }))
    }

    fn progress(&self) -> Progress {
        let bytes = |frames: &[(_, _, Vec<u8>)]| frames.iter().map(|f| f.2.len() as u64).sum();
        Progress {
            bytes_read: bytes(&self.frames[..self.next]),
            bytes_total: Some(bytes(&self.frames)),
            frames: self.next as u64,
            files_done: 0,
            files_total: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_its_frames_and_then_more() {
        let mut s = Scripted::new(vec![(Timestamp::from_nanos(1), LinkType(101), vec![1, 2, 3])]);
        let frame = s.next_frame().unwrap().unwrap();
        assert_eq!((frame.time.nanos(), frame.link.0, frame.wire_len, frame.data), (1, 101, 3, &[1, 2, 3][..]));
        assert!(s.next_frame().unwrap().is_none());
        s.push(Timestamp::from_nanos(2), LinkType(1), vec![4]);
        assert_eq!(s.next_frame().unwrap().unwrap().data, [4]);
        assert_eq!((s.progress().bytes_read, s.progress().frames), (4, 2));
    }
}
