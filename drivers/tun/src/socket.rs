//! The UDP socket: trains of datagrams, with a fallback where the kernel has
//! none.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    name::Name,
    sys::{self, ARRIVALS_MAX, Arrival, Message},
};

/// Datagrams in one message: the kernel's `UDP_MAX_SEGMENTS` until 6.9.
pub(crate) const TRAIN_FRAMES_MAX: usize = 64;
/// Octets of one message: the longest IPv4 packet less its headers.
pub(crate) const TRAIN_OCTETS_MAX: usize = 65_507;
/// Octets of a slot that a message is received into: no datagram is longer.
pub(crate) const SLOT_OCTETS: usize = 1 << 16;

/// Octets of socket buffers that are asked for.
const BUFFER_OCTETS: i32 = 4 << 20;
/// `IP_PMTUDISC_PROBE`: never fragment, and never believe ICMP.
const DISCOVER_PROBE: i32 = 3;

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    udp: UdpSocket,
    is_v6: bool,
    has_trains: AtomicBool,
}

impl Socket {
    /// Binds a socket: to this address, or to all of both IP versions.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub(crate) fn bind(ip: Option<IpAddr>, port: u16, wants_trains: bool) -> io::Result<Self> {
        let socket = match ip {
            Some(ip) => UdpSocket::bind((ip, port))?,
            // A host without IPv6 has the other.
            None => match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)) {
                Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?
                }
                bound => bound?,
            },
        };
        let is_v6 = socket.local_addr()?.is_ipv6();
        let fd = socket.as_fd();
        for (force, plain) in
            [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
        {
            if sys::set_option(fd, libc::SOL_SOCKET, force, BUFFER_OCTETS).is_err() {
                // As much as the host allows.
                sys::set_option(fd, libc::SOL_SOCKET, plain, BUFFER_OCTETS)?;
            }
        }
        if is_v6 {
            let level = libc::IPPROTO_IPV6;
            sys::set_option(fd, level, libc::IPV6_MTU_DISCOVER, DISCOVER_PROBE)?;
        }
        sys::set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, DISCOVER_PROBE)?;
        // Without these it works, more slowly, and losses have no number.
        let _ = sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
        if wants_trains {
            let _ = sys::set_option(fd, libc::SOL_UDP, libc::UDP_GRO, 1);
        }
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self { udp: socket, is_v6, has_trains: AtomicBool::new(wants_trains) })
    }

    /// The address that it is bound to.
    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// The name of an address for this socket.
    pub(crate) fn name_of(&self, address: SocketAddr) -> Name {
        Name::new(address, self.is_v6)
    }

    /// Whether messages may have several datagrams.
    pub(crate) fn has_trains(&self) -> bool {
        self.has_trains.load(Ordering::Relaxed)
    }

    /// Sends each datagram by itself from now on.
    pub(crate) fn give_up_trains(&self) {
        self.has_trains.store(false, Ordering::Relaxed);
    }

    /// Sends messages; gives how many of the first were taken.
    pub(crate) fn send(&self, to: &Name, messages: &[Message<'_>]) -> io::Result<usize> {
        sys::send(self.udp.as_fd(), to, messages)
    }

    /// Sends one datagram.
    pub(crate) fn send_one(&self, to: SocketAddr, octets: &[u8]) -> io::Result<()> {
        let parts = [io::IoSlice::new(octets)];
        let message = Message { parts: &parts, segment_octets: None };
        self.send(&self.name_of(to), &[message]).map(drop)
    }

    /// Waits up to 100 ms for datagrams; gives how many messages came.
    pub(crate) fn receive(
        &self,
        room: &mut [u8],
        arrivals: &mut [Arrival; ARRIVALS_MAX],
    ) -> io::Result<usize> {
        match sys::receive(self.udp.as_fd(), room, SLOT_OCTETS, arrivals) {
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EAGAIN | libc::EINTR | libc::ECONNREFUSED)
                ) =>
            {
                Ok(0)
            }
            received => received,
        }
    }
}
