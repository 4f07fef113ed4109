//! Sockets that say where a datagram was sent to.

use std::{
    ffi::c_int,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::{Errno, FdFlags, fcntl_setfd},
    net::{AddressFamily, SocketType, bind, ipproto, socket, sockopt},
};

use crate::{error::OpenError, sys};

/// One bound socket.
pub(crate) struct Socket {
    fd: OwnedFd,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Octets the kernel granted for datagrams that wait.
    pub(crate) receive_buffer_octets: usize,
    /// The kernel's count at the last look; see [`Self::take_dropped`].
    dropped: u32,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    /// Binds a socket and asks for buffers of this size.
    pub(crate) fn open(address: SocketAddr, buffer_octets: usize) -> Result<Self, OpenError> {
        let unusable = |error: io::Error| OpenError::Socket { address, error };
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let fd = socket(family, SocketType::DGRAM, Some(ipproto::UDP))
            .map_err(|error| unusable(error.into()))?;
        fcntl_setfd(&fd, FdFlags::CLOEXEC).map_err(|error| unusable(error.into()))?;
        if address.is_ipv6() {
            // IPv4 has a socket of its own.
            sockopt::set_ipv6_v6only(&fd, true).map_err(|error| unusable(error.into()))?;
        }
        let (level, option) = match address {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        };
        sys::enable(fd.as_fd(), level, option as c_int).map_err(unusable)?;
        // Answers leave with the hop limit less by one: a loop between two
        // reflectors ends. Elsewhere the core answers clients' ports alone.
        #[cfg(target_os = "linux")]
        {
            let option = match address {
                SocketAddr::V4(_) => libc::IP_RECVTTL,
                SocketAddr::V6(_) => libc::IPV6_RECVHOPLIMIT,
            };
            sys::enable(fd.as_fd(), level, option).map_err(unusable)?;
        }
        let receive_buffer_octets = grow_receive_buffer(&fd, buffer_octets);
        grow_send_buffer(&fd, buffer_octets);
        bind(&fd, &address).map_err(|error| OpenError::Bind { address, error: error.into() })?;
        Ok(Self { fd, address, receive_buffer_octets, dropped: 0 })
    }

    /// Takes no datagram that comes from now on: its sender is told that nobody
    /// listens. What waits can still be received and answered.
    ///
    /// The socket is connected to itself, so that it is nobody else's. Only Linux
    /// sends answers from a connected socket to others (`udp(7)`); elsewhere
    /// datagrams come until it is closed.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(clippy::unused_self, reason = "only Linux refuses")
    )]
    pub(crate) fn refuse_more(&self) {
        #[cfg(target_os = "linux")]
        {
            let mut own = self.address;
            match own {
                SocketAddr::V4(_) if own.ip().is_unspecified() => {
                    own.set_ip(Ipv4Addr::LOCALHOST.into());
                }
                SocketAddr::V6(_) if own.ip().is_unspecified() => {
                    own.set_ip(Ipv6Addr::LOCALHOST.into());
                }
                _ => {}
            }
            // Refused where the address is gone, and nothing comes there either.
            let _ = rustix::net::connect(&self.fd, &own);
        }
    }

    /// Datagrams dropped since the last call, because they did not fit the
    /// receive buffer. Always 0 where the system does not say.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        let Some(dropped) = sys::dropped_datagrams(self.fd.as_fd()) else { return 0 };
        let since = dropped.wrapping_sub(self.dropped);
        self.dropped = dropped;
        since.into()
    }
}

/// Binds a socket to each address; to all addresses of the host, both IP
/// versions, if none is given. Says with each left-out version why, and what the
/// receive buffers became if that is less than was asked for.
pub(crate) fn open_all(
    addresses: &[IpAddr],
    port: u16,
    buffer_octets: usize,
    notice: fn(&str),
) -> Result<Vec<Socket>, OpenError> {
    let sockets = bind_all(addresses, port, buffer_octets, notice)?;
    let granted = sockets.iter().map(|socket| socket.receive_buffer_octets).min();
    if let Some(granted) = granted.filter(|granted| *granted < buffer_octets) {
        let option =
            if cfg!(target_os = "linux") { "net.core.rmem_max" } else { "kern.ipc.maxsockbuf" };
        notice(&format!(
            "receive buffer: asked for {buffer_octets} octets, given {granted}; \
             if bursts overflow it, raise it with sysctl {option}"
        ));
    }
    Ok(sockets)
}

fn bind_all(
    addresses: &[IpAddr],
    port: u16,
    buffer_octets: usize,
    notice: fn(&str),
) -> Result<Vec<Socket>, OpenError> {
    if !addresses.is_empty() {
        return addresses
            .iter()
            .map(|address| Socket::open(SocketAddr::new(*address, port), buffer_octets))
            .collect();
    }
    let mut sockets = Vec::new();
    for wildcard in [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)] {
        match Socket::open(SocketAddr::new(wildcard, port), buffer_octets) {
            Ok(socket) => sockets.push(socket),
            Err(OpenError::Socket { error, .. } | OpenError::Bind { error, .. })
                if is_absent(&error) =>
            {
                let version = if wildcard.is_ipv6() { "IPv6" } else { "IPv4" };
                notice(&format!("{version} is not answered: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    if sockets.is_empty() { Err(OpenError::NoIp) } else { Ok(sockets) }
}

/// Whether the host lacks an IP version as a whole.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

/// Asks for a receive buffer; says how large it became.
fn grow_receive_buffer(fd: &OwnedFd, octets: usize) -> usize {
    // Beyond the system's limit, for those who may.
    #[cfg(target_os = "linux")]
    let is_forced = sockopt::set_socket_recv_buffer_size_force(fd, octets).is_ok();
    #[cfg(not(target_os = "linux"))]
    let is_forced = false;
    let mut asked_octets = octets;
    // Linux cuts what is too much, Darwin refuses it.
    while !is_forced
        && asked_octets > 0
        && sockopt::set_socket_recv_buffer_size(fd, asked_octets).is_err()
    {
        asked_octets /= 2;
    }
    let granted_octets = sockopt::socket_recv_buffer_size(fd).unwrap_or(0);
    // Linux doubles what was asked for, for its own bookkeeping (socket(7)).
    if cfg!(target_os = "linux") { granted_octets / 2 } else { granted_octets }
}

/// Asks for a send buffer. A burst that does not fit waits, so a smaller one
/// costs time only.
fn grow_send_buffer(fd: &OwnedFd, octets: usize) {
    let mut asked_octets = octets;
    while asked_octets > 0 && sockopt::set_socket_send_buffer_size(fd, asked_octets).is_err() {
        asked_octets /= 2;
    }
}
