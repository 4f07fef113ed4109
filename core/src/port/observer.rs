//! Who looks on.

use crate::Verdict;

/// Sees what a port does, without being able to change it. `()` sees nothing
/// and costs nothing.
///
/// Of a packet in several frames, `octets` are those of the first one; its
/// `whole_octets` are those of all.
pub trait Observer {
    /// Whether it looks at all: what nobody looks at is not counted for it.
    const IS_LOOKING: bool = true;

    /// Frames have come in, and are about to be judged in their order.
    #[inline(always)]
    fn burst_received(&mut self, frames: usize) {
        let _ = frames;
    }

    /// A packet as it was received, before it is judged.
    #[inline(always)]
    fn received(&mut self, octets: &[u8], whole_octets: usize) {
        let _ = (octets, whole_octets);
    }

    /// The same packet after it was judged: turned round, if that is the
    /// verdict.
    #[inline(always)]
    fn judged(&mut self, octets: &[u8], whole_octets: usize, verdict: Verdict) {
        let _ = (octets, whole_octets, verdict);
    }

    /// Packets that the port has taken for transmission, oldest answers first:
    /// as many were judged before to be reflected.
    #[inline(always)]
    fn burst_transmitted(&mut self, packets: usize) {
        let _ = packets;
    }
}

impl Observer for () {
    const IS_LOOKING: bool = false;
}

impl<O: Observer> Observer for &mut O {
    const IS_LOOKING: bool = O::IS_LOOKING;

    #[inline(always)]
    fn burst_received(&mut self, frames: usize) {
        (**self).burst_received(frames);
    }

    #[inline(always)]
    fn received(&mut self, octets: &[u8], whole_octets: usize) {
        (**self).received(octets, whole_octets);
    }

    #[inline(always)]
    fn judged(&mut self, octets: &[u8], whole_octets: usize, verdict: Verdict) {
        (**self).judged(octets, whole_octets, verdict);
    }

    #[inline(always)]
    fn burst_transmitted(&mut self, packets: usize) {
        (**self).burst_transmitted(packets);
    }
}
