//! How much memory frames get: counted from the queues and from the MTU.

use std::fmt;

/// Octets of a huge page, the smallest size that x86-64 and aarch64 share.
pub(super) const HUGE_PAGE_OCTETS: usize = 2 << 20;

/// Octets of an Ethernet header and two VLAN tags.
const LINK_OCTETS: u32 = 14 + 2 * 4;

/// Octets that the kernel keeps before a frame in its chunk
/// (`XDP_PACKET_HEADROOM`).
const HEADROOM_OCTETS: u32 = 256;

/// A chunk that holds a frame of the usual MTU.
const CHUNK_OCTETS_SMALL: u32 = 2_048;

/// The largest chunk, a page: longer frames come in several.
const CHUNK_OCTETS_MAX: u32 = 4_096;

/// Chunks of one queue, as long as the queues are few: half of them wait to be
/// filled, so that a burst of a millisecond at 2 Mframes/s finds room.
const CHUNKS_MAX: u32 = 4_096;

/// Chunks of one queue at least.
const CHUNKS_MIN: u32 = 1_024;

/// Chunks of all queues together, if each then still has its least.
const CHUNKS_TOTAL: u32 = 32_768;

/// First Linux with packets in several chunks.
const FRAGMENTS_KERNEL_MIN: (u32, u32) = (6, 6);

/// The memory of the frames of some queues, counted out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    chunk_octets: u32,
    queue_chunks: u32,
    queues: u32,
    frame_octets_max: u32,
    has_fragments: bool,
}

/// Frames are longer than a chunk, and the kernel does not split them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameTooLong {
    /// The interface's MTU.
    pub mtu_octets: u32,
    /// The longest MTU whose frames fit a chunk.
    pub mtu_octets_max: u32,
}

impl fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mtu_octets, mtu_octets_max } = self;
        let (major, minor) = FRAGMENTS_KERNEL_MIN;
        write!(
            f,
            "frames of MTU {mtu_octets} come in several parts, which AF_XDP has from Linux \
             {major}.{minor} on; here an MTU of {mtu_octets_max} is the most"
        )
    }
}

impl std::error::Error for FrameTooLong {}

impl Layout {
    /// Counts out the memory of so many queues, for frames of this MTU: the octets of
    /// the longest IP packet. `kernel` is the version of the kernel, as in `(6, 6)`;
    /// `None` is taken to be a new one.
    ///
    /// # Errors
    ///
    /// [`FrameTooLong`] if frames are longer than a chunk, and this kernel has no way
    /// to split them.
    pub fn new(
        queues: u32,
        mtu_octets: u32,
        kernel: Option<(u32, u32)>,
    ) -> Result<Self, FrameTooLong> {
        let frame_octets_max = mtu_octets.saturating_add(LINK_OCTETS);
        let has_fragments = kernel.is_none_or(|kernel| kernel >= FRAGMENTS_KERNEL_MIN);
        let is_small = frame_octets_max <= CHUNK_OCTETS_SMALL - HEADROOM_OCTETS;
        let chunk_octets = if is_small { CHUNK_OCTETS_SMALL } else { CHUNK_OCTETS_MAX };
        let queues = queues.max(1);
        let shared = (CHUNKS_TOTAL / queues).max(1);
        // The power of two that is not above the share.
        let queue_chunks = (1 << shared.ilog2()).clamp(CHUNKS_MIN, CHUNKS_MAX);
        let layout = Self { chunk_octets, queue_chunks, queues, frame_octets_max, has_fragments };
        if layout.needs_fragments() && !has_fragments {
            let mtu_octets_max = layout.chunk_room_octets() - LINK_OCTETS;
            return Err(FrameTooLong { mtu_octets, mtu_octets_max });
        }
        Ok(layout)
    }

    /// Octets of a chunk.
    #[must_use]
    pub const fn chunk_octets(&self) -> u32 {
        self.chunk_octets
    }

    /// Chunks of each queue.
    #[must_use]
    pub const fn queue_chunks(&self) -> u32 {
        self.queue_chunks
    }

    /// Octets of the longest frame: Ethernet header and two tags in, FCS out.
    #[must_use]
    pub const fn frame_octets_max(&self) -> u32 {
        self.frame_octets_max
    }

    /// Octets of a frame that one chunk holds.
    #[must_use]
    pub const fn chunk_room_octets(&self) -> u32 {
        self.chunk_octets - HEADROOM_OCTETS
    }

    /// Whether the longest frame is longer than a chunk.
    #[must_use]
    pub const fn needs_fragments(&self) -> bool {
        self.frame_octets_max > self.chunk_room_octets()
    }

    /// Entries of each ring: half of the queue's chunks may wait for frames
    /// while the other half are under way.
    #[must_use]
    pub const fn ring_entries(&self) -> u32 {
        self.queue_chunks / 2
    }

    /// Whether the kernel splits packets into several chunks.
    pub(super) const fn has_fragments(&self) -> bool {
        self.has_fragments
    }

    /// Octets of all chunks of a queue.
    const fn queue_octets(&self) -> usize {
        self.chunk_octets as usize * self.queue_chunks as usize
    }

    /// Octets of the UMEM. A multiple of a huge page, because a queue's part
    /// is one.
    #[must_use]
    pub const fn umem_octets(&self) -> usize {
        self.queue_octets() * self.queues as usize
    }
}

const _: () =
    assert!((CHUNK_OCTETS_SMALL as usize * CHUNKS_MIN as usize).is_multiple_of(HUGE_PAGE_OCTETS));

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chunk_octets, queue_chunks, queues, .. } = self;
        let mebioctets = self.umem_octets() >> 20;
        write!(f, "UMEM of {mebioctets} MiB: {queue_chunks} chunks of {chunk_octets} octets ")?;
        if *queues == 1 {
            write!(f, "for 1 queue")
        } else {
            write!(f, "for each of {queues} queues")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<(u32, u32)> = Some((6, 18));

    #[test]
    fn the_usual_mtu_takes_small_chunks_and_longer_ones_a_page() {
        let small = Layout::new(1, 1_500, NOW).unwrap();
        assert_eq!((small.chunk_octets, small.queue_chunks), (2_048, 4_096));
        assert!(!small.needs_fragments());
        assert_eq!(small.to_string(), "UMEM of 8 MiB: 4096 chunks of 2048 octets for 1 queue");
        let page = Layout::new(4, 3_818, NOW).unwrap();
        assert_eq!(page.chunk_octets, 4_096);
        assert!(!page.needs_fragments());
        assert!(Layout::new(1, 3_819, NOW).unwrap().needs_fragments());
        assert!(Layout::new(1, 9_000, None).unwrap().needs_fragments());
    }

    #[test]
    fn a_long_mtu_needs_a_kernel_that_splits() {
        let error = Layout::new(1, 9_000, Some((6, 5))).unwrap_err().to_string();
        assert!(error.contains("6.6") && error.contains("3818"), "{error}");
        assert!(Layout::new(1, 3_818, Some((5, 18))).is_ok());
    }

    #[test]
    fn many_queues_get_less_each_but_enough() {
        let chunks = |queues| Layout::new(queues, 1_500, NOW).unwrap().queue_chunks;
        assert_eq!(
            [1, 8, 9, 16, 32, 33, 256].map(chunks),
            [4096, 4096, 2048, 2048, 1024, 1024, 1024]
        );
        for queues in 1..=256 {
            let layout = Layout::new(queues, 9_000, NOW).unwrap();
            assert!(layout.umem_octets().is_multiple_of(HUGE_PAGE_OCTETS));
            assert!(layout.ring_entries().is_power_of_two());
        }
    }
}
