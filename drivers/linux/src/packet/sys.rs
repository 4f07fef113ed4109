//! System calls of packet sockets, and the memory of their ring.
#![expect(unsafe_code, reason = "no safe crate has packet sockets with rings")]

use std::{
    ffi::{c_int, c_void},
    io, mem,
    os::fd::{AsFd, AsRawFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::{
    io::Errno,
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

use super::RingLayout;

/// The family of packet sockets, as an address has it.
const FAMILY: libc::sa_family_t = 17;
const _: () = assert!(FAMILY as c_int == libc::AF_PACKET);

/// Where a block's status stands in it.
const STATUS_OFFSET: usize = mem::offset_of!(libc::tpacket_block_desc, hdr)
    + mem::offset_of!(libc::tpacket_hdr_v1, block_status);

/// Values of socket options.
///
/// # Safety
///
/// Plain integers, without padding, every bit pattern a value.
pub unsafe trait OptionValue: Copy {}

// SAFETY: an integer.
unsafe impl OptionValue for c_int {}
// SAFETY: seven integers.
unsafe impl OptionValue for libc::tpacket_req3 {}
// SAFETY: three integers.
unsafe impl OptionValue for libc::tpacket_stats_v3 {}
// SAFETY: integers of 4, 2 and 2 octets, and 8 octets.
unsafe impl OptionValue for libc::packet_mreq {}

/// Sets an option of the packet level (packet(7)).
///
/// # Errors
///
/// What the kernel says.
pub fn set_option<T: OptionValue>(socket: impl AsFd, option: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value outlives the call, and its size is given.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            option,
            ptr::from_ref(value).cast(),
            socket_octets::<T>(),
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Frames dropped because the ring was full, since the last call.
///
/// # Errors
///
/// What the kernel says.
pub fn take_ring_drops(socket: impl AsFd) -> io::Result<u32> {
    let mut value = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    let mut octets = socket_octets::<libc::tpacket_stats_v3>();
    // SAFETY: the kernel writes at most `octets` octets into the value; both
    // outlive the call.
    let status = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut value).cast(),
            &raw mut octets,
        )
    };
    if status == 0 { Ok(value.tp_drops) } else { Err(io::Error::last_os_error()) }
}

/// Binds a packet socket to an interface. It receives what has this `EtherType`;
/// nothing, if that is 0.
///
/// # Errors
///
/// What the kernel says.
pub fn bind(socket: impl AsFd, interface_index: u32, ether_type: u16) -> io::Result<()> {
    let sll_ifindex =
        c_int::try_from(interface_index).map_err(|_| io::Error::from(Errno::NODEV))?;
    let address = libc::sockaddr_ll {
        sll_family: FAMILY,
        sll_protocol: ether_type.to_be(),
        sll_ifindex,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the address outlives the call, and its size is given.
    let status = unsafe {
        libc::bind(
            socket.as_fd().as_raw_fd(),
            (&raw const address).cast(),
            socket_octets::<libc::sockaddr_ll>(),
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The size of a value, as the kernel wants to be told. All of ours are small.
fn socket_octets<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}

/// The memory of a receive ring: blocks that the kernel and we own in turn.
#[derive(Debug)]
pub struct RingMemory {
    base: NonNull<c_void>,
    block_octets: usize,
    /// Which blocks are ours.
    claimed: Vec<bool>,
}

// SAFETY: the memory belongs to the process, not to a thread, and only
// `&mut self` reaches it.
unsafe impl Send for RingMemory {}

impl RingMemory {
    /// Gives a packet socket a ring of this layout and maps it. Do this before
    /// binding, or frames of every interface come first.
    ///
    /// Both in one, because the memory is borrowed on the word of the layout: the
    /// kernel takes no ring for a socket whose ring is mapped, so no socket's memory
    /// is mapped twice, or by another layout than its own.
    ///
    /// # Errors
    ///
    /// What the kernel says: among others that the socket has a ring already.
    pub fn new(socket: impl AsFd, layout: &RingLayout) -> io::Result<Self> {
        layout.set(&socket)?;
        let RingLayout { block_octets, blocks, .. } = *layout;
        let octets = block_octets.checked_mul(blocks).ok_or(Errno::NOMEM)?;
        if block_octets < size_of::<libc::tpacket_block_desc>() {
            return Err(Errno::INVAL.into());
        }
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping, at an address of the kernel's choice, touches
        // no memory of ours.
        let base = unsafe { mmap(ptr::null_mut(), octets, protection, flags, socket, 0) }?;
        let base = NonNull::new(base).ok_or(Errno::NOMEM)?;
        Ok(Self { base, block_octets, claimed: vec![false; blocks] })
    }

    /// Blocks of the ring.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.claimed.len()
    }

    /// Octets of each block.
    #[must_use]
    pub const fn block_octets(&self) -> usize {
        self.block_octets
    }

    /// Takes a block if the kernel has filled it; says whether it is ours now.
    pub fn claim(&mut self, index: usize) -> bool {
        let Some(status) = self.status(index) else { return false };
        // Acquire: pairs with the kernel's write barrier before it sets the
        // status; the frames are read after it.
        let is_filled = status.load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        match self.claimed.get_mut(index) {
            Some(is_claimed) if is_filled && !*is_claimed => *is_claimed = true,
            _ => return false,
        }
        true
    }

    /// All octets of a block that is ours, its descriptor too.
    #[inline]
    pub fn octets_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        if !*self.claimed.get(index)? {
            return None;
        }
        let start = self.start(index)?.cast::<u8>();
        // SAFETY: the block lies in the mapping, which lives as long as `self`.
        // The kernel writes nothing in a block that is ours, which it is until
        // `give_back`; and `self` is borrowed for as long as the octets are.
        Some(unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), self.block_octets) })
    }

    /// Hands a block to the kernel, to be filled again.
    pub fn give_back(&mut self, index: usize) {
        let Some(is_claimed) = self.claimed.get_mut(index) else { return };
        if std::mem::take(is_claimed)
            && let Some(status) = self.status(index)
        {
            // Release: all reads and writes of the frames come before the
            // kernel may fill the block again.
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        }
    }

    fn start(&self, index: usize) -> Option<NonNull<c_void>> {
        if index >= self.claimed.len() {
            return None;
        }
        // SAFETY: the index was just compared, so the block lies in the mapping.
        Some(unsafe { self.base.byte_add(index * self.block_octets) })
    }

    fn status(&self, index: usize) -> Option<&AtomicU32> {
        let start = self.start(index)?;
        // SAFETY: a block is at least as long as its descriptor, of which the
        // status is a part.
        let status = unsafe { start.byte_add(STATUS_OFFSET) }.cast::<u32>();
        // SAFETY: blocks start at pages, so the status is aligned; it lives as
        // long as the mapping, and is never written but atomically while others
        // may look.
        Some(unsafe { AtomicU32::from_ptr(status.as_ptr()) })
    }
}

impl Drop for RingMemory {
    fn drop(&mut self) {
        let octets = self.block_octets * self.claimed.len();
        // SAFETY: no octets are borrowed, because they borrow the map; base and
        // length are those of the mapping.
        let unmapped = unsafe { munmap(self.base.as_ptr(), octets) };
        debug_assert!(unmapped.is_ok());
    }
}
