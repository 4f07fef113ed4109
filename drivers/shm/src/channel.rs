//! Many senders, many receivers: each receiver gets every message. With one receiver, a
//! queue of many producers and one consumer.
//!
//! ```
//! use farend_shm::{Deadline, channel::{Channel, Options}};
//! # let name = &format!("/farend-chan-{}", std::process::id());
//!
//! // In each process, whichever comes first:
//! let channel = Channel::open_or_create(name, Options::default())?;
//! let mut receiver = channel.receiver()?;
//!
//! let mut sender = channel.sender()?;
//! sender.send_value(&7_u64, Deadline::NEVER)?;
//! assert_eq!(receiver.receive_value::<u64>(Deadline::NEVER)?, 7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Messages of one sender come in their order; those of two senders in any order, and not in
//! the same one to all receivers.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use farend_core::{
    ring::{Error as RingError, Layout, LayoutError, Liveness, Memory, SlowReader, channel},
    sync::{Futex, Shared},
};
use farend_futex::process::namespace;
use zerocopy::{FromBytes, IntoBytes};

pub use crate::broadcast::Publisher as Sender;
pub use farend_core::ring::channel::Message;

use crate::{
    Deadline, Readiness, SegmentError, Values, arrival,
    name::Name,
    process::Processes,
    segment::Segment,
    sys::{Kept, Side},
    values,
};

/// What a channel is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Messages that each sender has room for: a power of two, at least 2.
    pub capacity_messages: u64,
    /// Octets of the longest message.
    pub message_octets_max: u64,
    /// Senders that there can be at a time, up to
    /// [`SENDERS_MAX`](farend_core::ring::channel::SENDERS_MAX).
    pub senders_max: u32,
    /// Receivers that there can be at a time.
    pub receivers_max: u32,
    /// What becomes of a receiver that does not keep up.
    pub slow_receiver: SlowReader,
}

impl Default for Options {
    /// 8 senders with room for 64 messages of 1,024 octets each, 8 receivers; senders wait
    /// for the slowest.
    fn default() -> Self {
        Self {
            capacity_messages: 64,
            message_octets_max: 1024,
            senders_max: 8,
            receivers_max: 8,
            slow_receiver: SlowReader::Block,
        }
    }
}

impl Options {
    fn layout(self) -> Result<Layout, SegmentError> {
        let layout = Layout::channel(
            self.capacity_messages,
            self.message_octets_max,
            self.senders_max,
            self.receivers_max,
            self.slow_receiver,
        );
        layout.map_err(SegmentError::Layout)
    }
}

/// A channel in shared memory.
///
/// Whoever makes a channel with a name removes the name when the channel and its sides are
/// dropped.
#[derive(Debug)]
pub struct Channel(Kept<channel::Channel<'static>>);

impl Channel {
    /// Makes a channel of this name (see [`NAME_OCTETS_MAX`](crate::NAME_OCTETS_MAX)). What
    /// a process that was killed left under the name is removed.
    ///
    /// # Errors
    /// [`SegmentError::InUse`] if a living process has made one, and others of
    /// [`SegmentError`].
    pub fn create(name: &str, options: Options) -> Result<Self, SegmentError> {
        let layout = options.layout()?;
        let make = |memory| Self::put(memory, layout);
        Segment::create(&Name::parse(name)?, layout.octets(), make, |_| Ok(())).map(Self)
    }

    /// Makes a channel without a name, for threads, and for processes that are passed its
    /// file descriptor.
    ///
    /// # Errors
    /// [`SegmentError::Layout`] for options that no channel can have,
    /// [`SegmentError::System`].
    pub fn anonymous(options: Options) -> Result<Self, SegmentError> {
        let layout = options.layout()?;
        let segment = Segment::anonymous(layout.octets())?;
        Ok(Self(Kept::make(segment, |memory| Self::put(memory, layout))?))
    }

    /// Takes the channel of this name that another process has made.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn attach(name: &str) -> Result<Self, SegmentError> {
        Segment::attach(&Name::parse(name)?)?.open(channel::Channel::open).map(Self)
    }

    /// Takes the channel behind a file descriptor that another process has passed.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SegmentError> {
        Segment::from_fd(fd)?.open(channel::Channel::open).map(Self)
    }

    /// Takes the channel of this name, whatever its options, or makes one if there is none:
    /// for processes of which any may be the first.
    ///
    /// If the maker was killed, this process is the maker from then on. When the maker ends
    /// in order the name ends, whoever else still has the channel: who comes later makes
    /// another.
    ///
    /// # Errors
    /// As [`attach`](Self::attach) and [`create`](Self::create).
    pub fn open_or_create(name: &str, options: Options) -> Result<Self, SegmentError> {
        arrival::open_or_create(|| Self::inherit(name), || Self::create(name, options))
    }

    /// Takes the channel of this name as soon as somebody has made it.
    ///
    /// # Errors
    /// [`SegmentError::Missing`] if nobody has until the deadline, and as
    /// [`attach`](Self::attach).
    pub fn attach_when_there(name: &str, deadline: Deadline) -> Result<Self, SegmentError> {
        arrival::when_there(deadline, || Self::attach(name))
    }

    /// What the channel is like.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.0.layout()
    }

    /// Becomes one of the channel's senders. In the place of one that died, it goes on after
    /// that one's last whole message.
    ///
    /// # Errors
    /// [`RingError::NoSenderFree`]; [`RingError::Corrupt`].
    pub fn sender(&self) -> Result<Sender, RingError> {
        self.sender_over()
    }

    /// Becomes one of the channel's receivers, from each sender's next message on.
    ///
    /// # Errors
    /// [`RingError::NoReaderFree`]; [`RingError::Corrupt`].
    pub fn receiver(&self) -> Result<Receiver, RingError> {
        self.receiver_over()
    }

    /// Like [`sender`](Self::sender), over a backend and a judge of processes of one's own.
    ///
    /// # Errors
    /// As [`sender`](Self::sender).
    pub fn sender_over<F: Futex<Shared>, L: Liveness>(&self) -> Result<Sender<F, L>, RingError> {
        self.0.derive(channel::Channel::sender).map(Sender::of)
    }

    /// Like [`receiver`](Self::receiver), over a backend and a judge of processes of one's
    /// own.
    ///
    /// # Errors
    /// As [`receiver`](Self::receiver).
    pub fn receiver_over<F: Futex<Shared>, L: Liveness>(
        &self,
    ) -> Result<Receiver<F, L>, RingError> {
        self.0.derive(channel::Channel::receiver).map(Receiver)
    }

    /// How many senders there are. Killed ones count until another takes their place.
    #[must_use]
    pub fn senders(&self) -> usize {
        self.0.senders()
    }

    /// How many receivers there are. Killed ones count until another takes their place.
    #[must_use]
    pub fn receivers(&self) -> usize {
        self.0.receivers()
    }

    fn inherit(name: &str) -> Result<Self, SegmentError> {
        let name = Name::parse(name)?;
        Segment::attach(&name)?.open_as_heir(&name, channel::Channel::open).map(Self)
    }

    fn put(
        memory: Memory<'static>,
        layout: Layout,
    ) -> Result<channel::Channel<'static>, LayoutError> {
        channel::Channel::create::<Processes>(memory, layout, namespace())
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.segment().fd()
    }
}

/// The side that receives.
#[derive(Debug)]
pub struct Receiver<F: Futex<Shared> = farend_futex::Default, L: Liveness = Processes>(
    Side<channel::Receiver<'static, F, L>>,
);

impl Receiver {
    /// A descriptor that tells when there may be a message.
    ///
    /// # Errors
    /// What the system says: no descriptor or no thread is left.
    pub fn readiness(&self) -> io::Result<Readiness> {
        Readiness::new(self.0.with(channel::Receiver::alert))
    }
}

impl<F: Futex<Shared>, L: Liveness> Receiver<F, L> {
    /// Octets of the longest message.
    #[must_use]
    pub fn message_octets_max(&self) -> usize {
        self.0.message_octets_max()
    }

    /// Copies the next message into `buffer`, and waits for one if there is none: while no
    /// sender has ever come, for the first one.
    ///
    /// # Errors
    /// [`RingError::TimedOut`]; if nothing is left to receive, [`RingError::PeerLeft`] when
    /// all senders have left, [`RingError::PeerDied`] when one of them was killed and the
    /// others have left; [`RingError::BufferTooShort`]; [`RingError::Corrupt`].
    #[inline]
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        deadline: Deadline<F>,
    ) -> Result<Message, RingError> {
        self.0.release()?;
        loop {
            if let Some(message) = self.0.read(buffer)? {
                return Ok(message);
            }
            self.0.wait_message(deadline.as_ns())?;
            if let Some(message) = self.0.read(buffer)? {
                return Ok(message);
            }
            // A sender overtakes faster than messages can be copied.
            if F::now_ns() >= deadline.as_ns() {
                return Err(RingError::TimedOut);
            }
        }
    }

    /// Copies the next message into `buffer`, if there is one.
    ///
    /// # Errors
    /// [`RingError::BufferTooShort`]; [`RingError::Corrupt`].
    #[inline]
    pub fn try_receive(&mut self, buffer: &mut [u8]) -> Result<Option<Message>, RingError> {
        self.0.release()?;
        self.0.read(buffer)
    }

    /// Copies the next message out as a value, and waits for one if there is none.
    ///
    /// # Errors
    /// [`RingError::BufferTooShort`] or [`RingError::OtherLength`] if the message is no `T`;
    /// and as [`receive`](Self::receive).
    pub fn receive_value<T: FromBytes + IntoBytes>(
        &mut self,
        deadline: Deadline<F>,
    ) -> Result<T, RingError> {
        values::receive(|buffer| self.receive(buffer, deadline).map(|message| message.octets))
    }

    /// All values to come, until all senders have left.
    pub fn values<T: FromBytes + IntoBytes>(
        &mut self,
    ) -> Values<impl FnMut() -> Result<T, RingError>> {
        Values::new(|| self.receive_value(Deadline::NEVER))
    }

    /// Shows the next message where it lies, and waits for one if there is none. The message
    /// stays until [`release`](Self::release) or the next call.
    ///
    /// # Errors
    /// [`RingError::NotInPlace`] with [`SlowReader::Overwrite`], and as
    /// [`receive`](Self::receive).
    #[inline]
    pub fn receive_in_place(&mut self, deadline: Deadline<F>) -> Result<&[u8], RingError> {
        self.0.release()?;
        self.0.wait_message(deadline.as_ns())?;
        self.0.peek()?.ok_or(RingError::TimedOut)
    }

    /// Gives all messages that were received back to their senders.
    ///
    /// # Errors
    /// [`RingError::Corrupt`] if the one that was shown last changed while it was read.
    pub fn release(&mut self) -> Result<(), RingError> {
        self.0.release()?;
        self.0.flush();
        Ok(())
    }

    /// Looks closely whether anybody can still send: for whoever waits by
    /// [`readiness`](Self::readiness) and finds nothing more.
    ///
    /// # Errors
    /// [`RingError::PeerDied`] or [`RingError::PeerLeft`] if nobody can.
    pub fn check_peers(&self) -> Result<(), RingError> {
        self.0.check_peers()
    }
}
