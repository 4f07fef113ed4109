//! One publisher, many subscribers, each at its own pace.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use farend_core::{
    ring::{Error as RingError, Layout, LayoutError, Liveness, Memory, SlowReader, broadcast},
    sync::{Futex, Shared},
};
use farend_futex::process::namespace;

pub use farend_core::ring::broadcast::Message;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{
    Deadline, Readiness, SegmentError, Values, arrival,
    name::Name,
    process::Processes,
    segment::Segment,
    sys::{Kept, Side},
    values,
};

/// What a ring is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Messages that there is room for: a power of two, at least 2.
    pub capacity_messages: u64,
    /// Octets of the longest message.
    pub message_octets_max: u64,
    /// Subscribers that there can be at a time.
    pub subscribers_max: u32,
    /// What becomes of a subscriber that does not keep up.
    pub slow_reader: SlowReader,
}

impl Default for Options {
    /// Room for 64 messages of 1,024 octets, 8 subscribers; the publisher waits for the
    /// slowest.
    fn default() -> Self {
        Self {
            capacity_messages: 64,
            message_octets_max: 1024,
            subscribers_max: 8,
            slow_reader: SlowReader::Block,
        }
    }
}

impl Options {
    fn layout(self) -> Result<Layout, SegmentError> {
        let layout = Layout::broadcast(
            self.capacity_messages,
            self.message_octets_max,
            self.subscribers_max,
            self.slow_reader,
        );
        layout.map_err(SegmentError::Layout)
    }
}

/// A ring in shared memory.
///
/// Whoever makes a ring with a name removes the name when the ring and its sides
/// are dropped.
#[derive(Debug)]
pub struct Ring(Kept<broadcast::Ring<'static>>);

impl Ring {
    /// Makes a ring of this name (see [`NAME_OCTETS_MAX`](crate::NAME_OCTETS_MAX)).
    /// What a process that was killed left under the name is removed.
    ///
    /// # Errors
    /// [`SegmentError::InUse`] if a living process has made one, and others of
    /// [`SegmentError`].
    pub fn create(name: &str, options: Options) -> Result<Self, SegmentError> {
        let layout = options.layout()?;
        Segment::create(
            &Name::parse(name)?,
            layout.octets(),
            |memory| Self::put(memory, layout),
            |_| Ok(()),
        )
        .map(Self)
    }

    /// Makes a ring without a name, for threads, and for processes that are passed
    /// its file descriptor.
    ///
    /// # Errors
    /// [`SegmentError::Layout`] for options that no ring can have,
    /// [`SegmentError::System`].
    pub fn anonymous(options: Options) -> Result<Self, SegmentError> {
        let layout = options.layout()?;
        let segment = Segment::anonymous(layout.octets())?;
        Ok(Self(Kept::make(segment, |memory| Self::put(memory, layout))?))
    }

    /// Takes the ring of this name that another process has made.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn attach(name: &str) -> Result<Self, SegmentError> {
        Segment::attach(&Name::parse(name)?)?.open(broadcast::Ring::open).map(Self)
    }

    /// Takes the ring behind a file descriptor that another process has passed.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SegmentError> {
        Segment::from_fd(fd)?.open(broadcast::Ring::open).map(Self)
    }

    /// Takes the ring of this name, whatever its options, or makes one if there is none:
    /// for processes of which any may be the first.
    ///
    /// If the maker was killed, this process is the maker from then on. When the maker ends
    /// in order the name ends, whoever else still has the ring: who comes later makes another.
    ///
    /// # Errors
    /// As [`attach`](Self::attach) and [`create`](Self::create).
    pub fn open_or_create(name: &str, options: Options) -> Result<Self, SegmentError> {
        arrival::open_or_create(|| Self::inherit(name), || Self::create(name, options))
    }

    /// Takes the ring of this name as soon as somebody has made it.
    ///
    /// # Errors
    /// [`SegmentError::Missing`] if nobody has until the deadline, and as
    /// [`attach`](Self::attach).
    pub fn attach_when_there(name: &str, deadline: Deadline) -> Result<Self, SegmentError> {
        arrival::when_there(deadline, || Self::attach(name))
    }

    /// What the ring is like.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.0.layout()
    }

    /// Becomes the ring's publisher.
    ///
    /// # Errors
    /// [`RingError::Taken`] by a living one; [`RingError::Corrupt`].
    pub fn publisher(&self) -> Result<Publisher, RingError> {
        self.publisher_over()
    }

    /// Becomes one of the ring's subscribers, from the next message on.
    ///
    /// # Errors
    /// [`RingError::NoReaderFree`].
    pub fn subscriber(&self) -> Result<Subscriber, RingError> {
        self.subscriber_over()
    }

    /// As [`publisher`](Self::publisher), over a backend and a judge of processes
    /// of one's own.
    ///
    /// # Errors
    /// As [`publisher`](Self::publisher).
    pub fn publisher_over<F: Futex<Shared>, L: Liveness>(
        &self,
    ) -> Result<Publisher<F, L>, RingError> {
        self.0.derive(broadcast::Ring::writer).map(Publisher)
    }

    /// As [`subscriber`](Self::subscriber), over a backend and a judge of processes
    /// of one's own.
    ///
    /// # Errors
    /// As [`subscriber`](Self::subscriber).
    pub fn subscriber_over<F: Futex<Shared>, L: Liveness>(
        &self,
    ) -> Result<Subscriber<F, L>, RingError> {
        self.0.derive(broadcast::Ring::reader).map(Subscriber)
    }

    fn inherit(name: &str) -> Result<Self, SegmentError> {
        let name = Name::parse(name)?;
        Segment::attach(&name)?.open_as_heir(&name, broadcast::Ring::open).map(Self)
    }

    fn put(
        memory: Memory<'static>,
        layout: Layout,
    ) -> Result<broadcast::Ring<'static>, LayoutError> {
        broadcast::Ring::create::<Processes>(memory, layout, namespace())
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.segment().fd()
    }
}

/// The side that sends.
#[derive(Debug)]
pub struct Publisher<F: Futex<Shared> = farend_futex::Default, L: Liveness = Processes>(
    Side<broadcast::Writer<'static, F, L>>,
);

impl<F: Futex<Shared>, L: Liveness> Publisher<F, L> {
    pub(crate) const fn of(writer: Side<broadcast::Writer<'static, F, L>>) -> Self {
        Self(writer)
    }

    /// Waits until there are so many subscribers.
    ///
    /// # Errors
    /// [`RingError::TimedOut`].
    pub fn wait_subscribers(
        &mut self,
        subscribers: u32,
        deadline: Deadline<F>,
    ) -> Result<(), RingError> {
        self.0.wait_readers(subscribers, deadline.as_ns())
    }
}

impl Publisher {
    /// A descriptor that tells when there may be room.
    ///
    /// # Errors
    /// What the system says: no descriptor or no thread is left.
    pub fn readiness(&self) -> io::Result<Readiness> {
        Readiness::new(self.0.with(broadcast::Writer::alert))
    }
}

impl<F: Futex<Shared>, L: Liveness> Publisher<F, L> {
    /// Sends a message to all subscribers. With
    /// [`SlowReader::Block`], waits for room if there is none; `false` if the
    /// message was dropped ([`SlowReader::DropNewest`]).
    ///
    /// # Errors
    /// [`RingError::TimedOut`] if a living subscriber does not go on;
    /// [`RingError::TooLong`]; [`RingError::Corrupt`].
    #[inline]
    pub fn send(&mut self, message: &[u8], deadline: Deadline<F>) -> Result<bool, RingError> {
        let mut is_sent = self.0.push(message)?;
        while !is_sent && self.0.slow_reader() == SlowReader::Block {
            self.0.wait_room(deadline.as_ns())?;
            is_sent = self.0.push(message)?;
        }
        self.0.flush();
        Ok(is_sent)
    }

    /// Sends a value as a message; see [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_value<T: IntoBytes + Immutable>(
        &mut self,
        value: &T,
        deadline: Deadline<F>,
    ) -> Result<bool, RingError> {
        self.send(value.as_bytes(), deadline)
    }

    /// Sends a message if there is room; `false` if there is none.
    ///
    /// # Errors
    /// [`RingError::TooLong`]; [`RingError::Corrupt`].
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<bool, RingError> {
        let is_sent = self.0.push(message)?;
        self.0.flush();
        Ok(is_sent)
    }

    /// Stores a message if there is room, without waking subscribers: for many at
    /// once, [`flush`](Self::flush) after the last.
    ///
    /// # Errors
    /// [`RingError::TooLong`]; [`RingError::Corrupt`].
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<bool, RingError> {
        self.0.push(message)
    }

    /// As [`push`](Self::push), of a message that is these words (in the machine's
    /// order of octets) and then these octets, without putting them together first.
    ///
    /// # Errors
    /// [`RingError::TooLong`]; [`RingError::Corrupt`].
    #[inline]
    pub fn push_with_head<const N: usize>(
        &mut self,
        head: [u64; N],
        body: &[u8],
    ) -> Result<bool, RingError> {
        self.0.push_with_head(head, body)
    }

    /// Wakes subscribers that sleep.
    #[inline]
    pub fn flush(&mut self) {
        self.0.flush();
    }

    /// Removes subscribers that are dead; whether there is room now. For whoever waits by
    /// [`readiness`](Self::readiness), which tells of the dead until they are removed.
    pub fn check_subscribers(&mut self) -> bool {
        self.0.check_readers()
    }

    /// How many subscribers there are. Killed ones count until they are noticed.
    #[must_use]
    pub fn subscribers(&self) -> u32 {
        self.0.readers()
    }

    /// Messages dropped so far ([`SlowReader::DropNewest`]).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

/// The side that receives.
#[derive(Debug)]
pub struct Subscriber<F: Futex<Shared> = farend_futex::Default, L: Liveness = Processes>(
    Side<broadcast::Reader<'static, F, L>>,
);

impl<F: Futex<Shared>, L: Liveness> Subscriber<F, L> {
    pub(crate) const fn of(reader: Side<broadcast::Reader<'static, F, L>>) -> Self {
        Self(reader)
    }
}

impl Subscriber {
    /// A descriptor that tells when there may be a message.
    ///
    /// # Errors
    /// What the system says: no descriptor or no thread is left.
    pub fn readiness(&self) -> io::Result<Readiness> {
        Readiness::new(self.0.with(broadcast::Reader::alert))
    }
}

impl<F: Futex<Shared>, L: Liveness> Subscriber<F, L> {
    /// Octets of the longest message.
    #[must_use]
    pub fn message_octets_max(&self) -> usize {
        self.0.message_octets_max()
    }

    /// Copies the next message into `buffer`, and waits for one if there is none.
    /// The result says, too, how many were lost before it
    /// ([`SlowReader::Overwrite`]).
    ///
    /// A message that was shown in place counts as received, here as in the other
    /// calls that receive.
    ///
    /// # Errors
    /// [`RingError::TimedOut`]; [`RingError::PeerDied`] or [`RingError::PeerLeft`]
    /// if nothing is left to receive and nobody to send;
    /// [`RingError::BufferTooShort`]; [`RingError::Corrupt`].
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
            // The publisher overtakes faster than messages can be copied.
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

    /// Copies the next message out as a value, and waits for one if there is none. How
    /// many were lost before it, [`number`](Self::number) tells.
    ///
    /// # Errors
    /// [`RingError::BufferTooShort`] or [`RingError::OtherLength`] if the message is no
    /// `T`; and as [`receive`](Self::receive).
    pub fn receive_value<T: FromBytes + IntoBytes>(
        &mut self,
        deadline: Deadline<F>,
    ) -> Result<T, RingError> {
        values::receive(|buffer| self.receive(buffer, deadline).map(|message| message.octets))
    }

    /// All values to come, until the publisher leaves.
    pub fn values<T: FromBytes + IntoBytes>(
        &mut self,
    ) -> Values<impl FnMut() -> Result<T, RingError>> {
        Values::new(|| self.receive_value(Deadline::NEVER))
    }

    /// Shows the next message where it lies, and waits for one if there is none.
    /// The message stays until [`release`](Self::release) or the next call.
    ///
    /// # Errors
    /// [`RingError::NotInPlace`] with [`SlowReader::Overwrite`], and as
    /// [`receive`](Self::receive).
    #[inline]
    pub fn receive_in_place(&mut self, deadline: Deadline<F>) -> Result<&[u8], RingError> {
        self.0.release()?;
        if !self.0.is_in_place() {
            return Err(RingError::NotInPlace);
        }
        self.0.wait_message(deadline.as_ns())?;
        self.0.peek()?.ok_or(RingError::TimedOut)
    }

    /// Gives the message that was shown last back to the publisher.
    ///
    /// # Errors
    /// [`RingError::Corrupt`] if it changed while it was read.
    pub fn release(&mut self) -> Result<(), RingError> {
        self.0.release()?;
        self.0.flush();
        Ok(())
    }

    /// Looks closely whether the publisher can still send: for whoever waits by
    /// [`readiness`](Self::readiness) and finds nothing more.
    ///
    /// # Errors
    /// [`RingError::PeerDied`] or [`RingError::PeerLeft`] if it cannot.
    pub fn check_peer(&self) -> Result<(), RingError> {
        self.0.check_peer()
    }

    /// Goes back by up to `messages` messages, as far as a ring that overwrites
    /// still has them; gives how many.
    pub fn rewind(&mut self, messages: u64) -> u64 {
        self.0.rewind(messages)
    }

    /// The number of the next message, counted from the ring's first.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number()
    }

    /// Messages that the publisher has dropped so far ([`SlowReader::DropNewest`]).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}
