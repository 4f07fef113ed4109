//! A plain UDP socket: no privilege needed.
//!
//! The kernel builds the headers, so a frame size means the payload that makes
//! an untagged Ethernet frame of that size. The socket is connected, so it
//! hears of its target alone, and of ports that nobody listens to.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    ops::Range,
    os::fd::AsFd,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Arrival, Receive, TimeSource, Transmit};
use crate::{
    burst::Burst,
    clock::{DayToMonotonic, now_ns},
    error::Error,
    sys::{
        message::{self, Inbox},
        option,
    },
};

/// Octets that the kernel may keep for us while we are busy, if the system's
/// limit allows.
const RECEIVE_BUFFER_OCTETS: libc::c_int = 8 << 20;

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

fn set_options(socket: &UdpSocket, target: SocketAddr, marks: Marks) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let traffic_class = libc::c_int::from(marks.dscp << 2);
    let hop_limit = libc::c_int::from(marks.hop_limit);
    if target.is_ipv4() {
        option::set(socket, libc::IPPROTO_IP, libc::IP_TOS, traffic_class)?;
        option::set(socket, libc::IPPROTO_IP, libc::IP_TTL, hop_limit)?;
        let never_fragment = libc::IP_PMTUDISC_DO;
        option::set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, never_fragment)?;
    } else {
        option::set(socket, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, traffic_class)?;
        option::set(socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, hop_limit)?;
        let never_fragment = libc::IPV6_PMTUDISC_DO;
        option::set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, never_fragment)?;
    }
    option::set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    // As much as the system gives: beyond its limit takes a privilege.
    let forced = libc::SO_RCVBUFFORCE;
    if option::set(socket, libc::SOL_SOCKET, forced, RECEIVE_BUFFER_OCTETS).is_err() {
        option::set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER_OCTETS)?;
    }
    Ok(())
}

/// Octets of an IP packet on the way to the target, as far as the kernel
/// knows.
#[must_use]
pub fn mtu_octets(socket: &UdpSocket) -> Option<usize> {
    let (level, name) = match socket.peer_addr().ok()? {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    let mtu: libc::c_int = option::get(socket, level, name, 0).ok()?;
    usize::try_from(mtu).ok()
}

/// The sending side.
#[derive(Debug)]
pub struct UdpTransmit<'socket>(pub &'socket UdpSocket);

impl Transmit for UdpTransmit<'_> {
    fn transmit(&mut self, burst: &Burst, slots: Range<usize>) -> io::Result<usize> {
        send_or_refuse(self.0, burst, slots)
    }
}

/// Sends, and takes what the kernel refuses for now as nothing sent.
pub(super) fn send_or_refuse(
    socket: impl AsFd,
    burst: &Burst,
    slots: Range<usize>,
) -> io::Result<usize> {
    match message::send(socket, burst.slots(slots), burst.slot_octets()) {
        Err(error) if is_for_now(&error) => Ok(0),
        result => result,
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
        || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// The receiving side.
#[derive(Debug)]
pub struct UdpReceive<'socket> {
    socket: &'socket UdpSocket,
    inbox: Inbox,
    is_stamped: bool,
}

impl<'socket> UdpReceive<'socket> {
    /// Makes room for payloads up to this length; of longer ones only the
    /// length is learnt.
    #[must_use]
    pub fn new(socket: &'socket UdpSocket, payload_octets: usize) -> Self {
        Self { socket, inbox: Inbox::new(payload_octets), is_stamped: true }
    }
}

impl Receive for UdpReceive<'_> {
    fn receive(&mut self, wait_ms: u16, sink: &mut impl FnMut(Arrival<'_>)) -> io::Result<usize> {
        let received = match self.inbox.receive(self.socket) {
            Err(error) if is_for_now(&error) => {
                if wait_ms == 0 || !wait_readable(self.socket, wait_ms)? {
                    return Ok(0);
                }
                match self.inbox.receive(self.socket) {
                    Err(error) if is_for_now(&error) => return Ok(0),
                    result => result?,
                }
            }
            result => result?,
        };
        let now = now_ns();
        let day = DayToMonotonic::read_now();
        for message in (0..received).filter_map(|index| self.inbox.message(index)) {
            self.is_stamped &= message.time.is_some();
            sink(Arrival {
                octets: message.octets,
                whole_octets: message.whole_octets,
                time_ns: message.time.map_or(now, |(s, ns)| day.convert(s, ns)),
                outer_tag: None,
                is_checksum_unfinished: false,
            });
        }
        Ok(received)
    }

    fn overflows(&mut self) -> Option<u64> {
        const SK_MEMINFO_DROPS: usize = 8;
        let memory: [u32; SK_MEMINFO_DROPS + 1] =
            option::get(self.socket, libc::SOL_SOCKET, libc::SO_MEMINFO, [0; 9]).ok()?;
        Some(memory[SK_MEMINFO_DROPS].into())
    }

    fn time_source(&self) -> TimeSource {
        if self.is_stamped { TimeSource::Kernel } else { TimeSource::User }
    }
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
