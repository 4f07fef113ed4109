//! A plain packet socket: a tester without anything of the code under test.
#![expect(unsafe_code, reason = "packet sockets with control messages")]

use std::{
    io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
    time::{Duration, Instant},
};

/// Sends and receives frames of one interface of this thread's namespace.
pub(crate) struct Raw(OwnedFd);

impl Raw {
    pub(crate) fn open(interface: &str) -> Self {
        // SAFETY: takes integers alone.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: the descriptor was just opened and is nobody else's.
        let raw = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        raw.set(libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1);
        raw.set(libc::SOL_PACKET, libc::PACKET_AUXDATA, 1);
        raw.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20);
        raw.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 8 << 20);
        let index = rustix::net::netdevice::name_to_index(&raw.0, interface).unwrap();
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET.try_into().unwrap(),
            sll_protocol: 3_u16.to_be(),
            sll_ifindex: index.try_into().unwrap(),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let octets = size_of_val(&address).try_into().unwrap();
        // SAFETY: the address outlives the call, and its size is given.
        let status = unsafe { libc::bind(fd, (&raw const address).cast(), octets) };
        assert_eq!(status, 0, "{}", io::Error::last_os_error());
        raw
    }

    fn set(&self, level: i32, option: i32, value: i32) {
        set_option(&self.0, level, option, value);
    }

    /// Sends a frame; whether the kernel took it.
    pub(crate) fn send(&self, frame: &[u8]) -> bool {
        // SAFETY: the frame outlives the call, and its length is given.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        usize::try_from(sent) == Ok(frame.len())
    }

    /// The next frame, tags and all, that comes within the time.
    pub(crate) fn receive(&self, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(frame) = self.receive_now() {
                return Some(frame);
            }
            let rest = deadline.checked_duration_since(Instant::now())?;
            let timeout = rustix::event::Timespec::try_from(rest).unwrap();
            let mut fds = [rustix::event::PollFd::new(&self.0, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut fds, Some(&timeout)).unwrap();
        }
    }

    /// The next frame that carries a probe.
    pub(crate) fn receive_probe(&self, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        loop {
            let frame = self.receive(deadline.saturating_duration_since(Instant::now()))?;
            if frame.windows(7).take(120).any(|window| window == b"PROBEOT") {
                return Some(frame);
            }
        }
    }

    fn receive_now(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0_u8; 70_000];
        let mut control = [0_u64; 16];
        let mut part = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
        // SAFETY: integers and pointers, for all of which zero is a value.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control);
        // SAFETY: the header points at room that outlives the call.
        let octets =
            unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
        frame.truncate(usize::try_from(octets).ok()?);
        // SAFETY: the kernel filled the header in.
        let message = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
        if !message.is_null() {
            // SAFETY: the first message lies in `control`; it is the only one
            // that was asked for.
            let data = unsafe { libc::CMSG_DATA(message) };
            // SAFETY: and it is as long as its type says.
            let data: libc::tpacket_auxdata = unsafe { ptr::read_unaligned(data.cast()) };
            if data.tp_status & libc::TP_STATUS_VLAN_VALID != 0 {
                let tag = [data.tp_vlan_tpid.to_be_bytes(), data.tp_vlan_tci.to_be_bytes()];
                frame.splice(12..12, tag.concat());
            }
        }
        Some(frame)
    }
}

/// Makes a UDP socket hand many datagrams of this size to the kernel as one
/// (udp(7), `UDP_SEGMENT`).
pub(crate) fn segment(socket: &impl AsRawFd, payload_octets: i32) {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, payload_octets);
}

fn set_option(socket: &impl AsRawFd, level: i32, option: i32, value: i32) {
    let octets = size_of_val(&value).try_into().unwrap();
    // SAFETY: the value outlives the call, and its size is given.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), octets)
    };
    assert_eq!(status, 0, "option {option}: {}", io::Error::last_os_error());
}
