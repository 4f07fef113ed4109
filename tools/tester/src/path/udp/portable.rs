//! Any other Unix: one datagram for each system call, stamped when it is read.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, UdpSocket},
    ops::Range,
};

use rustix::net::sockopt;

use super::{Marks, wait_readable};
use crate::{
    burst::Burst,
    clock::now_ns,
    path::{Arrival, Receive, TimeSource, Transmit},
};

/// Octets that the kernel is asked to keep for us while we are busy; more than
/// this few systems grant.
const RECEIVE_BUFFER_OCTETS: usize = 4 << 20;

/// Datagrams that are read before anything else is looked at.
const DATAGRAMS_MAX: usize = 64;

pub(super) fn set_options(socket: &UdpSocket, target: SocketAddr, marks: Marks) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if target.is_ipv4() {
        sockopt::set_ip_tos(socket, marks.dscp << 2)?;
        sockopt::set_ip_ttl(socket, marks.hop_limit.into())?;
    } else {
        sockopt::set_ipv6_unicast_hops(socket, Some(marks.hop_limit))?;
        sockopt::set_ipv6_tclass(socket, u32::from(marks.dscp << 2))?;
    }
    // What the system does not grant is done without: overflows are not known
    // here either way.
    let _ = sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER_OCTETS);
    Ok(())
}

/// Octets of an IP packet on the way to the target: not known here.
#[must_use]
pub fn mtu_octets(_socket: &UdpSocket) -> Option<usize> {
    None
}

/// The sending side.
#[derive(Debug)]
pub struct UdpTransmit<'socket>(pub &'socket UdpSocket);

impl Transmit for UdpTransmit<'_> {
    fn transmit(&mut self, burst: &Burst, slots: Range<usize>) -> io::Result<usize> {
        for (sent, slot) in slots.clone().enumerate() {
            match self.0.send(burst.slots(slot..slot + 1)) {
                Ok(_) => {}
                Err(error) if is_for_now(&error) => return Ok(sent),
                Err(error) if sent == 0 => return Err(error),
                // Told again by the next call, which begins with this slot.
                Err(_) => return Ok(sent),
            }
        }
        Ok(slots.len())
    }
}

fn is_for_now(error: &io::Error) -> bool {
    let no_buffers = rustix::io::Errno::NOBUFS.raw_os_error();
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
        || error.raw_os_error() == Some(no_buffers)
}

/// The receiving side.
#[derive(Debug)]
pub struct UdpReceive<'socket> {
    socket: &'socket UdpSocket,
    room: Vec<u8>,
}

impl<'socket> UdpReceive<'socket> {
    /// Makes room for payloads up to this length, and one octet more, by
    /// which longer ones are known.
    #[must_use]
    pub fn new(socket: &'socket UdpSocket, payload_octets: usize) -> Self {
        Self { socket, room: vec![0; payload_octets + 1] }
    }
}

impl Receive for UdpReceive<'_> {
    fn receive(&mut self, wait_ms: u16, sink: &mut impl FnMut(Arrival<'_>)) -> io::Result<usize> {
        if wait_ms > 0 && !wait_readable(self.socket, wait_ms)? {
            return Ok(0);
        }
        for received in 0..DATAGRAMS_MAX {
            let octets = match self.socket.recv(&mut self.room) {
                Err(error) if is_for_now(&error) => return Ok(received),
                result => result?,
            };
            sink(Arrival {
                octets: self.room.get(..octets).unwrap_or(&[]),
                whole_octets: octets,
                time_ns: now_ns(),
                outer_tag: None,
                is_checksum_unfinished: false,
            });
        }
        Ok(DATAGRAMS_MAX)
    }

    fn overflows(&mut self) -> Option<u64> {
        None
    }

    fn time_source(&self) -> TimeSource {
        TimeSource::User
    }
}
