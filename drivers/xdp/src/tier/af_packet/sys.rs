//! Sending, and what the kernel says of an interface.
#![expect(unsafe_code, reason = "no safe crate has these calls")]

use std::{
    ffi::{c_int, c_uint},
    io, mem,
    ops::Range,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr,
};

use rustix::io::Errno;

/// Frames sent by one system call.
///
/// A call costs about as much as a few frames do inside the kernel; spread
/// over 64 it hardly counts.
pub(super) const BURST_FRAMES: usize = 64;

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
