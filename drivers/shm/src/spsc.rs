//! One sender, one receiver, records of any length.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use farend_core::{
    ring::{Error as RingError, Layout, LayoutError, Liveness, Memory, spsc},
    sync::{Futex, Shared},
};
use farend_futex::process::namespace;

pub use farend_core::ring::spsc::Loan;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{
    Deadline, Readiness, SegmentError, Values, arrival,
    name::Name,
    process::Processes,
    segment::Segment,
    sys::{Kept, Side},
    values,
};

/// A ring in shared memory. Each of its two sides can be taken once.
///
/// Whoever makes a ring with a name removes the name when the ring and its sides
/// are dropped.
#[derive(Debug)]
pub struct Ring(Kept<spsc::Ring<'static>>);

impl Ring {
    /// Makes a ring of this name (see [`NAME_OCTETS_MAX`](crate::NAME_OCTETS_MAX)),
    /// with `capacity_octets` for records: a power of two. What a process that was
    /// killed left under the name is removed.
    ///
    /// # Errors
    /// [`SegmentError::InUse`] if a living process has made one, and others of
    /// [`SegmentError`].
    pub fn create(name: &str, capacity_octets: u64) -> Result<Self, SegmentError> {
        let layout = Layout::spsc(capacity_octets)?;
        let make = |memory| Self::put(memory, &layout);
        Segment::create(&Name::parse(name)?, layout.octets(), make, |_| Ok(())).map(Self)
    }

    /// Makes a ring without a name, for threads, and for processes that are passed
    /// its file descriptor.
    ///
    /// # Errors
    /// [`SegmentError::Layout`] for a capacity that no ring can have,
    /// [`SegmentError::System`].
    pub fn anonymous(capacity_octets: u64) -> Result<Self, SegmentError> {
        let layout = Layout::spsc(capacity_octets)?;
        let segment = Segment::anonymous(layout.octets())?;
        Ok(Self(Kept::make(segment, |memory| Self::put(memory, &layout))?))
    }

    /// Takes the ring of this name that another process has made.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn attach(name: &str) -> Result<Self, SegmentError> {
        Segment::attach(&Name::parse(name)?)?.open(spsc::Ring::open).map(Self)
    }

    /// Takes the ring behind a file descriptor that another process has passed.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SegmentError> {
        Segment::from_fd(fd)?.open(spsc::Ring::open).map(Self)
    }

    /// Takes the ring of this name, whatever its capacity, or makes one if there is none:
    /// for processes of which any may be the first.
    ///
    /// If the maker was killed, this process is the maker from then on. When the maker ends
    /// in order the name ends, whoever else still has the ring: who comes later makes another.
    ///
    /// # Errors
    /// As [`attach`](Self::attach) and [`create`](Self::create).
    pub fn open_or_create(name: &str, capacity_octets: u64) -> Result<Self, SegmentError> {
        arrival::open_or_create(|| Self::inherit(name), || Self::create(name, capacity_octets))
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

    /// Becomes the ring's sender.
    ///
    /// # Errors
    /// [`RingError::Taken`] by a living one; [`RingError::Corrupt`].
    pub fn sender(&self) -> Result<Sender, RingError> {
        self.sender_over()
    }

    /// Becomes the ring's receiver.
    ///
    /// # Errors
    /// [`RingError::Taken`] by a living one; [`RingError::Corrupt`].
    pub fn receiver(&self) -> Result<Receiver, RingError> {
        self.receiver_over()
    }

    /// As [`sender`](Self::sender), over a backend and a judge of processes of
    /// one's own.
    ///
    /// # Errors
    /// As [`sender`](Self::sender).
    pub fn sender_over<F: Futex<Shared>, L: Liveness>(&self) -> Result<Sender<F, L>, RingError> {
        self.0.derive(spsc::Ring::producer).map(Sender)
    }

    /// As [`receiver`](Self::receiver), over a backend and a judge of processes of
    /// one's own.
    ///
    /// # Errors
    /// As [`receiver`](Self::receiver).
    pub fn receiver_over<F: Futex<Shared>, L: Liveness>(
        &self,
    ) -> Result<Receiver<F, L>, RingError> {
        self.0.derive(spsc::Ring::consumer).map(Receiver)
    }

    fn inherit(name: &str) -> Result<Self, SegmentError> {
        let name = Name::parse(name)?;
        Segment::attach(&name)?.open_as_heir(&name, spsc::Ring::open).map(Self)
    }

    fn put(memory: Memory<'static>, layout: &Layout) -> Result<spsc::Ring<'static>, LayoutError> {
        spsc::Ring::create::<Processes>(memory, layout.capacity(), namespace())
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.segment().fd()
    }
}

/// The side that sends.
#[derive(Debug)]
pub struct Sender<F: Futex<Shared> = farend_futex::Default, L: Liveness = Processes>(
    Side<spsc::Producer<'static, F, L>>,
);

impl<F: Futex<Shared>, L: Liveness> Sender<F, L> {
    pub(crate) const fn of(producer: Side<spsc::Producer<'static, F, L>>) -> Self {
        Self(producer)
    }
}

impl<F: Futex<Shared>, L: Liveness> Receiver<F, L> {
    pub(crate) const fn of(consumer: Side<spsc::Consumer<'static, F, L>>) -> Self {
        Self(consumer)
    }
}

impl Sender {
    /// A descriptor that tells when there may be room.
    ///
    /// # Errors
    /// What the system says: no descriptor or no thread is left.
    pub fn readiness(&self) -> io::Result<Readiness> {
        Readiness::new(self.0.with(spsc::Producer::alert))
    }
}

impl<F: Futex<Shared>, L: Liveness> Sender<F, L> {
    /// Octets of the longest record.
    #[must_use]
    pub fn record_octets_max(&self) -> usize {
        self.0.record_octets_max()
    }

    /// Sends a record, and waits for room if there is none.
    ///
    /// # Errors
    /// [`RingError::TimedOut`]; [`RingError::PeerDied`] or [`RingError::PeerLeft`]
    /// if the ring is full and nobody is left to make room;
    /// [`RingError::TooLong`]; [`RingError::Corrupt`].
    #[inline]
    pub fn send(&mut self, record: &[u8], deadline: Deadline<F>) -> Result<(), RingError> {
        while !self.0.push(record)? {
            self.0.wait_room(record.len(), deadline.as_ns())?;
        }
        self.0.flush();
        Ok(())
    }

    /// Sends a value as a record; see [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_value<T: IntoBytes + Immutable>(
        &mut self,
        value: &T,
        deadline: Deadline<F>,
    ) -> Result<(), RingError> {
        self.send(value.as_bytes(), deadline)
    }

    /// Sends a record if there is room; `false` if there is none.
    ///
    /// # Errors
    /// [`RingError::TooLong`]; [`RingError::Corrupt`].
    #[inline]
    pub fn try_send(&mut self, record: &[u8]) -> Result<bool, RingError> {
        let is_sent = self.0.push(record)?;
        self.0.flush();
        Ok(is_sent)
    }

    /// Stores a record if there is room, without waking the receiver: for many at
    /// once, [`flush`](Self::flush) after the last.
    ///
    /// # Errors
    /// [`RingError::TooLong`]; [`RingError::Corrupt`].
    #[inline]
    pub fn push(&mut self, record: &[u8]) -> Result<bool, RingError> {
        self.0.push(record)
    }

    /// Wakes the receiver, if it sleeps.
    #[inline]
    pub fn flush(&mut self) {
        self.0.flush();
    }

    /// Looks closely whether the receiver can still receive: for whoever waits by
    /// [`readiness`](Self::readiness) and finds nothing more.
    ///
    /// # Errors
    /// [`RingError::PeerDied`] or [`RingError::PeerLeft`] if it cannot.
    pub fn check_peer(&self) -> Result<(), RingError> {
        self.0.check_peer()
    }

    /// Lends room for a record of `octets` octets, to be written in place and then
    /// sent ([`Loan::send`]). Waits for room if there is none.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn reserve(
        &mut self,
        octets: usize,
        deadline: Deadline<F>,
    ) -> Result<Loan<'_, 'static, F, L>, RingError> {
        self.0.wait_room(octets, deadline.as_ns())?;
        self.0.reserve(octets)?.ok_or(RingError::TimedOut)
    }
}

/// The side that receives.
#[derive(Debug)]
pub struct Receiver<F: Futex<Shared> = farend_futex::Default, L: Liveness = Processes>(
    Side<spsc::Consumer<'static, F, L>>,
);

impl Receiver {
    /// A descriptor that tells when there may be a record.
    ///
    /// # Errors
    /// What the system says: no descriptor or no thread is left.
    pub fn readiness(&self) -> io::Result<Readiness> {
        Readiness::new(self.0.with(spsc::Consumer::alert))
    }
}

impl<F: Futex<Shared>, L: Liveness> Receiver<F, L> {
    /// Receives the next record, where it lies, and waits for one if there is
    /// none. The record stays until the next call.
    ///
    /// # Errors
    /// [`RingError::TimedOut`]; [`RingError::PeerDied`] or [`RingError::PeerLeft`]
    /// if nothing is left to receive and nobody to send; [`RingError::Corrupt`].
    #[inline]
    pub fn receive(&mut self, deadline: Deadline<F>) -> Result<&[u8], RingError> {
        self.0.release();
        self.0.wait_record(deadline.as_ns())?;
        self.0.peek()?.ok_or(RingError::TimedOut)
    }

    /// Copies the next record into `buffer`, and waits for one if there is none; gives its
    /// octets. No peer, however broken, can change what was copied.
    ///
    /// # Errors
    /// [`RingError::BufferTooShort`], and the record is still the next; and as
    /// [`receive`](Self::receive).
    #[inline]
    pub fn receive_copy(
        &mut self,
        buffer: &mut [u8],
        deadline: Deadline<F>,
    ) -> Result<usize, RingError> {
        self.0.release();
        self.0.wait_record(deadline.as_ns())?;
        self.0.read(buffer)?.ok_or(RingError::TimedOut)
    }

    /// Copies the next record out as a value, and waits for one if there is none.
    ///
    /// # Errors
    /// [`RingError::BufferTooShort`] or [`RingError::OtherLength`] if the record is no
    /// `T`; and as [`receive`](Self::receive).
    pub fn receive_value<T: FromBytes + IntoBytes>(
        &mut self,
        deadline: Deadline<F>,
    ) -> Result<T, RingError> {
        values::receive(|buffer| self.receive_copy(buffer, deadline))
    }

    /// All values to come, until the sender leaves.
    pub fn values<T: FromBytes + IntoBytes>(
        &mut self,
    ) -> Values<impl FnMut() -> Result<T, RingError>> {
        Values::new(|| self.receive_value(Deadline::NEVER))
    }

    /// Receives the next record, where it lies, if there is one. The record stays
    /// until the next call.
    ///
    /// # Errors
    /// [`RingError::Corrupt`].
    #[inline]
    pub fn try_receive(&mut self) -> Result<Option<&[u8]>, RingError> {
        self.0.release();
        self.0.peek()
    }

    /// Looks closely whether the sender can still send: for whoever waits by
    /// [`readiness`](Self::readiness) and finds nothing more.
    ///
    /// # Errors
    /// [`RingError::PeerDied`] or [`RingError::PeerLeft`] if it cannot.
    pub fn check_peer(&self) -> Result<(), RingError> {
        self.0.check_peer()
    }

    /// Gives the room of all records so far back to the sender now. It is given
    /// back anyway, in groups, at the latest when the ring is found empty.
    pub fn flush(&mut self) {
        self.0.release();
        self.0.flush();
    }
}

impl<F: Futex<Shared>, L: Liveness> Drop for Receiver<F, L> {
    fn drop(&mut self) {
        // What was received is not to be received again, except by the parent of a
        // forked child.
        if self.0.is_own() {
            self.0.release();
        }
    }
}
