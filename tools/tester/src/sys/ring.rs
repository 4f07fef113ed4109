//! A receive ring that the kernel fills: `TPACKET_V3` of packet(7).
//!
//! The ring is cut into blocks. The kernel hands over a block when it is full
//! or its time is up, and until it is given back nobody but us touches it.
//! Every offset and count in a block is checked against the block.
#![expect(unsafe_code, reason = "memory that is shared with the kernel")]

use std::{
    io,
    mem::offset_of,
    os::fd::{AsFd, AsRawFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

use super::option;

/// Octets of one block: several jumbo frames, or thousands of small ones.
const BLOCK_OCTETS: u32 = 1 << 18;

/// Blocks of the ring, 16 MiB together.
const BLOCKS: u32 = 64;

/// Octets of the unit that the kernel is told; frames of any length pack
/// close behind one another.
const UNIT_OCTETS: u32 = 1 << 11;

/// Milliseconds after which a block is handed over even if it is not full:
/// the least there is. Arrivals are stamped before.
const BLOCK_TIME_MS: u32 = 1;

const STATUS: usize =
    offset_of!(libc::tpacket_block_desc, hdr) + offset_of!(libc::tpacket_hdr_v1, block_status);
const FRAMES: usize =
    offset_of!(libc::tpacket_block_desc, hdr) + offset_of!(libc::tpacket_hdr_v1, num_pkts);
const FIRST: usize = offset_of!(libc::tpacket_block_desc, hdr)
    + offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt);

/// The ring of one socket.
#[derive(Debug)]
pub(crate) struct Ring {
    start: NonNull<u8>,
    next_block: u32,
}

// SAFETY: the mapping belongs to this value alone and to no thread.
unsafe impl Send for Ring {}

/// One frame of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingFrame<'block> {
    /// What the ring holds of it.
    pub(crate) octets: &'block [u8],
    /// What it had.
    pub(crate) whole_octets: usize,
    /// The kernel's stamp, by the clock of the day.
    pub(crate) seconds: u32,
    /// The rest of the stamp.
    pub(crate) nanoseconds: u32,
    /// TPID and control information of a tag that the kernel took out.
    pub(crate) tag: Option<(Option<u16>, u16)>,
    /// The checksum was left to hardware that was never reached.
    pub(crate) is_checksum_unfinished: bool,
}

impl Ring {
    /// Gives a packet socket a ring. Do this before binding, or frames of
    /// every interface come first.
    pub(crate) fn new(socket: impl AsFd) -> io::Result<Self> {
        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        option::set(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, version)?;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_OCTETS,
            tp_block_nr: BLOCKS,
            tp_frame_size: UNIT_OCTETS,
            tp_frame_nr: BLOCK_OCTETS / UNIT_OCTETS * BLOCKS,
            tp_retire_blk_tov: BLOCK_TIME_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        option::set(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, request)?;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::OCTETS,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_fd().as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, next_block: 0 })
    }

    const OCTETS: usize = BLOCK_OCTETS as usize * BLOCKS as usize;

    /// Hands over the frames of the next block, if the kernel is done with it.
    /// Returns how many, or `None` if no block is ready.
    pub(crate) fn take_block(&mut self, sink: &mut impl FnMut(RingFrame<'_>)) -> Option<usize> {
        let status = self.status();
        // Acquire: pairs with the kernel's release of the block to us.
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let frames = frames_of(self.block(), sink);
        // Release: what was read above was read before the kernel writes.
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next_block = (self.next_block + 1) % BLOCKS;
        Some(frames)
    }

    fn block_start(&self) -> NonNull<u8> {
        let offset = self.next_block as usize * BLOCK_OCTETS as usize;
        // SAFETY: `next_block` is below `BLOCKS`, so this stays inside the
        // mapping.
        unsafe { self.start.add(offset) }
    }

    fn status(&self) -> &AtomicU32 {
        let block = self.block_start();
        // SAFETY: the word lies at the start of a block, inside the mapping.
        let status = unsafe { block.add(STATUS) };
        // SAFETY: blocks start at pages, so the word is aligned; both sides
        // access it as a whole; the mapping outlives `self`.
        unsafe { status.cast::<AtomicU32>().as_ref() }
    }

    /// The next block, which must be ours.
    fn block(&self) -> &[u8] {
        // SAFETY: the block lies inside the mapping, which outlives `self`;
        // the kernel writes none of it until it is given back, which needs
        // `&mut self`.
        unsafe { std::slice::from_raw_parts(self.block_start().as_ptr(), BLOCK_OCTETS as usize) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is the one that `new` made, and nothing borrows
        // from it any more. A failure would leave it mapped, which is sound.
        let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), Self::OCTETS) };
    }
}

/// Walks over the frames of a block, as far as its counts and offsets stay
/// inside it.
fn frames_of(block: &[u8], sink: &mut impl FnMut(RingFrame<'_>)) -> usize {
    let frames = word(block, FRAMES).unwrap_or(0) as usize;
    let mut start = word(block, FIRST).unwrap_or(0) as usize;
    for taken in 0..frames {
        let Some((frame, next)) = block.get(start..).and_then(frame_of) else { return taken };
        sink(frame);
        start = start.saturating_add(next);
    }
    frames
}

/// The frame whose header starts here, and how far on the next one does.
fn frame_of(octets: &[u8]) -> Option<(RingFrame<'_>, usize)> {
    type Header = libc::tpacket3_hdr;
    const VARIANT: usize = offset_of!(Header, hv1);
    let field = |offset| word(octets, offset);
    let kept_octets = field(offset_of!(Header, tp_snaplen))? as usize;
    let start = half_word(octets, offset_of!(Header, tp_mac))? as usize;
    let status = field(offset_of!(Header, tp_status))?;
    let tag = if status & libc::TP_STATUS_VLAN_VALID == 0 {
        None
    } else {
        let control = field(VARIANT + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tci))?;
        let tpid =
            half_word(octets, VARIANT + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tpid))?;
        let is_tpid_known = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
        let [a, b, c, d] = control.to_be_bytes();
        debug_assert_eq!([a, b], [0; 2]);
        Some((is_tpid_known.then_some(tpid), u16::from_be_bytes([c, d])))
    };
    let frame = RingFrame {
        octets: octets.get(start..start.checked_add(kept_octets)?)?,
        whole_octets: field(offset_of!(Header, tp_len))? as usize,
        seconds: field(offset_of!(Header, tp_sec))?,
        nanoseconds: field(offset_of!(Header, tp_nsec))?,
        tag,
        is_checksum_unfinished: status & libc::TP_STATUS_CSUMNOTREADY != 0,
    };
    Some((frame, field(offset_of!(Header, tp_next_offset))? as usize))
}

fn word(octets: &[u8], offset: usize) -> Option<u32> {
    octets.get(offset..)?.first_chunk().map(|octets| u32::from_ne_bytes(*octets))
}

fn half_word(octets: &[u8], offset: usize) -> Option<u16> {
    octets.get(offset..)?.first_chunk().map(|octets| u16::from_ne_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_lies_about_itself_is_read_no_further_than_it_reaches() {
        let mut block = vec![0; 4_096];
        let count = |block: &[u8]| frames_of(block, &mut |_| ());
        assert_eq!(count(&block), 0);
        block[FRAMES..FRAMES + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
        block[FIRST..FIRST + 4].copy_from_slice(&5_000_u32.to_ne_bytes());
        assert_eq!(count(&block), 0);
        block[FIRST..FIRST + 4].copy_from_slice(&48_u32.to_ne_bytes());
        // The next frame is at an offset of 0 for ever: so the count is met,
        // and no more than the count.
        block[FRAMES..FRAMES + 4].copy_from_slice(&7_u32.to_ne_bytes());
        assert_eq!(count(&block), 7);
        let length = 48 + offset_of!(libc::tpacket3_hdr, tp_snaplen);
        block[length..length + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(count(&block), 0);
    }
}
