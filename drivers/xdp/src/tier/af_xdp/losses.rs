//! Where frames were lost between the kernel program and the workers.

use farend_af_xdp::{Statistics, statistics};
use farend_driver::worker::WorkerStatistics;

use super::{group::Group, program::HandedOver};

/// What the kernel counted about all sockets (`XDP_STATISTICS`). Counters that
/// an old kernel does not have stay 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sockets {
    /// Not put into a chunk: none was free, or the frame was too long.
    dropped: u64,
    receive_ring_full: u64,
    /// Looks for a free chunk that found none.
    fill_ring_empty: u64,
    /// Descriptors that the kernel found wrong.
    fill_invalid: u64,
    transmit_invalid: u64,
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
    /// Handed over when it was last looked.
    redirected_before: u64,
    /// Received by a worker whose policy does not answer them, just after a
    /// reload.
    refused: u64,
    /// Left to the host, because no socket serves their queue.
    unclaimed: u64,
}

impl Losses {
    /// Looks again. While frames are under way, only those are missing that
    /// were handed over before the last look.
    pub(super) fn update(
        &mut self,
        handed_over: HandedOver,
        workers: &WorkerStatistics,
        groups: &[Group],
        is_final: bool,
    ) {
        let mut sockets = Sockets::default();
        for (_, socket) in groups.iter().flat_map(Group::each) {
            if let Ok(one) = statistics(socket) {
                sockets.add(&one);
            }
        }
        self.sockets = sockets;
        let counters = &workers.counters;
        let received = counters.iter().fold(0_u64, |sum, (_, frames)| sum.wrapping_add(frames));
        let known = received + sockets.dropped + sockets.receive_ring_full;
        let expected = if is_final { handed_over.redirected } else { self.redirected_before };
        let missing = expected.saturating_sub(known);
        self.vanished = if is_final { missing } else { self.vanished.max(missing) };
        self.redirected_before = handed_over.redirected;
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
