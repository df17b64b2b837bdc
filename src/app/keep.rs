//! Keeps captured frames in files, beside everything else: the capture thread fills buffers, a thread of its own
//! writes them. A disk that is slow or full costs kept frames, which are counted, and nothing more.

use super::log;
use crate::capture::rotate::{Blocks, RotateOptions, Rotating};
use crate::capture::{Dropped, Frame, LinkType};
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Bytes gathered before they are written.
const BUFFER: usize = 256 << 10;
/// Buffers under way: what a disk may be late by.
const BUFFERS: usize = 128;

/// For the writing thread.
enum Order {
    Write(Blocks, Dropped),
    Rotate(Dropped),
    Limits(Option<u64>, Option<u32>),
    End(Dropped),
}

/// The capture thread's end.
pub struct Keep {
    blocks: Blocks,
    orders: SyncSender<Order>,
    empty: Receiver<Blocks>,
    lost: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Keep {
    /// Makes the first file and starts the thread.
    pub fn start(options: RotateOptions, interfaces: &[(String, LinkType)]) -> Result<Self> {
        let name = options.path.display().to_string();
        let files =
            Rotating::create(options, interfaces).with_context(|| format!("{name}: cannot keep frames there"))?;
        let (orders, todo) = sync_channel(BUFFERS);
        let (give_back, empty) = sync_channel(BUFFERS);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let run = move || write(files, &todo, &give_back, &name, &counter);
        let thread = std::thread::Builder::new().name("keep".to_owned()).spawn(run);
        let thread = thread.context("cannot start the thread that keeps frames")?;
        Ok(Self { blocks: Blocks::default(), orders, empty, lost, thread })
    }

    /// Keeps a frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>, dropped: Dropped) {
        self.blocks.push(frame);
        if self.blocks.bytes.len() >= BUFFER {
            self.flush(dropped);
        }
    }

    /// Sends what was gathered on its way.
    pub fn flush(&mut self, dropped: Dropped) {
        if self.blocks.frames == 0 {
            return;
        }
        let full = std::mem::replace(&mut self.blocks, self.empty.try_recv().unwrap_or_default());
        if let Err(TrySendError::Full(Order::Write(b, _)) | TrySendError::Disconnected(Order::Write(b, _))) =
            self.orders.try_send(Order::Write(full, dropped))
        {
            self.lost.fetch_add(b.frames, Ordering::Relaxed);
            self.blocks = b;
            self.blocks.clear();
        }
    }

    /// Begins another file, with these limits.
    pub fn rotate(&mut self, size: Option<u64>, keep: Option<u32>, dropped: Dropped) {
        self.flush(dropped);
        // Asked for by a person, who may wait for the disk.
        let _ = self.orders.send(Order::Limits(size, keep)).and_then(|()| self.orders.send(Order::Rotate(dropped)));
    }

    /// Frames that are in no file.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes the rest.
    pub fn finish(mut self, dropped: Dropped) {
        self.flush(dropped);
        let _ = self.orders.send(Order::End(dropped));
        let _ = self.thread.join();
    }
}

fn write(mut files: Rotating, todo: &Receiver<Order>, back: &SyncSender<Blocks>, name: &str, lost: &AtomicU64) {
    let mut trouble =
        log::Trouble::new(format!("{name}: frames are not kept"), format!("{name}: frames are kept again"));
    for order in todo {
        let result = match order {
            Order::Write(mut blocks, dropped) => {
                let result = files.append(&blocks.bytes, dropped);
                if result.is_err() {
                    lost.fetch_add(blocks.frames, Ordering::Relaxed);
                }
                blocks.clear();
                let _ = back.try_send(blocks);
                result
            }
            Order::Rotate(dropped) => files.rotate(dropped),
            Order::Limits(size, keep) => {
                files.set_limits(size, keep);
                continue;
            }
            Order::End(dropped) => {
                let result = files.finish(dropped);
                trouble.tell(&result);
                return;
            }
        };
        trouble.tell(&result);
    }
}
