//! Where frames were lost between the kernel program and the workers.

use std::time::{Duration, Instant};

use farend_af_xdp::{Statistics, statistics};
use farend_driver::worker::WorkerStatistics;

use super::{group::Group, program::HandedOver};

/// After this time a frame that was handed over is in a ring, or lost: the kernel
/// finishes a burst of its driver's within a few milliseconds.
const SETTLING_TIME: Duration = Duration::from_millis(100);

/// What the kernel counted about all sockets (`XDP_STATISTICS`). Counters that
/// an old kernel does not have stay 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sockets {
    /// Not put into a chunk: none was free, or the frame was too long.
    dropped: u64,
    receive_ring_full: u64,
    /// Looks for a free chunk that found none.
    fill_ring_empty: u64,
    /// Descriptors that the kernel found wrong.
    fill_invalid: u64,
    transmit_invalid: u64,
}

/// What the kernel has counted at one moment.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    /// What the program did with the frames to answer: read first.
    pub(super) handed_over: HandedOver,
    /// Frames put into the rings of all sockets.
    pub(super) received: u64,
    /// What the sockets lost.
    pub(super) sockets: Sockets,
    /// When.
    pub(super) now: Instant,
}

impl Counts {
    /// Reads them, but for what the program did, which was read before.
    pub(super) fn read(handed_over: HandedOver, groups: &mut [Group]) -> Self {
        let received = groups.iter_mut().map(Group::received).sum();
        let mut sockets = Sockets::default();
        for (_, socket) in groups.iter().flat_map(Group::each) {
            if let Ok(one) = statistics(socket) {
                sockets.add(&one);
            }
        }
        Self { handed_over, received, sockets, now: Instant::now() }
    }
}

/// Frames that one socket lost, or its memory.
pub(super) fn lost_by(socket: &Statistics) -> u64 {
    let Statistics { receive_dropped, receive_ring_full, fill_invalid, transmit_invalid, .. } =
        socket;
    receive_dropped + receive_ring_full.unwrap_or(0) + fill_invalid + transmit_invalid
}

impl Sockets {
    fn add(&mut self, one: &Statistics) {
        let sum = |to: &mut u64, more: u64| *to = to.wrapping_add(more);
        sum(&mut self.dropped, one.receive_dropped);
        sum(&mut self.receive_ring_full, one.receive_ring_full.unwrap_or(0));
        sum(&mut self.fill_ring_empty, one.fill_ring_empty.unwrap_or(0));
        sum(&mut self.fill_invalid, one.fill_invalid);
        sum(&mut self.transmit_invalid, one.transmit_invalid);
    }
}

/// Frames lost, by cause: no frame in two of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Losses {
    sockets: Sockets,
    /// Handed over, and then neither received by a worker nor counted by a
    /// socket.
    vanished: u64,
    /// Frames handed over at an earlier look, and when that was.
    settling: Option<(Instant, u64)>,
    /// Received by a worker whose policy does not answer them, just after a
    /// reload.
    refused: u64,
    /// Left to the host, because no socket serves their queue.
    unclaimed: u64,
}

impl Losses {
    /// Looks again: `redirected` frames were handed over, `received` had been put into
    /// the sockets' rings a moment later.
    ///
    /// Only frames are missing that were handed over so long before that the kernel
    /// has finished with them, by its own counts alone: what workers count comes later.
    pub(super) fn update(&mut self, counts: Counts, workers: &WorkerStatistics, is_final: bool) {
        let Counts { handed_over, received, sockets, now } = counts;
        self.sockets = sockets;
        let known = received + sockets.dropped + sockets.receive_ring_full;
        let redirected = handed_over.redirected;
        let (since, handed_over_then) = *self.settling.get_or_insert((now, redirected));
        let mut expected = 0;
        if is_final {
            expected = redirected;
        } else if now.saturating_duration_since(since) >= SETTLING_TIME {
            expected = handed_over_then;
            self.settling = Some((now, redirected));
        }
        self.vanished = self.vanished.max(expected.saturating_sub(known));
        let counters = &workers.counters;
        self.refused = counters.passed() + counters.malformed();
        self.unclaimed = handed_over.unclaimed;
    }

    /// All losses by name, those of the workers in.
    pub(super) fn named(&self, workers: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
        let Sockets { dropped, fill_ring_empty, .. } = self.sockets;
        // Each frame that found no chunk is among those dropped; the rest of
        // them were too long.
        let chunkless = dropped.min(fill_ring_empty);
        let mut named = vec![
            ("receive_ring_full", self.sockets.receive_ring_full),
            ("fill_ring_empty", chunkless),
            ("receive_dropped", dropped - chunkless),
            ("fill_invalid", self.sockets.fill_invalid),
            ("transmit_invalid", self.sockets.transmit_invalid),
            ("redirect_lost", self.vanished),
            ("redirect_refused", self.refused),
            ("queue_not_served", self.unclaimed),
        ];
        named.extend(workers);
        named
    }
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, Verdict};

    use super::*;

    fn counts(redirected: u64, received: u64, now: Instant) -> Counts {
        let handed_over = HandedOver { redirected, unclaimed: 0 };
        Counts { handed_over, received, sockets: Sockets::default(), now }
    }

    #[test]
    fn frames_under_way_are_not_missing_however_often_it_is_looked() {
        let mut losses = Losses::default();
        let mut now = Instant::now();
        // A worker tells what it has seen a tenth of a second later.
        let mut workers = WorkerStatistics::default();
        for look in 0..1_000_u64 {
            now += Duration::from_millis(1 + look % 40);
            losses.update(counts(1_000 * look + 64, 1_000 * look, now), &workers, false);
            assert_eq!(losses.vanished, 0, "look {look}");
            workers.counters.count(Verdict::Reflect(Kind::Any), 60);
        }
        losses.update(counts(999_064, 999_064, now), &workers, true);
        assert_eq!(losses.vanished, 0);
    }

    #[test]
    fn frames_that_no_ring_got_are_missing_once_they_settled() {
        let mut losses = Losses::default();
        let workers = WorkerStatistics::default();
        let start = Instant::now();
        losses.update(counts(100, 90, start), &workers, false);
        losses.update(counts(200, 190, start + SETTLING_TIME), &workers, false);
        assert_eq!(losses.vanished, 0, "too early to tell");
        losses.update(counts(300, 290, start + 2 * SETTLING_TIME), &workers, false);
        assert_eq!(losses.vanished, 0, "10 may be those of the end");
        losses.update(counts(300, 290, start + 3 * SETTLING_TIME), &workers, false);
        assert_eq!(losses.vanished, 10);
    }
}
