//! Every Nth frame, in shared memory for whoever reads it.
//!
//! A ring that overwrites: readers that do not keep up are told how much they
//! missed, and whether there are readers at all, and how they end, makes no
//! difference to a worker. All workers share one ring; one that finds another
//! at it for longer than a copy takes goes on without showing its frame, which
//! is counted.

use std::{
    hint,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use farend_capture::tap::{HEAD_OCTETS, Head, Interface};
use farend_core::Verdict;
use farend_shm::{
    SegmentError, SlowReader,
    broadcast::{Options, Publisher, Ring},
};

use super::segment_refused;
use crate::values::{Every, SegmentName};

/// Frames that are there at a time.
const CAPACITY_FRAMES: u64 = 4_096;

/// Octets that are shown of a frame at most: any of a jumbo Ethernet.
pub(super) const FRAME_OCTETS_MAX: usize = 9_216;

/// Readers at a time.
const READERS_MAX: u32 = 16;

/// How often a worker looks whether the ring is free before it goes on: some
/// microseconds, several copies of other workers.
const ATTEMPTS_MAX: u32 = 1_000;

/// What became of frames that were due, over all workers.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) shown: AtomicU64,
    pub(super) dropped: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    publisher: Mutex<Publisher>,
    counts: Counts,
    is_broken: AtomicBool,
    name: String,
    notice: fn(&str),
}

/// The ring, and what viewers are made of.
#[derive(Clone, Debug)]
pub(super) struct Tap {
    shared: Arc<Shared>,
    every: u32,
}

impl Tap {
    /// Makes the ring.
    ///
    /// # Errors
    ///
    /// One line on why it cannot.
    pub(super) fn start(
        name: &SegmentName,
        every: Every,
        notice: fn(&str),
    ) -> Result<Self, String> {
        let options = Options {
            capacity_messages: CAPACITY_FRAMES,
            message_octets_max: (HEAD_OCTETS + FRAME_OCTETS_MAX) as u64,
            subscribers_max: READERS_MAX,
            slow_reader: SlowReader::Overwrite,
        };
        let name = name.to_string();
        let about = |error: &SegmentError| segment_refused("--tap", &name, error);
        let ring = Ring::create(&name, options).map_err(|error| about(&error))?;
        let publisher =
            Mutex::new(ring.publisher().map_err(|error| format!("--tap {name}: {error}"))?);
        let counts = Counts::default();
        let is_broken = AtomicBool::new(false);
        let shared = Shared { publisher, counts, is_broken, name, notice };
        Ok(Self { shared: Arc::new(shared), every: every.0.get() })
    }

    /// What one worker shows frames with.
    pub(super) fn tap_writer(&self, index: u32, name: &str) -> TapWriter {
        TapWriter {
            shared: Arc::clone(&self.shared),
            interface: Interface::new(index, name),
            every: self.every,
            skip: 0,
            is_unflushed: false,
        }
    }

    /// What became of the frames so far.
    pub(super) fn counts(&self) -> &Counts {
        &self.shared.counts
    }
}

/// One worker's share in the tap.
#[derive(Debug)]
pub(super) struct TapWriter {
    shared: Arc<Shared>,
    interface: Interface,
    every: u32,
    /// Frames that are still left out.
    skip: u32,
    /// Whether readers may sleep beside a frame that is there.
    is_unflushed: bool,
}

impl TapWriter {
    /// Whether the next frame is shown.
    #[inline]
    pub(super) const fn is_due(&self) -> bool {
        self.skip == 0
    }

    /// Takes a frame that was judged: `received` is what it was before, if it
    /// was due.
    #[inline]
    pub(super) fn judged(
        &mut self,
        received: &[u8],
        whole_octets: usize,
        verdict: Verdict,
        time_unix_ns: impl FnOnce() -> u64,
    ) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.skip = self.every - 1;
        let head = Head {
            verdict,
            whole_octets: u32::try_from(whole_octets).unwrap_or(u32::MAX),
            time_unix_ns: time_unix_ns(),
            interface: self.interface,
        };
        self.push(&head, received.get(..FRAME_OCTETS_MAX).unwrap_or(received));
    }

    /// Wakes readers that sleep. Once a burst.
    #[inline]
    pub(super) fn flush(&mut self) {
        if self.is_unflushed
            && let Some(mut publisher) = self.shared.try_lock()
        {
            publisher.flush();
            self.is_unflushed = false;
        }
    }

    fn push(&mut self, head: &Head, frame: &[u8]) {
        let Shared { counts, is_broken, .. } = &*self.shared;
        // Relaxed: counts and a flag, which order nothing.
        if is_broken.load(Ordering::Relaxed) {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let pushed =
            self.shared.try_lock().map(|mut ring| ring.push_with_head(head.to_words(), frame));
        match pushed {
            Some(Ok(true)) => {
                counts.shown.fetch_add(1, Ordering::Relaxed);
                self.is_unflushed = true;
                return;
            }
            Some(Err(error)) if !is_broken.swap(true, Ordering::Relaxed) => {
                let Shared { name, notice, .. } = &*self.shared;
                notice(&format!("--tap {name}: no more frames are shown: {error}"));
            }
            _ => {}
        }
        counts.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// The ring, unless others are at it for long.
    fn try_lock(&self) -> Option<MutexGuard<'_, Publisher>> {
        for _ in 0..ATTEMPTS_MAX {
            match self.publisher.try_lock() {
                Ok(publisher) => return Some(publisher),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => hint::spin_loop(),
            }
        }
        None
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Readers that sleep learn that nothing more comes.
        self.publisher.get_mut().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farend_core::{Kind, Reason};
    use farend_shm::Deadline;

    use super::*;

    const REFLECT: Verdict = Verdict::Reflect(Kind::Y1564);

    fn name(of: &str) -> String {
        format!("farend-{of}-{}", std::process::id())
    }

    fn start(name: &str, every: &str) -> Tap {
        Tap::start(&name.parse().unwrap(), every.parse().unwrap(), |_| {}).unwrap()
    }

    fn counts(tap: &Tap) -> (u64, u64) {
        let Counts { shown, dropped } = tap.counts();
        (shown.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed))
    }

    #[test]
    fn a_reader_sees_every_nth_frame_as_it_was_received() {
        let name = name("nth");
        let tap = start(&name, "2");
        let mut reader = Ring::attach(&name).unwrap().subscriber().unwrap();
        let mut tap_writer = tap.tap_writer(7, "eth1");
        for number in 0..5_u8 {
            tap_writer.judged(&[number; 60], 60, REFLECT, || 1_000 + u64::from(number));
        }
        tap_writer.flush();
        let mut buffer = vec![0; reader.message_octets_max()];
        for number in [0, 2, 4] {
            let deadline = Deadline::after(Duration::from_secs(1));
            let message = reader.receive(&mut buffer, deadline).unwrap();
            let (head, frame) = Head::parse(&buffer[..message.octets]).unwrap();
            assert_eq!(frame, [number; 60]);
            assert_eq!(head.verdict, REFLECT);
            assert_eq!((head.time_unix_ns, head.whole_octets), (1_000 + u64::from(number), 60));
            assert_eq!((head.interface.index, head.interface.name().as_str()), (7, "eth1"));
        }
        assert_eq!(counts(&tap), (3, 0));
    }

    #[test]
    fn a_slow_reader_is_told_what_it_missed_and_nobody_waits_for_it() {
        let name = name("slow");
        let tap = start(&name, "1");
        let mut reader = Ring::attach(&name).unwrap().subscriber().unwrap();
        let mut tap_writer = tap.tap_writer(0, "");
        let frames = 3 * CAPACITY_FRAMES;
        for _ in 0..frames {
            tap_writer.judged(&[0; 60], 60, Verdict::Refuse(Reason::Vlan), || 0);
        }
        tap_writer.flush();
        let mut buffer = vec![0; reader.message_octets_max()];
        let (mut read, mut lost) = (0, 0);
        while let Some(message) = reader.try_receive(&mut buffer).unwrap() {
            read += 1;
            lost += message.lost;
        }
        assert_eq!(read + lost, frames);
        assert!(read <= CAPACITY_FRAMES);
        assert_eq!(counts(&tap), (frames, 0));
    }

    #[test]
    fn a_ring_that_another_worker_holds_costs_a_frame_and_no_wait() {
        let tap = start(&name("held"), "1");
        let mut tap_writer = tap.tap_writer(0, "");
        let held = tap.shared.publisher.lock().unwrap();
        tap_writer.judged(&[0; 60], 60, REFLECT, || 0);
        drop(held);
        tap_writer.judged(&[0; 60], 60, REFLECT, || 0);
        assert_eq!(counts(&tap), (1, 1));
    }

    #[test]
    fn a_name_that_is_taken_is_refused_with_its_holder() {
        let name = name("taken");
        let _tap = start(&name, "1");
        let error = Tap::start(&name.parse().unwrap(), Every::ONE, |_| {}).unwrap_err();
        let pid = std::process::id().to_string();
        assert!(error.starts_with("--tap farend-taken") && error.contains(&pid), "{error}");
    }
}
