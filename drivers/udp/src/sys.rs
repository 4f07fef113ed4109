//! The system calls and kernel structures that no safe crate offers.
#![expect(unsafe_code, reason = "messages with control data, and their socket options")]

use std::{
    ffi::c_int,
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use crate::burst::{CONTROL_OCTETS, Octets, Slot};

/// Kernel structures that octets can be taken for, and that can be taken for
/// octets.
///
/// # Safety
///
/// Every bit pattern is a value, and there is no padding.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: integers, without gaps between them on any supported target: musl
// names its gap as a field.
unsafe impl Plain for libc::cmsghdr {}
// SAFETY: three fields of 32 bits.
unsafe impl Plain for libc::in_pktinfo {}
// SAFETY: 16 octets and an integer of 32 bits.
unsafe impl Plain for libc::in6_pktinfo {}
// SAFETY: two fields of 16 bits (on Darwin the first is two octets), one of
// 32, and octets.
unsafe impl Plain for libc::sockaddr_in {}
// SAFETY: as `sockaddr_in`: 4, 4, 16 and 4 octets.
unsafe impl Plain for libc::sockaddr_in6 {}
// SAFETY: an integer.
unsafe impl Plain for c_int {}

/// Reads a structure from its first octets; `None` if they are too few.
pub(crate) fn read<T: Plain>(octets: &[u8]) -> Option<T> {
    let octets = octets.get(..size_of::<T>())?;
    // SAFETY: as many octets as `T` has are readable there, alignment is not
    // asked for, and every bit pattern is a `T`.
    Some(unsafe { ptr::read_unaligned(octets.as_ptr().cast()) })
}

/// Writes a structure over the first octets; `None` if they are too few.
pub(crate) fn write<T: Plain>(octets: &mut [u8], value: T) -> Option<()> {
    let octets = octets.get_mut(..size_of::<T>())?;
    // SAFETY: as many octets as `T` has are writable there, alignment is not
    // asked for, and a `T` has no padding that would leave octets undefined.
    unsafe { ptr::write_unaligned(octets.as_mut_ptr().cast(), value) };
    Some(())
}

/// Switches a boolean socket option on.
pub(crate) fn enable(socket: BorrowedFd<'_>, level: c_int, option: c_int) -> io::Result<()> {
    let value: c_int = 1;
    let octets = socket_octets(&value);
    // SAFETY: the option's value is an integer that outlives the call, and its
    // size is given.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), octets)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the kernel dropped for this socket since it was opened, modulo
/// 2^32: most of them because the receive buffer was full.
///
/// The same number that `SO_RXQ_OVFL` sends along with datagrams, but it can be
/// asked for at any time (Linux 4.12).
#[cfg(target_os = "linux")]
pub(crate) fn dropped_datagrams(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut values = [0_u32; 16];
    let mut octets = socket_octets(&values);
    // SAFETY: the kernel writes at most `octets` octets into the array, and
    // says in `octets` how many they were; both outlive the call.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            (&raw mut values).cast(),
            &raw mut octets,
        )
    };
    let given = octets as usize / size_of::<u32>();
    let index = libc::SK_MEMINFO_DROPS as usize;
    if status == 0 && index < given { values.get(index).copied() } else { None }
}

/// Darwin keeps no such number for a socket.
#[cfg(not(target_os = "linux"))]
pub(crate) fn dropped_datagrams(_socket: BorrowedFd<'_>) -> Option<u32> {
    None
}

/// Waits until the kernel has put away all datagrams for which it found a socket
/// before this call: it looks for one inside an RCU read section, and this command
/// of membarrier(2) waits until all of them have ended.
#[cfg(target_os = "linux")]
pub(crate) fn wait_for_receivers() {
    use rustix::thread::{MembarrierCommand, membarrier};
    // A kernel with CPUs that do not tick refuses; what comes in that moment may
    // be lost there.
    let _ = membarrier(MembarrierCommand::Global);
}

/// Nothing is known of it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn wait_for_receivers() {}

/// The size of a value, as the kernel wants to be told. All of ours are small.
fn socket_octets<T>(value: &T) -> libc::socklen_t {
    libc::socklen_t::try_from(size_of_val(value)).unwrap_or(libc::socklen_t::MAX)
}

/// A message header with nothing in it.
const EMPTY_HEADER: libc::msghdr = {
    // SAFETY: integers and pointers, for all of which zero is a value.
    unsafe { mem::zeroed() }
};

fn is_set(header: &libc::msghdr, flag: c_int) -> bool {
    header.msg_flags & flag != 0
}

/// Points a header at a slot's name, control data and payload, all room, for
/// receiving. The pointers are valid until the slot and the octets are used
/// again by other means.
#[cfg_attr(
    not(target_os = "linux"),
    expect(clippy::cast_possible_truncation, reason = "lengths of control data are 32 bits here")
)]
fn prepare_receive(
    header: &mut libc::msghdr,
    part: &mut libc::iovec,
    slot: &mut Slot,
    room: &mut [u8],
) {
    *part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    header.msg_name = slot.name.as_mut_ptr().cast();
    header.msg_namelen = socket_octets(&slot.name);
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = slot.control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_OCTETS as _;
    header.msg_flags = 0;
}

/// Takes over what the kernel said of a received message.
fn finish_receive(header: &libc::msghdr, payload_octets: usize, slot: &mut Slot) {
    slot.payload_octets = payload_octets;
    slot.name_octets = u8::try_from(header.msg_namelen).unwrap_or(0);
    slot.control_octets = u8::try_from(header.msg_controllen).unwrap_or(0);
    slot.is_truncated = is_set(header, libc::MSG_TRUNC);
}

/// Points a header at a slot's answer. The kernel only reads what it points
/// at.
fn prepare_send(header: &mut libc::msghdr, part: &mut libc::iovec, slot: &Slot, payload: &[u8]) {
    *part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
    header.msg_name = slot.name.as_ptr().cast_mut().cast();
    header.msg_namelen = slot.name_octets.into();
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = slot.control.0.as_ptr().cast_mut().cast();
    header.msg_controllen = slot.control_octets.into();
    header.msg_flags = 0;
}

/// Many messages with one system call each way.
#[cfg(target_os = "linux")]
pub(crate) mod many {
    use super::{
        AsRawFd, BorrowedFd, EMPTY_HEADER, Octets, Slot, finish_receive, io, prepare_receive,
        prepare_send, ptr,
    };
    use crate::burst::BURST_DATAGRAMS;

    const EMPTY_PART: libc::iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
    const EMPTY: libc::mmsghdr = libc::mmsghdr { msg_hdr: EMPTY_HEADER, msg_len: 0 };

    /// Receives what is there, up to a burst, into the first slots; says how
    /// many.
    pub(crate) fn receive(
        socket: BorrowedFd<'_>,
        slots: &mut [Slot],
        octets: &mut Octets,
    ) -> io::Result<usize> {
        let mut parts = [EMPTY_PART; BURST_DATAGRAMS];
        let mut messages = [EMPTY; BURST_DATAGRAMS];
        let mut count = 0;
        for (((message, part), slot), room) in
            messages.iter_mut().zip(&mut parts).zip(&mut *slots).zip(octets.payload_rooms_mut())
        {
            prepare_receive(&mut message.msg_hdr, part, slot, room);
            count += 1;
        }
        // SAFETY: `count` messages were prepared, and nothing that they point
        // at is used otherwise before the call returns.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (message, slot) in messages.iter().zip(slots).take(received) {
            finish_receive(&message.msg_hdr, message.msg_len as usize, slot);
        }
        Ok(received)
    }

    /// Sends the answers of these slots, in order, until one is refused; says
    /// how many went. An error is about the first one.
    pub(crate) fn send(
        socket: BorrowedFd<'_>,
        slots: &[Slot],
        octets: &Octets,
        answers: &[u8],
    ) -> io::Result<usize> {
        let mut parts = [EMPTY_PART; BURST_DATAGRAMS];
        let mut messages = [EMPTY; BURST_DATAGRAMS];
        let mut count = 0;
        for ((message, part), answer) in messages.iter_mut().zip(&mut parts).zip(answers) {
            let index = usize::from(*answer);
            let Some(slot) = slots.get(index) else { break };
            let Some(payload) = octets.payload(index, slot.payload_octets) else { break };
            prepare_send(&mut message.msg_hdr, part, slot, payload);
            count += 1;
        }
        // SAFETY: `count` messages were prepared, and what they point at lives
        // and stays unchanged until the call returns.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// The same with one system call for each message, for systems that have no
/// other public one. Linux compiles it too, so that tests run it.
#[cfg(any(test, not(target_os = "linux")))]
pub(crate) mod single {
    use super::{
        AsRawFd, BorrowedFd, EMPTY_HEADER, Octets, Slot, finish_receive, io, prepare_receive,
        prepare_send, ptr,
    };

    /// As `many::receive`.
    pub(crate) fn receive(
        socket: BorrowedFd<'_>,
        slots: &mut [Slot],
        octets: &mut Octets,
    ) -> io::Result<usize> {
        let mut received = 0;
        for (slot, room) in slots.iter_mut().zip(octets.payload_rooms_mut()) {
            let mut part = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
            let mut header = EMPTY_HEADER;
            prepare_receive(&mut header, &mut part, slot, room);
            // SAFETY: the header was prepared, and nothing that it points at is
            // used otherwise before the call returns.
            let octets =
                unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
            match usize::try_from(octets) {
                Ok(octets) => finish_receive(&header, octets, slot),
                // What is wrong, if anything, is said again by the next call.
                Err(_) if received > 0 => break,
                Err(_) => return Err(io::Error::last_os_error()),
            }
            received += 1;
        }
        Ok(received)
    }

    /// As `many::send`.
    pub(crate) fn send(
        socket: BorrowedFd<'_>,
        slots: &[Slot],
        octets: &Octets,
        answers: &[u8],
    ) -> io::Result<usize> {
        let mut sent = 0;
        for answer in answers {
            let index = usize::from(*answer);
            let Some(slot) = slots.get(index) else { break };
            let Some(payload) = octets.payload(index, slot.payload_octets) else { break };
            let mut part = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
            let mut header = EMPTY_HEADER;
            prepare_send(&mut header, &mut part, slot, payload);
            // SAFETY: the header was prepared, and what it points at lives and
            // stays unchanged until the call returns.
            let status =
                unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
            if status < 0 {
                let error = io::Error::last_os_error();
                return if sent > 0 { Ok(sent) } else { Err(error) };
            }
            sent += 1;
        }
        Ok(sent)
    }
}

#[cfg(target_os = "linux")]
pub(crate) use many::{receive, send};
#[cfg(not(target_os = "linux"))]
pub(crate) use single::{receive, send};

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd};

    use super::*;
    use crate::{burst::Burst, control, name, socket::Socket};

    type Receive = fn(BorrowedFd<'_>, &mut [Slot], &mut Octets) -> io::Result<usize>;
    type Send = fn(BorrowedFd<'_>, &[Slot], &Octets, &[u8]) -> io::Result<usize>;

    /// Answers three datagrams to 127.0.0.3 from there, in another order.
    fn answers_come_from_the_asked_address(receive: Receive, send: Send) {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = Socket::open("0.0.0.0:0".parse().unwrap(), 1 << 16).unwrap();
        let local = rustix::net::getsockname(&socket).unwrap();
        let local = std::net::SocketAddr::try_from(local).unwrap();
        client.connect(("127.0.0.3", local.port())).unwrap();
        for payload in [b"a".as_slice(), b"", b"ccc"] {
            client.send(payload).unwrap();
        }
        let Burst { mut slots, mut octets } = Burst::new();
        assert_eq!(receive(socket.as_fd(), &mut slots, &mut octets).unwrap(), 3);
        for slot in &mut slots[..3] {
            assert_eq!(name::parse(&slot.name), client.local_addr().ok());
            assert!(!slot.is_truncated);
            let found = control::parse(&slot.control.0[..usize::from(slot.control_octets)]);
            let destination = found.unwrap();
            assert_eq!(destination.local, destination.address);
            slot.control_octets = control::write_source(&mut slot.control, destination.local, None);
        }
        assert_eq!(send(socket.as_fd(), &slots, &octets, &[2, 0, 1]).unwrap(), 3);
        for payload in [b"ccc".as_slice(), b"a", b""] {
            let mut room = [0; 8];
            let octets = client.recv(&mut room).unwrap();
            assert_eq!(&room[..octets], payload);
        }
        let empty = receive(socket.as_fd(), &mut slots, &mut octets).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn many_messages_a_call_are_answered_from_the_asked_address() {
        answers_come_from_the_asked_address(many::receive, many::send);
    }

    #[test]
    fn one_message_a_call_is_answered_from_the_asked_address() {
        answers_come_from_the_asked_address(single::receive, single::send);
    }
}
