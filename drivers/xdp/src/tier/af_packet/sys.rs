//! Packet sockets and their memory-mapped ring.
#![expect(unsafe_code, reason = "no safe crate has packet sockets with rings")]

use std::{
    ffi::{c_int, c_uint, c_void},
    io, mem,
    ops::Range,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::{
    io::Errno,
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

/// Frames sent by one system call.
///
/// A call costs about as much as a few frames do inside the kernel; spread
/// over 64 it hardly counts.
pub(super) const BURST_FRAMES: usize = 64;

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
pub(super) unsafe trait OptionValue: Copy {}

// SAFETY: an integer.
unsafe impl OptionValue for c_int {}
// SAFETY: seven integers.
unsafe impl OptionValue for libc::tpacket_req3 {}
// SAFETY: three integers.
unsafe impl OptionValue for libc::tpacket_stats_v3 {}
// SAFETY: integers of 4, 2 and 2 octets, and 8 octets.
unsafe impl OptionValue for libc::packet_mreq {}

/// Sets an option of the packet level (packet(7)).
pub(super) fn set_option<T: OptionValue>(
    socket: BorrowedFd<'_>,
    option: c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the value outlives the call, and its size is given.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            ptr::from_ref(value).cast(),
            socket_octets::<T>(),
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Frames dropped because the ring was full, since the last call.
pub(super) fn take_ring_drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut value = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    let mut octets = socket_octets::<libc::tpacket_stats_v3>();
    // SAFETY: the kernel writes at most `octets` octets into the value; both
    // outlive the call.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
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
pub(super) fn bind(
    socket: BorrowedFd<'_>,
    interface_index: u32,
    ether_type: u16,
) -> io::Result<()> {
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
            socket.as_raw_fd(),
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

/// Flags of an interface (netdevice(7)), `IFF_UP` and so on.
pub(super) fn interface_flags(socket: BorrowedFd<'_>, name: &str) -> io::Result<c_int> {
    // SAFETY: octets and a union of plain values, for all of which zero is one.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The last octet stays 0 and ends the name.
    let room = request.ifr_name.split_last_mut().map_or(&mut [][..], |(_, room)| room);
    if name.len() > room.len() {
        return Err(Errno::NODEV.into());
    }
    for (to, from) in room.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    // SAFETY: the request names an interface, ends with a 0, and outlives the
    // call, which writes the flags into it.
    let status =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel wrote the flags; before, they were zero.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(flags.into())
}

/// The memory of a receive ring: blocks that the kernel and we own in turn.
pub(super) struct Map {
    base: NonNull<c_void>,
    block_octets: usize,
    /// Which blocks are ours.
    claimed: Vec<bool>,
}

// SAFETY: the memory belongs to the process, not to a thread, and only
// `&mut self` reaches it.
unsafe impl Send for Map {}

impl Map {
    /// Maps the ring that the socket was given before.
    pub(super) fn new(
        socket: BorrowedFd<'_>,
        block_octets: usize,
        blocks: usize,
    ) -> io::Result<Self> {
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

    pub(super) fn blocks(&self) -> usize {
        self.claimed.len()
    }

    pub(super) fn block_octets(&self) -> usize {
        self.block_octets
    }

    /// Takes a block if the kernel has filled it; says whether it is ours now.
    pub(super) fn claim(&mut self, index: usize) -> bool {
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
    pub(super) fn octets_mut(&mut self, index: usize) -> Option<&mut [u8]> {
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
    pub(super) fn give_back(&mut self, index: usize) {
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

impl Drop for Map {
    fn drop(&mut self) {
        let octets = self.block_octets * self.claimed.len();
        // SAFETY: no octets are borrowed, because they borrow the map; base and
        // length are those of the mapping.
        let unmapped = unsafe { munmap(self.base.as_ptr(), octets) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Sends frames that are parts of `octets`, in order, until one is refused;
/// says how many went, at most [`BURST_FRAMES`]. An error is about the first
/// one.
pub(super) fn send(socket: &OwnedFd, octets: &[u8], frames: &[Range<usize>]) -> io::Result<usize> {
    const EMPTY_PART: libc::iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
    const EMPTY: libc::mmsghdr = {
        // SAFETY: integers and pointers, for all of which zero is a value.
        unsafe { mem::zeroed() }
    };
    let mut parts = [EMPTY_PART; BURST_FRAMES];
    let mut messages = [EMPTY; BURST_FRAMES];
    let mut count: c_uint = 0;
    for ((message, part), frame) in messages.iter_mut().zip(&mut parts).zip(frames) {
        let Some(frame) = octets.get(frame.clone()) else { break };
        *part = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: `count` messages point at one part each, which lies in `octets`;
    // the kernel only reads there. All of it outlives the call.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_fd().as_raw_fd(),
            messages.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
