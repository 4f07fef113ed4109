//! Sends one run: paced bursts, bounded retries, and honest times.

use std::{
    io::ErrorKind,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::{
    burst::{BURST_FRAMES_MAX, Burst},
    clock::now_ns,
    error::Error,
    path::Transmit,
    rate::Pace,
};

/// How long, in nanoseconds, a paced sender tries to get a refused frame out
/// before it gives it up: longer, and later frames would be late for it.
pub const RETRY_NS_MAX: u64 = 1_000_000;

/// How far, in nanoseconds, a paced sender may fall behind and catch up. What
/// it is behind by more is not made up for: the asked rate was not reached,
/// and the offered rate says so.
pub const CATCH_UP_NS_MAX: u64 = 10_000_000;

/// What sender, receiver and progress bar share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Above every sequence number that may be on its way.
    pub sequence_end: AtomicU64,
    /// Frames handed to the kernel.
    pub sent: AtomicU64,
    /// Distinct whole probes that came back.
    pub received: AtomicU64,
    /// Nothing more will be sent.
    pub is_sent: AtomicBool,
    /// Receiving failed: sending on makes no sense.
    pub is_failed: AtomicBool,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Frames of the run.
    pub frames: u32,
    /// Longest time, in nanoseconds.
    pub duration_ns: Option<u64>,
}

/// What became of the sending.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sending {
    /// Frames handed to the kernel.
    pub sent: u64,
    /// Frames that the kernel refused until it was too late for them.
    pub refused: u64,
    /// Times that an earlier frame was reported as undeliverable.
    pub unreachable: u64,
    /// Times that the sender fell too far behind to catch up.
    pub slips: u64,
    /// Frames before the last burst, and nanoseconds from the first burst to
    /// it: their quotient is the offered rate.
    pub rate_frames: u64,
    /// See [`Sending::rate_frames`].
    pub rate_ns: u64,
}

impl Sending {
    /// Frames a second that were offered; `None` if all went in one burst.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate to print")]
    pub fn offered_frames_per_s(&self) -> Option<f64> {
        let is_known = self.rate_frames > 0 && self.rate_ns > 0;
        is_known.then(|| self.rate_frames as f64 * 1e9 / self.rate_ns as f64)
    }
}

/// What to do after one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Go on.
    Go,
    /// Nothing is due before this time.
    WaitUntil {
        /// By [`now_ns`].
        time_ns: u64,
    },
    /// The run is over.
    Done,
}

/// The sending side of one run.
#[derive(Debug)]
pub struct Sender<'run, T> {
    transmit: &'run mut T,
    burst: Burst,
    pace: Option<Pace>,
    extent: Extent,
    shared: &'run Shared,
    stop: &'run AtomicBool,
    first_ns: Option<u64>,
    /// When the frame that would have number 0 by the schedule was due.
    base_ns: u64,
    /// Frames sent or given up.
    handled: u64,
    /// What became of it so far.
    pub sending: Sending,
}

impl<'run, T: Transmit> Sender<'run, T> {
    /// Prepares a run; its time starts with the first step. `pace` is `None`
    /// for as fast as it goes.
    pub fn new(
        transmit: &'run mut T,
        burst: Burst,
        pace: Option<Pace>,
        extent: Extent,
        shared: &'run Shared,
        stop: &'run AtomicBool,
    ) -> Self {
        Self {
            transmit,
            burst,
            pace,
            extent,
            shared,
            stop,
            first_ns: None,
            base_ns: 0,
            handled: 0,
            sending: Sending::default(),
        }
    }

    /// Sends what is due, one burst at most.
    ///
    /// # Errors
    ///
    /// [`Error::Run`] if sending fails for good.
    pub fn step(&mut self) -> Result<Step, Error> {
        let now = now_ns();
        if self.first_ns.is_none() {
            self.first_ns = Some(now);
            self.base_ns = now;
        }
        if self.is_over(now) {
            return Ok(Step::Done);
        }
        let due = self.due(now);
        if due == 0 {
            let time_ns = self.next_due_ns();
            return Ok(Step::WaitUntil { time_ns });
        }
        self.send(due, now)?;
        Ok(Step::Go)
    }

    fn is_over(&self, now: u64) -> bool {
        let elapsed = now.saturating_sub(self.first_ns.unwrap_or(now));
        // A paced sender may catch up on its last frames.
        let grace_ns = if self.pace.is_some() { CATCH_UP_NS_MAX } else { 0 };
        let is_late =
            self.extent.duration_ns.is_some_and(|end| elapsed >= end.saturating_add(grace_ns));
        self.handled >= u64::from(self.extent.frames)
            || is_late
            || self.stop.load(Ordering::Relaxed)
            || self.shared.is_failed.load(Ordering::Relaxed)
    }

    /// Frames to send now.
    fn due(&mut self, now: u64) -> usize {
        let left = u64::from(self.extent.frames).saturating_sub(self.handled);
        let due = match self.pace {
            None => left,
            Some(pace) => {
                let oldest_due_ns = self.base_ns.saturating_add(pace.due_at_ns(self.handled));
                let behind_ns = now.saturating_sub(oldest_due_ns);
                if behind_ns > CATCH_UP_NS_MAX {
                    self.base_ns += behind_ns - CATCH_UP_NS_MAX;
                    self.sending.slips += 1;
                }
                let due = pace.due(now.saturating_sub(self.base_ns));
                due.saturating_sub(self.handled).min(left)
            }
        };
        usize::try_from(due).unwrap_or(usize::MAX).min(BURST_FRAMES_MAX)
    }

    fn next_due_ns(&self) -> u64 {
        let pace = self.pace.map_or(0, |pace| pace.due_at_ns(self.handled));
        self.base_ns.saturating_add(pace)
    }

    fn send(&mut self, frames: usize, now: u64) -> Result<(), Error> {
        let first_sequence = self.sending.sent;
        let sequence_end = first_sequence + frames as u64;
        // Release: pairs with the receiver's Acquire, before any answer can be
        // on its way.
        self.shared.sequence_end.fetch_max(sequence_end, Ordering::Release);
        self.sending.rate_frames = self.sending.sent;
        self.sending.rate_ns = now.saturating_sub(self.first_ns.unwrap_or(now));
        let mut sent = 0;
        while sent < frames {
            self.renew(sent..frames, first_sequence);
            let taken = match self.transmit.transmit(&self.burst, sent..frames) {
                Err(error) if is_about_earlier(error.kind()) => {
                    self.sending.unreachable += 1;
                    0
                }
                result => result.map_err(|error| Error::of_sending(&error))?,
            };
            sent += taken;
            if taken == 0 {
                if self.has_given_up(now) {
                    self.sending.refused += (frames - sent) as u64;
                    break;
                }
                std::thread::yield_now();
            }
        }
        self.handled += frames as u64;
        self.sending.sent += sent as u64;
        self.shared.sent.store(self.sending.sent, Ordering::Relaxed);
        Ok(())
    }

    /// Paced, a refused frame is given up when it is late. As fast as it
    /// goes, a refusal is the pace, and only the end of the run ends it.
    fn has_given_up(&self, since_ns: u64) -> bool {
        let now = now_ns();
        if self.pace.is_some() {
            now.saturating_sub(since_ns) > RETRY_NS_MAX
        } else {
            self.is_over(now)
        }
    }

    fn renew(&mut self, slots: std::ops::Range<usize>, first_sequence: u64) {
        for slot in slots {
            // No run has more frames than there are sequence numbers.
            let sequence = u32::try_from(first_sequence + slot as u64).unwrap_or(u32::MAX);
            self.burst.renew(slot, sequence, now_ns());
        }
    }
}

/// What a connected socket reports about a datagram sent before.
pub(crate) const fn is_about_earlier(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::ConnectionReset
    )
}

/// Waits for a time: asleep while it is far, awake at the end, because waking
/// up takes longer than the pace of fast runs.
pub(crate) fn wait_until(time_ns: u64, stop: &AtomicBool) {
    const AWAKE_NS: u64 = 200_000;
    const ASLEEP_NS_MAX: u64 = 20_000_000;
    loop {
        let left_ns = time_ns.saturating_sub(now_ns());
        if left_ns == 0 || stop.load(Ordering::Relaxed) {
            return;
        }
        if left_ns > AWAKE_NS {
            let asleep_ns = (left_ns - AWAKE_NS).min(ASLEEP_NS_MAX);
            std::thread::sleep(std::time::Duration::from_nanos(asleep_ns));
        } else {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use farend_core::Kind;

    use super::*;
    use crate::rate::Asked;

    /// Takes what it is told to, and refuses the rest.
    struct Picky {
        takes: usize,
        taken: Vec<Vec<u8>>,
    }

    impl Transmit for Picky {
        fn transmit(&mut self, burst: &Burst, slots: std::ops::Range<usize>) -> io::Result<usize> {
            let count = slots.len().min(self.takes);
            for slot in slots.take(count) {
                self.taken.push(burst.slots(slot..slot + 1).to_vec());
            }
            Ok(count)
        }
    }

    fn burst() -> Burst {
        Burst::of_payloads(Kind::Rfc2544, 1, 40).unwrap()
    }

    fn run(path: &mut Picky, asked: &str, frames: u32, duration_ns: Option<u64>) -> Sending {
        let (shared, stop) = (Shared::default(), AtomicBool::new(false));
        let pace = Asked::parse_frames(asked).unwrap().pace(64);
        let extent = Extent { frames, duration_ns };
        let mut sender = Sender::new(path, burst(), pace, extent, &shared, &stop);
        loop {
            match sender.step().unwrap() {
                Step::Go => {}
                Step::WaitUntil { time_ns } => wait_until(time_ns, &stop),
                Step::Done => return sender.sending,
            }
        }
    }

    fn sequences(path: &Picky) -> Vec<u32> {
        let parse = |octets: &Vec<u8>| {
            farend_core::measure::probe::Probe::parse(octets).unwrap().0.sequence
        };
        path.taken.iter().map(parse).collect()
    }

    #[test]
    fn every_frame_is_sent_once_and_in_order() {
        for asked in ["max", "1M", "100k"] {
            for takes in [1, 7, 64] {
                let mut path = Picky { takes, taken: Vec::new() };
                let sending = run(&mut path, asked, 1_000, None);
                assert_eq!((sending.sent, sending.refused), (1_000, 0));
                assert!(sequences(&path).into_iter().eq(0..1_000));
            }
        }
    }

    #[test]
    fn refused_frames_are_given_up_and_use_no_sequence_number() {
        let mut path = Picky { takes: 0, taken: Vec::new() };
        let sending = run(&mut path, "1k", 5, None);
        assert_eq!((sending.sent, sending.refused), (0, 5));
    }

    #[test]
    fn a_run_ends_with_its_time_even_if_nothing_is_taken() {
        let mut path = Picky { takes: 0, taken: Vec::new() };
        let sending = run(&mut path, "max", u32::MAX, Some(20_000_000));
        assert_eq!(sending.sent, 0);
    }

    #[test]
    fn the_offered_rate_is_the_asked_one_when_it_can_be_kept() {
        let mut path = Picky { takes: 64, taken: Vec::new() };
        let sending = run(&mut path, "2k", 101, None);
        let offered = sending.offered_frames_per_s().unwrap();
        // A busy machine makes it slower, nothing makes it faster.
        assert!(offered < 2_050.0, "{offered}");
    }
}
