//! Linux: bursts with one system call, stamps by the kernel.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, UdpSocket},
    ops::Range,
    os::fd::AsFd,
};

use super::{Marks, wait_readable};
use crate::{
    burst::Burst,
    clock::{DayToMonotonic, now_ns},
    path::{Arrival, Receive, TimeSource, Transmit},
    sys::{
        message::{self, Inbox},
        option,
    },
};

/// Octets that the kernel may keep for us while we are busy, if the system's
/// limit allows.
const RECEIVE_BUFFER_OCTETS: libc::c_int = 8 << 20;

pub(super) fn set_options(socket: &UdpSocket, target: SocketAddr, marks: Marks) -> io::Result<()> {
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
pub(in crate::path) fn send_or_refuse(
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
