//! Packet sockets (packet(7)).
#![expect(unsafe_code, reason = "sockets and binds of a link address")]

use std::{
    ffi::c_int,
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

/// Opens a packet socket that receives nothing until it is bound to a
/// protocol.
pub(crate) fn packet_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// Binds a packet socket to an interface; `protocol` 0 to send only.
pub(crate) fn bind(socket: impl AsFd, index: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: the type is integers, for which zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = c_int::try_from(index).map_err(io::Error::other)?;
    let octets = size_of::<libc::sockaddr_ll>();
    let octets = libc::socklen_t::try_from(octets).map_err(io::Error::other)?;
    // SAFETY: the pointer is to `octets` octets of a live address.
    let result =
        unsafe { libc::bind(socket.as_fd().as_raw_fd(), (&raw const address).cast(), octets) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
