//! Options of AF_XDP sockets that no crate names.
#![expect(unsafe_code, reason = "no safe crate sets these options")]

use std::{
    ffi::c_int,
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

/// Options of `asm-generic/socket.h` and `linux/if_xdp.h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SocketOption {
    /// `SO_PREFER_BUSY_POLL`: interrupts stay off while somebody polls (Linux
    /// 5.11).
    PreferBusyPoll,
    /// `SO_BUSY_POLL`: microseconds to look for frames.
    BusyPoll,
    /// `SO_BUSY_POLL_BUDGET`: frames that one look takes at most (Linux 5.11).
    BusyPollBudget,
    /// `XDP_MAX_TX_SKB_BUDGET`: descriptors that one kick sends at most in
    /// copy mode (Linux 6.17; 32 before).
    TransmitBudget,
}

impl SocketOption {
    const fn level_and_name(self) -> (c_int, c_int) {
        match self {
            Self::PreferBusyPoll => (libc::SOL_SOCKET, 69),
            Self::BusyPoll => (libc::SOL_SOCKET, libc::SO_BUSY_POLL),
            Self::BusyPollBudget => (libc::SOL_SOCKET, 70),
            Self::TransmitBudget => (libc::SOL_XDP, 9),
        }
    }
}

/// Sets one.
pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    option: SocketOption,
    value: c_int,
) -> io::Result<()> {
    let (level, name) = option.level_and_name();
    let octets = libc::socklen_t::try_from(size_of::<c_int>()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the value outlives the call, and its size is given.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), octets)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
