//! One queue as a port: the core's queue over this socket's memory and calls.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use farend_core::port::{
    Limits, Medium, PoolId, Queue,
    queue::{Kernel, Parts},
    ring::{AddressSlot, DescriptorSlot},
};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};

use super::{
    layout::Layout,
    memory::{Part, Ring},
    socket::Socket,
};
use crate::tier::TierError;

/// Frames that one turn moves at most.
const BURST_FRAMES: u16 = 64;

/// The kernel's side of a queue.
pub(super) struct Xsk {
    fd: OwnedFd,
    part: Part,
}

/// The kernel will never look at a ring again.
#[derive(Debug)]
pub(super) struct WakeError(io::Error);

impl fmt::Display for WakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel does not take frames any more: {}", self.0)
    }
}

impl std::error::Error for WakeError {}

impl AsFd for Xsk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Kernel for Xsk {
    type Error = WakeError;
    type Addresses = Ring<AddressSlot>;
    type Descriptors = Ring<DescriptorSlot>;
    type Words = Vec<u32>;

    #[inline]
    fn octets(&mut self, address: u64, octets: u32) -> Option<&mut [u8]> {
        let offset = usize::try_from(address).ok()?.checked_sub(self.part.start())?;
        self.part.octets_mut(offset, octets as usize)
    }

    fn wake_transmit(&mut self) -> Result<(), WakeError> {
        // A message of no octets: what is sent stands in the ring.
        let sent = send(&self.fd, &[], SendFlags::DONTWAIT);
        judge(sent.map(drop))
    }

    fn wake_receive(&mut self) -> Result<(), WakeError> {
        let received = recv(&self.fd, &mut [0_u8; 0], RecvFlags::DONTWAIT);
        judge(received.map(drop))
    }
}

/// Tells what will pass from what will not.
fn judge(outcome: Result<(), Errno>) -> Result<(), WakeError> {
    let Err(error) = outcome else { return Ok(()) };
    // Only a part was taken; the driver has no room, or the kernel no memory;
    // a packet in too many pieces was dropped.
    let is_partial = matches!(
        error,
        Errno::AGAIN | Errno::BUSY | Errno::NOBUFS | Errno::NOMEM | Errno::OVERFLOW | Errno::INTR
    );
    // The interface is down, or gone: whoever watches it says so, and waits or
    // ends.
    let is_link = matches!(error, Errno::NETDOWN | Errno::NXIO | Errno::NODEV);
    if is_partial || is_link { Ok(()) } else { Err(WakeError(error.into())) }
}

/// Makes the port of a socket, and gives the kernel memory to receive into.
pub(super) fn open(
    socket: Socket,
    layout: &Layout,
    is_zero_copy: bool,
) -> Result<Queue<Xsk>, TierError> {
    let Socket { queue, fill, rx, tx, completion, part, fd } = socket;
    let base = part.start() as u64;
    let parts = Parts {
        kernel: Xsk { fd, part },
        fill,
        rx,
        tx,
        completion,
        words: vec![0; layout.queue_chunks as usize],
        // No frame of another queue ever comes near this one.
        pool: PoolId(u16::try_from(queue).unwrap_or(u16::MAX)),
        base,
        chunk_octets: layout.chunk_octets,
        limits: Limits {
            medium: Medium::Ethernet,
            frame_octets_max: layout.frame_octets_max,
            burst_frames_max: BURST_FRAMES,
            is_copying: !is_zero_copy,
        },
    };
    Queue::new(parts).map_err(|error| TierError::new(format!("queue {queue}: {error}")))
}
