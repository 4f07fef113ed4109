//! A plain UDP socket: no privilege needed.
//!
//! The kernel builds the headers, so a frame size means the payload that makes
//! an untagged Ethernet frame of that size. The socket is connected, so it
//! hears of its target alone, and of ports that nobody listens to.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsFd,
};

#[cfg(target_os = "linux")]
pub(super) use linux::send_or_refuse;
#[cfg(target_os = "linux")]
use linux::set_options;
#[cfg(target_os = "linux")]
pub use linux::{UdpReceive, UdpTransmit, mtu_octets};
#[cfg(not(target_os = "linux"))]
use portable::set_options;
#[cfg(not(target_os = "linux"))]
pub use portable::{UdpReceive, UdpTransmit, mtu_octets};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::Error;

/// What marks the packets of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marks {
    /// 0 for one that is free.
    pub source_port: u16,
    /// Differentiated services code point.
    pub dscp: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
}

/// Opens a socket that is connected to its target.
///
/// # Errors
///
/// [`Error::Run`] if there is no way to the target, or the port is taken.
pub fn open(target: SocketAddr, marks: Marks) -> Result<UdpSocket, Error> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let port = marks.source_port;
    let socket = UdpSocket::bind((any, port)).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            Error::run(format!("UDP port {port} is in use here: give another --source-port"))
        }
        ErrorKind::PermissionDenied => Error::run(format!(
            "no permission to use UDP port {port}: give a --source-port of 1024 or more"
        )),
        _ => Error::run(format!("cannot open a UDP socket: {error}")),
    })?;
    set_options(&socket, target, marks)
        .map_err(|error| Error::run(format!("cannot set up the UDP socket: {error}")))?;
    socket.connect(target).map_err(|error| {
        Error::run(format!("no way to {}: {error}; check address and routes", target.ip()))
    })?;
    Ok(socket)
}

/// Waits until there is something to read; `false` when the time is over.
pub(super) fn wait_readable(socket: impl AsFd, wait_ms: u16) -> io::Result<bool> {
    let socket = socket.as_fd();
    let mut sockets = [PollFd::new(&socket, PollFlags::IN)];
    let wait = Timespec {
        tv_sec: i64::from(wait_ms) / 1_000,
        tv_nsec: i64::from(wait_ms) % 1_000 * 1_000_000,
    };
    match poll(&mut sockets, Some(&wait)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
