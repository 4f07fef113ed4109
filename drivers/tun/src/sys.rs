//! The system calls that no safe crate offers.
#![expect(unsafe_code, reason = "ioctl of a virtual interface, messages by the batch")]

use std::{
    ffi::{c_int, c_ulong},
    io::{self, IoSlice},
    mem,
    os::fd::{AsRawFd, BorrowedFd},
};

use crate::name::Name;

/// Messages in one call.
pub(crate) const MESSAGES_MAX: usize = 64;
/// Messages received in one call.
pub(crate) const ARRIVALS_MAX: usize = 16;

const TUNSETIFF: c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: c_ulong = 0x4004_54d0;
const UDP_SEGMENT: c_int = 103;
const UDP_GRO: c_int = 104;
/// Control data in words, so that it is aligned.
const SEGMENT_CONTROL_WORDS: usize = 3;
const ARRIVAL_CONTROL_WORDS: usize = 8;

/// One message to send: parts that follow one another, and how long the
/// datagrams are that it is cut into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'parts> {
    /// The octets.
    pub(crate) parts: &'parts [IoSlice<'parts>],
    /// Octets of each datagram but the last; `None` for one datagram.
    pub(crate) segment_octets: Option<u16>,
}

/// One received message: a datagram, or several of one size that were joined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Octets in its slot.
    pub(crate) octets: usize,
    /// Octets of each datagram but the last; 0 for one datagram.
    pub(crate) segment_octets: usize,
    /// Whether it was longer than its slot.
    pub(crate) is_truncated: bool,
    /// Datagrams that the socket has lost so far, if that was told.
    pub(crate) overflow: Option<u32>,
    /// The sender.
    pub(crate) from: Name,
}

impl Arrival {
    /// Nothing yet.
    pub(crate) const EMPTY: Self = Self {
        octets: 0,
        segment_octets: 0,
        is_truncated: false,
        overflow: None,
        from: Name::EMPTY,
    };
}

/// Makes a queue of the interface with this name; gives its name.
pub(crate) fn attach(device: BorrowedFd<'_>, name: &str, flags: i16) -> io::Result<String> {
    // SAFETY: integers, pointers and arrays of them, for which zero is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // One octet stays 0 as the end.
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return Err(io::Error::from(io::ErrorKind::InvalidFilename));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: the request outlives the call, which reads and writes an `ifreq`.
    let status = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF as _, &raw mut request) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    let octets = request.ifr_name.iter().map(|octet| octet.to_ne_bytes()[0]);
    let name: Vec<u8> = octets.take_while(|octet| *octet != 0).collect();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Says what of segmenting and checksums is taken over from the host.
pub(crate) fn set_offload(device: BorrowedFd<'_>, bits: c_ulong) -> io::Result<()> {
    // SAFETY: the argument is a number.
    let status = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETOFFLOAD as _, bits) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets a socket option that is an integer.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: c_int,
) -> io::Result<()> {
    let octets = u32::try_from(size_of::<c_int>()).unwrap_or(0);
    // SAFETY: the option's value is an integer that outlives the call, and its
    // size is given.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), octets)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends messages to one address. Gives how many of the first were taken.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    to: &Name,
    messages: &[Message<'_>],
) -> io::Result<usize> {
    let mut controls = [[0_u64; SEGMENT_CONTROL_WORDS]; MESSAGES_MAX];
    // SAFETY: integers and pointers, for which zero is a value.
    let mut headers: [libc::mmsghdr; MESSAGES_MAX] = unsafe { mem::zeroed() };
    let count = messages.len().min(MESSAGES_MAX);
    let rows = headers.iter_mut().zip(&mut controls).zip(messages);
    for ((header, control), message) in rows {
        let header = &mut header.msg_hdr;
        let name = to.octets();
        header.msg_name = name.as_ptr().cast_mut().cast();
        header.msg_namelen = u32::try_from(name.len()).unwrap_or(0);
        // An `IoSlice` has the layout of an `iovec`: std promises it.
        header.msg_iov = message.parts.as_ptr().cast_mut().cast();
        header.msg_iovlen = message.parts.len() as _;
        if let Some(octets) = message.segment_octets {
            *control = segment_control(octets);
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = size_of_val(control) as _;
        }
    }
    // SAFETY: `count` headers, each of whose pointers leads to as much memory as
    // it says, borrowed for longer than the call, which only reads it.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            u32::try_from(count).unwrap_or(0),
            0,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Waits for datagrams and receives as many as there are, each into a slot of
/// `room`. Gives how many.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    room: &mut [u8],
    slot_octets: usize,
    arrivals: &mut [Arrival; ARRIVALS_MAX],
) -> io::Result<usize> {
    let mut controls = [[0_u64; ARRIVAL_CONTROL_WORDS]; ARRIVALS_MAX];
    // SAFETY: integers and pointers, for which zero is a value.
    let mut parts: [libc::iovec; ARRIVALS_MAX] = unsafe { mem::zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; ARRIVALS_MAX] = unsafe { mem::zeroed() };
    let mut count = 0;
    let slots = room.chunks_exact_mut(slot_octets).zip(&mut *arrivals);
    let rows = headers.iter_mut().zip(&mut parts).zip(&mut controls).zip(slots);
    for (((header, part), control), (slot, arrival)) in rows {
        part.iov_base = slot.as_mut_ptr().cast();
        part.iov_len = slot.len();
        let header = &mut header.msg_hdr;
        let name = arrival.from.room();
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_namelen = u32::try_from(name.len()).unwrap_or(0);
        header.msg_iov = part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(control) as _;
        count += 1;
    }
    // SAFETY: `count` headers, each of whose pointers leads to as much memory as
    // it says, each to another, all borrowed for longer than the call.
    let got = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            libc::MSG_WAITFORONE,
            std::ptr::null_mut(),
        )
    };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    for ((header, control), arrival) in headers.iter().zip(&controls).zip(arrivals).take(got) {
        arrival.octets = header.msg_len as usize;
        arrival.is_truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let length = header.msg_hdr.msg_controllen;
        (arrival.segment_octets, arrival.overflow) = read_control(control, length);
    }
    Ok(got)
}

/// The control data that has a message cut: a `cmsghdr` and 16 bits.
fn segment_control(octets: u16) -> [u64; SEGMENT_CONTROL_WORDS] {
    let length = (size_of::<libc::cmsghdr>() + size_of::<u16>()) as u64;
    [length, words(libc::SOL_UDP, UDP_SEGMENT), u64::from_ne_bytes(pad(octets.to_ne_bytes()))]
}

/// Level and type of control data as they stand in memory.
fn words(level: c_int, kind: c_int) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (level.to_ne_bytes(), kind.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

fn pad([a, b]: [u8; 2]) -> [u8; 8] {
    [a, b, 0, 0, 0, 0, 0, 0]
}

/// Octets of each joined datagram, and the socket's losses.
fn read_control(control: &[u64; ARRIVAL_CONTROL_WORDS], octets: usize) -> (usize, Option<u32>) {
    let (mut segment_octets, mut overflow) = (0, None);
    let mut rest = control.get(..octets.div_ceil(8)).unwrap_or(&[]);
    while let [length, kind, value, ..] = rest {
        let [a, b, c, d, ..] = value.to_ne_bytes();
        let value = u32::from_ne_bytes([a, b, c, d]);
        if *kind == words(libc::SOL_UDP, UDP_GRO) {
            segment_octets = value as usize;
        } else if *kind == words(libc::SOL_SOCKET, libc::SO_RXQ_OVFL) {
            overflow = Some(value);
        }
        let words = usize::try_from(*length).unwrap_or(0).div_ceil(8).max(2);
        rest = rest.get(words..).unwrap_or(&[]);
    }
    (segment_octets, overflow)
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd};

    use super::*;

    #[test]
    fn train_arrives_as_one_message_with_its_size() {
        let [to, from] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        set_option(to.as_fd(), libc::SOL_UDP, UDP_GRO, 1).unwrap();
        let octets = [7; 250];
        let parts = [IoSlice::new(&octets[..130]), IoSlice::new(&octets[130..])];
        let message = Message { parts: &parts, segment_octets: Some(100) };
        let name = Name::new(to.local_addr().unwrap(), false);
        assert_eq!(send(from.as_fd(), &name, &[message]).unwrap(), 1);
        let mut arrivals = [Arrival::EMPTY; ARRIVALS_MAX];
        let mut room = vec![0; 1 << 20];
        let got = receive(to.as_fd(), &mut room, 1 << 16, &mut arrivals).unwrap();
        let pieces: usize = arrivals[..got].iter().map(|one| one.octets).sum();
        assert_eq!(pieces, 250);
        assert_eq!(arrivals[0].from.address(), from.local_addr().ok());
        assert_eq!((got, arrivals[0].segment_octets), (1, 100));
        assert_eq!(room[..250], octets);
    }

    #[test]
    fn what_is_longer_than_its_slot_is_told() {
        let [to, from] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        from.send_to(&[1; 101], to.local_addr().unwrap()).unwrap();
        let mut arrivals = [Arrival::EMPTY; ARRIVALS_MAX];
        let mut room = [0; 1_600];
        assert_eq!(receive(to.as_fd(), &mut room, 100, &mut arrivals).unwrap(), 1);
        assert!(arrivals[0].is_truncated && arrivals[0].octets == 100);
    }
}
