//! Raw frames on one interface: everything from the MAC address up is ours.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, UdpSocket},
    ops::Range,
    os::fd::OwnedFd,
};

use farend_core::{MacAddress, frame::wire::ethernet::EtherType, measure::probe::Tag};
use farend_linux::{Rtnetlink, packet};

use super::{
    Arrival, Receive, TimeSource, Transmit,
    ring::Ring,
    udp::{send_or_refuse, wait_readable},
};
use crate::{burst::Burst, clock::DayToMonotonic, error::Error, sys::option};

/// Octets that the kernel may hold of ours while the device is busy.
const SEND_BUFFER_OCTETS: libc::c_int = 4 << 20;

/// The interface that frames leave by and arrive on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    name: String,
    index: u32,
    mac: MacAddress,
    mtu_octets: usize,
    is_veth: bool,
}

impl Interface {
    /// Looks an interface up.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if there is none of this name, with a list of those
    /// that exist, if it is down, or if it is no Ethernet.
    pub fn find(name: &str) -> Result<Self, Error> {
        let found = Rtnetlink::open()
            .and_then(|mut rtnetlink| farend_linux::Interface::find(&mut rtnetlink, name));
        let link = found
            .map_err(|error| Error::run(format!("cannot ask about {name}: {error}")))?
            .map_err(|unknown| Error::usage(unknown.to_string()))?;
        // The loopback interface frames like Ethernet, with addresses of zeros.
        let loopback = link.is_loopback.then_some(MacAddress([0; 6]));
        let Some(mac) = link.mac.or(loopback) else {
            return Err(Error::usage(format!(
                "{name} carries no Ethernet frames: probe without --interface"
            )));
        };
        if !link.is_up {
            return Err(Error::usage(format!(
                "{name} is down: bring it up with `ip link set {name} up`"
            )));
        }
        Ok(Self {
            name: name.to_owned(),
            index: link.index,
            mac,
            mtu_octets: link.mtu_octets as usize,
            is_veth: link.is_kind("veth"),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own address.
    #[must_use]
    pub const fn mac(&self) -> MacAddress {
        self.mac
    }

    /// Octets of an IP packet.
    #[must_use]
    pub const fn mtu_octets(&self) -> usize {
        self.mtu_octets
    }

    /// Whether it is one end of a veth pair.
    #[must_use]
    pub fn is_veth(&self) -> bool {
        self.is_veth
    }

    /// The address that the kernel would send from, to this target by this
    /// interface.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it has none.
    pub fn source_address(&self, target: IpAddr) -> Result<IpAddr, Error> {
        let source = || -> io::Result<IpAddr> {
            let socket = any_socket_to(target)?;
            let name = self.name.as_str();
            option::set_text(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name)?;
            // Nothing is sent by connecting a UDP socket.
            socket.connect(scoped(target, self.index))?;
            Ok(socket.local_addr()?.ip())
        };
        let version = if target.is_ipv4() { "IPv4" } else { "IPv6" };
        source().ok().filter(|source| !source.is_unspecified()).ok_or_else(|| {
            Error::usage(format!(
                "{} has no {version} address on the way to {target}: give one with \
                 --source-address",
                self.name
            ))
        })
    }

    /// Opens both sides.
    ///
    /// # Errors
    ///
    /// [`Error::Run`] if the privilege is missing or the kernel refuses.
    pub fn open(&self) -> Result<(PacketTransmit, PacketReceive), Error> {
        let open = || -> io::Result<_> {
            Ok((PacketTransmit::open(self.index)?, PacketReceive::open(self)?))
        };
        open().map_err(|error| self.open_error(&error))
    }

    fn open_error(&self, error: &io::Error) -> Error {
        if error.kind() != ErrorKind::PermissionDenied {
            return Error::run(format!("cannot open a packet socket on {}: {error}", self.name));
        }
        let program = std::env::current_exe()
            .map_or_else(|_| String::from("farend-tester"), |path| path.display().to_string());
        Error::run(format!(
            "no permission for raw frames on {}: needs the capability CAP_NET_RAW; run as root, \
             or once `sudo setcap cap_net_raw+ep {program}`, or probe without --interface",
            self.name
        ))
    }
}

/// A socket to keep the host from answering what comes back, and to reserve
/// the port: without it the kernel would tell the reflector that nobody
/// listens. `None` where the address is not the host's own, because then it
/// does not answer.
#[must_use]
pub fn keep_port(source: SocketAddr, interface: &Interface) -> Option<UdpSocket> {
    let mut address = scoped(source.ip(), interface.index);
    address.set_port(source.port());
    let socket = UdpSocket::bind(address).ok()?;
    // Nobody reads it: what fills it is dropped in silence.
    let _ = option::set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 0);
    Some(socket)
}

/// The address with the scope that a link-local one needs.
fn scoped(address: IpAddr, index: u32) -> SocketAddr {
    match address {
        IpAddr::V4(address) => SocketAddr::from((address, 9)),
        IpAddr::V6(address) => {
            let scope = if address.is_unicast_link_local() { index } else { 0 };
            std::net::SocketAddrV6::new(address, 9, 0, scope).into()
        }
    }
}

fn any_socket_to(target: IpAddr) -> io::Result<UdpSocket> {
    match target {
        IpAddr::V4(_) => UdpSocket::bind(("0.0.0.0", 0)),
        IpAddr::V6(_) => UdpSocket::bind(("::", 0)),
    }
}

/// The sending side: past the queueing discipline, straight to the device.
#[derive(Debug)]
pub struct PacketTransmit {
    socket: OwnedFd,
}

impl PacketTransmit {
    fn open(index: u32) -> io::Result<Self> {
        let socket = packet::open()?;
        packet::set_option(&socket, libc::PACKET_QDISC_BYPASS, &1)?;
        // Beyond the system's limit takes a privilege that is not needed else.
        let forced = libc::SO_SNDBUFFORCE;
        if option::set(&socket, libc::SOL_SOCKET, forced, SEND_BUFFER_OCTETS).is_err() {
            option::set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, SEND_BUFFER_OCTETS)?;
        }
        packet::bind(&socket, index, 0)?;
        Ok(Self { socket })
    }

    /// Sends one frame without FCS.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        crate::sys::message::send(&self.socket, frame, frame.len()).map(|_| ())
    }
}

impl Transmit for PacketTransmit {
    fn transmit(&mut self, burst: &Burst, slots: Range<usize>) -> io::Result<usize> {
        send_or_refuse(&self.socket, burst, slots)
    }
}

/// The receiving side: a ring that the kernel fills, without our own frames.
#[derive(Debug)]
pub struct PacketReceive {
    ring: Ring,
    socket: OwnedFd,
    overflows: u64,
    interface: String,
}

impl PacketReceive {
    fn open(interface: &Interface) -> io::Result<Self> {
        let socket = packet::open()?;
        packet::set_option(&socket, libc::PACKET_IGNORE_OUTGOING, &1)?;
        let ring = Ring::new(&socket)?;
        // From here on frames arrive, and only of this interface.
        packet::bind(&socket, interface.index, packet::ETHER_TYPE_ANY)?;
        Ok(Self { ring, socket, overflows: 0, interface: interface.name.clone() })
    }

    fn take_blocks(&mut self, sink: &mut impl FnMut(Arrival<'_>)) -> usize {
        let day = DayToMonotonic::read_now();
        let mut taken = 0;
        // Not for ever: whoever calls has other things to look at.
        for _ in 0..8 {
            let frames = self.ring.take_block(&mut |frame, octets| {
                let (seconds, nanoseconds) = frame.time;
                sink(Arrival {
                    octets,
                    whole_octets: frame.wire_octets,
                    time_ns: day.convert(seconds.into(), nanoseconds.into()),
                    outer_tag: frame.tag.map(|tag| Tag {
                        ether_type: tag.tpid.map_or(EtherType::TAG, EtherType),
                        control: tag.control,
                    }),
                    is_checksum_unfinished: frame.is_checksum_unfinished,
                });
            });
            let Some(frames) = frames else { break };
            taken += frames;
        }
        taken
    }
}

impl Receive for PacketReceive {
    fn receive(&mut self, wait_ms: u16, sink: &mut impl FnMut(Arrival<'_>)) -> io::Result<usize> {
        let taken = self.take_blocks(sink);
        if taken > 0 || wait_ms == 0 || !wait_readable(&self.socket, wait_ms)? {
            return Ok(taken);
        }
        Ok(self.take_blocks(sink))
    }

    fn overflows(&mut self) -> Option<u64> {
        self.overflows += u64::from(packet::take_ring_drops(&self.socket).ok()?);
        Some(self.overflows)
    }

    fn interface_drops(&self) -> Option<u64> {
        // The calling thread's namespace, which is the interface's.
        let table = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
        receive_drops(&table, &self.interface)
    }

    fn time_source(&self) -> TimeSource {
        TimeSource::Kernel
    }
}

/// Finds an interface in `/proc/net/dev` (proc(5)): its name, a colon, then
/// octets, packets, errors and drops of receiving.
fn receive_drops(table: &str, interface: &str) -> Option<u64> {
    const DROPS: usize = 3;
    let line = table.lines().find_map(|line| {
        let (name, numbers) = line.split_once(':')?;
        (name.trim() == interface).then_some(numbers)
    })?;
    line.split_whitespace().nth(DROPS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_by_the_name_of_the_interface() {
        let table = "Inter-| Receive | Transmit\n face |bytes packets errs drop fifo\n\
            eth1: 10 20 1 7 0 0 0 0 1 1 0 0 0 0 0 0\n eth11:1 2 3 9 0 0 0 0 1 1 0 0 0 0 0 0\n";
        assert_eq!(receive_drops(table, "eth1"), Some(7));
        assert_eq!(receive_drops(table, "eth11"), Some(9));
        assert_eq!(receive_drops(table, "eth"), None);
    }

    #[test]
    fn the_loopback_interface_is_found_by_its_name() {
        let interface = Interface::find("lo").unwrap();
        assert!(interface.mtu_octets() >= 1_500);
        assert!(!interface.is_veth());
        let error = Interface::find("no/such").unwrap_err();
        assert!(error.to_string().contains("there are: lo"), "{error}");
    }
}
