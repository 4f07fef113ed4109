//! The way of refused frames into the sample: the kernel program copies them
//! into a ring, a thread for each program takes them out.
//!
//! The program never waits for the thread, nor the thread for the file: what
//! finds no room is counted as dropped.

use std::{
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use aya::maps::{MapData, PerCpuArray, RingBuf};
use farend_core::{Policy, reflect::refused::RefusedFrame};
use farend_driver::{
    clock,
    observe::RefusedSampler,
    worker::{POLL_INTERVAL_MS, Stop},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::tier::{Threaded, TierError};

/// Copies between two looks at the stop and at what the program dropped.
const BURST_COPIES: usize = 256;

/// How long the sample gets to make room before the ring is looked at again.
const ROOM_WAIT: Duration = Duration::from_millis(1);

/// How long the last copies wait for room after a stop.
const LAST_WAIT: Duration = Duration::from_millis(100);

/// What one program copied.
pub(super) struct Copies {
    ring: RingBuf<MapData>,
    /// Of each CPU: frames that are still left out, and frames that were due
    /// and found no room.
    state: PerCpuArray<MapData, [u64; 2]>,
}

impl Copies {
    pub(super) const fn new(ring: RingBuf<MapData>, state: PerCpuArray<MapData, [u64; 2]>) -> Self {
        Self { ring, state }
    }

    /// Frames that the program has dropped so far; `None` if the kernel does
    /// not tell.
    fn dropped(&self) -> Option<u64> {
        let cpus = self.state.get(&0, 0).ok()?;
        Some(cpus.iter().fold(0, |sum: u64, [_, dropped]| sum.wrapping_add(*dropped)))
    }
}

/// Puts the copies on a thread, which waits to be started. Stop it when nobody
/// runs the program any more: it takes what is in the ring by then.
pub(super) fn thread_of(copies: Copies, sampler: RefusedSampler, policy: &Policy) -> Threaded {
    let mut collector = Collector { copies, sampler, dropped_before: 0 };
    Threaded::new("af-xdp-refused", policy, move |_, stop, _| {
        collector.run(stop);
        Ok::<(), TierError>(())
    })
}

struct Collector {
    copies: Copies,
    sampler: RefusedSampler,
    /// What the program had dropped when it was last looked.
    dropped_before: u64,
}

/// Why taking copies out paused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// There are no more.
    Empty,
    /// There may be more, and the sample has no room.
    NoRoom,
    /// There may be more.
    Burst,
}

impl Collector {
    fn run(&mut self, stop: &Stop) {
        while !stop.is_requested() {
            match self.take_burst() {
                Pause::Empty => self.wait(),
                Pause::NoRoom => thread::sleep(ROOM_WAIT),
                Pause::Burst => {}
            }
            self.count_dropped();
        }
        self.finish();
    }

    /// Waits for copies, at most until it is time to look at the stop.
    fn wait(&self) {
        let interval = Duration::from_millis(POLL_INTERVAL_MS.into());
        let timeout = Timespec::try_from(interval).ok();
        let mut waiting = [PollFd::from_borrowed_fd(self.copies.ring.as_fd(), PollFlags::IN)];
        if poll(&mut waiting, timeout.as_ref()).is_err() {
            // A signal, or nothing that would pass by itself: the ring is
            // looked at all the same.
            thread::sleep(ROOM_WAIT);
        }
    }

    fn take_burst(&mut self) -> Pause {
        // The kernel's clock began at the start of the system, and this host's
        // may have been set since.
        let start_unix_ns = clock::unix_ns().wrapping_sub(clock::monotonic_ns());
        for _ in 0..BURST_COPIES {
            if !self.sampler.has_room() {
                return Pause::NoRoom;
            }
            let Some(record) = self.copies.ring.next() else { return Pause::Empty };
            match RefusedFrame::parse(&record) {
                Some(copy) => {
                    let time_unix_ns = start_unix_ns.wrapping_add(copy.time_ns);
                    self.sampler.take(&copy, time_unix_ns);
                }
                None => self.sampler.lose(1),
            }
        }
        Pause::Burst
    }

    /// Tells the sample of the frames that the program has dropped since the
    /// last look.
    fn count_dropped(&mut self) {
        let Some(dropped) = self.copies.dropped() else { return };
        self.sampler.lose(dropped.wrapping_sub(self.dropped_before));
        self.dropped_before = dropped;
    }

    /// Takes what is left in the ring; what finds no room in time is dropped.
    fn finish(&mut self) {
        let deadline = Instant::now() + LAST_WAIT;
        loop {
            match self.take_burst() {
                Pause::Empty => break,
                _ if Instant::now() >= deadline => {
                    while self.copies.ring.next().is_some() {
                        self.sampler.lose(1);
                    }
                    break;
                }
                Pause::NoRoom => thread::sleep(ROOM_WAIT),
                Pause::Burst => {}
            }
        }
        self.count_dropped();
    }
}
