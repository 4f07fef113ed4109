//! The ioctl of ethtool.
#![expect(unsafe_code, reason = "no safe crate has this ioctl")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use super::{CHANNELS_WORDS, DRIVER_WORDS, NAMES_WORDS, STATISTICS_WORDS};

/// `SIOCETHTOOL` with a structure of words, of which the first is the command;
/// `struct ifreq` of netdevice(7) holds the name and a pointer to it.
pub(super) fn ioctl(socket: BorrowedFd<'_>, interface: &str, data: &mut [u32]) -> io::Result<()> {
    // Room for what each command fills: no driver has as many statistics as the longest
    // two hold.
    const ROOMS: [usize; 5] = [2, CHANNELS_WORDS, DRIVER_WORDS, NAMES_WORDS, STATISTICS_WORDS];
    assert!(ROOMS.contains(&data.len()), "{} words", data.len());
    // SAFETY: all zero is a value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (slot, octet) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *slot = libc::c_char::from_ne_bytes([octet]);
    }
    request.ifr_ifru.ifru_data = data.as_mut_ptr().cast();
    // SAFETY: the request is live and holds a terminated name and a pointer
    // to `data`, live and exclusive, of the size that its command fills.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
