//! One queue of one interface, as a port.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use farend_core::{
    Caller, Counters, Policy,
    port::{Burst, Frame, Limits, Observer, PoolId, Port, Turn},
};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};

use super::{
    error::OpenError,
    layout::Layout,
    memory::{Part, ProducerWord, Ring},
};
use crate::{
    queue::{Held, Kernel, Ledger, Losses, Parts, Progress, Queue, QueueError},
    ring::{AddressSlot, DescriptorSlot},
};

/// Frames that one turn moves at most.
const BURST_FRAMES: u16 = 64;

/// An AF_XDP socket, bound to one queue, with its rings and its part of the memory.
///
/// It is a [`Port`]. Wait for frames with poll(2) on its descriptor.
#[derive(Debug)]
pub struct Socket {
    number: u32,
    queue: Queue<Xsk>,
    received: Arc<ProducerWord>,
}

/// Counts the frames that the kernel has put into a socket's rx ring, from any
/// thread, while another one works on the socket.
#[derive(Clone, Debug)]
pub struct ReceiveCount(Arc<ProducerWord>);

impl ReceiveCount {
    /// Frames so far, modulo 2^32.
    #[must_use]
    pub fn read(&self) -> u32 {
        self.0.read()
    }
}

/// The kernel will never look at a ring again.
#[derive(Debug)]
pub struct WakeError(io::Error);

impl fmt::Display for WakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel does not take frames any more: {}", self.0)
    }
}

impl std::error::Error for WakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// A bound socket whose rings nobody works on yet.
pub(super) struct Unwired {
    pub(super) queue: u32,
    pub(super) fill: Ring<AddressSlot>,
    pub(super) rx: Ring<DescriptorSlot>,
    pub(super) tx: Ring<DescriptorSlot>,
    pub(super) completion: Ring<AddressSlot>,
    pub(super) part: Part,
    pub(super) fd: OwnedFd,
}

impl AsFd for Unwired {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    /// Gives the kernel memory to receive into.
    pub(super) fn new(
        socket: Unwired,
        layout: &Layout,
        is_zero_copy: bool,
    ) -> Result<Self, OpenError> {
        let Unwired { queue: number, fill, rx, tx, completion, part, fd } = socket;
        let received = Arc::new(rx.producer_word());
        let parts = Parts {
            base: part.start() as u64,
            kernel: Xsk { fd, part },
            fill,
            rx,
            tx,
            completion,
            words: vec![0; layout.queue_chunks() as usize],
            // To tell its frames from those of the interface's other queues.
            pool: PoolId(u16::try_from(number).unwrap_or(u16::MAX)),
            chunk_octets: layout.chunk_octets(),
            limits: Limits {
                frame_octets_max: layout.frame_octets_max(),
                burst_frames_max: BURST_FRAMES,
                is_copying: !is_zero_copy,
            },
        };
        let queue = Queue::new(parts)
            .map_err(|error| OpenError::Rings { queue: number, reason: error.to_string() })?;
        Ok(Self { number, queue, received })
    }

    /// The interface's queue.
    #[must_use]
    pub const fn queue(&self) -> u32 {
        self.number
    }

    /// What counts the frames that came in.
    #[must_use]
    pub fn receive_count(&self) -> ReceiveCount {
        ReceiveCount(Arc::clone(&self.received))
    }

    /// Packets that were sent; see [`Queue::sent_packets`].
    #[must_use]
    pub fn sent_packets(&self) -> u64 {
        self.queue.sent_packets()
    }

    /// What was thrown away.
    #[must_use]
    pub const fn losses(&self) -> &Losses {
        self.queue.losses()
    }

    /// Whether the kernel has taken all that was to be sent, and given it back.
    ///
    /// # Errors
    ///
    /// A ring is broken.
    pub fn is_drained(&mut self) -> Result<bool, QueueError<WakeError>> {
        self.queue.is_drained()
    }

    /// Where each chunk is, by looking at all of them.
    ///
    /// # Errors
    ///
    /// A ring is broken.
    pub fn ledger(&mut self) -> Result<Ledger, QueueError<WakeError>> {
        self.queue.ledger()
    }

    /// How far the kernel has come, for a [`Watch`](crate::queue::Watch).
    ///
    /// # Errors
    ///
    /// A ring is broken.
    pub fn progress(&mut self) -> Result<Progress, QueueError<WakeError>> {
        self.queue.progress()
    }

    /// Has the kernel look for frames now: what busy polling does instead of
    /// sleeping.
    ///
    /// # Errors
    ///
    /// It will never look again.
    pub fn look_for_frames(&mut self) -> Result<(), QueueError<WakeError>> {
        self.queue.kernel_mut().wake_receive().map_err(QueueError::Kernel)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.kernel().fd.as_fd()
    }
}

impl Port for Socket {
    type Error = QueueError<WakeError>;

    fn limits(&self) -> &Limits {
        self.queue.limits()
    }

    #[inline]
    fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), Self::Error> {
        self.queue.receive(burst)
    }

    #[inline]
    fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), Self::Error> {
        self.queue.transmit(burst)
    }

    #[inline]
    fn reserve<const N: usize>(&mut self, burst: &mut Burst<N>) {
        self.queue.reserve(burst);
    }

    #[inline]
    fn recycle<const N: usize>(&mut self, burst: &mut Burst<N>) {
        self.queue.recycle(burst);
    }

    #[inline]
    fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]> {
        self.queue.octets(frame)
    }

    #[inline]
    fn kick(&mut self) -> Result<(), Self::Error> {
        self.queue.kick()
    }

    #[inline]
    fn turn<const N: usize, C, O>(
        &mut self,
        policy: &Policy,
        caller: &mut C,
        counters: &mut Counters,
        observer: &mut O,
        pending: &mut Burst<N>,
    ) -> Result<Turn, Self::Error>
    where
        C: Caller,
        O: Observer,
    {
        self.queue.turn(policy, caller, counters, observer, pending)
    }
}

/// The kernel's side of a queue. It never leaves its queue, whose ledger knows the
/// part's chunks: who could swap the parts of two queues would reach memory that the
/// kernel writes to.
#[derive(Debug)]
struct Xsk {
    fd: OwnedFd,
    part: Part,
}

impl Kernel for Xsk {
    type Error = WakeError;
    type Addresses = Ring<AddressSlot>;
    type Descriptors = Ring<DescriptorSlot>;
    type Words = Vec<u32>;

    #[inline]
    fn octets(&mut self, held: &Held) -> Option<&mut [u8]> {
        self.part.octets_mut(held)
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
