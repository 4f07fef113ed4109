//! What all workers share.
#![expect(unsafe_code, reason = "a structure of shared types is one, by promise")]

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    process,
    sync::atomic::AtomicU64,
};

use anyhow::{Context as _, Result};
use farend_core::sync::SharedLayout;
use farend_futex::{
    linux::Memory,
    shared::{Condvar, Event, Mutex, RwLock, Semaphore},
};

/// What the workers of the seats do.
pub(crate) const SEATS: [Role; 14] = [
    Role::Locker,
    Role::Locker,
    Role::Locker,
    Role::Sender,
    Role::Receiver,
    Role::Publisher,
    Role::Subscriber,
    Role::ChannelSender,
    Role::ChannelSender,
    Role::ChannelReceiver,
    Role::RouteSender,
    Role::RouteReceiver,
    Role::Namer,
    Role::Namer,
];

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Uses every lock and signal.
    Locker,
    /// Sends into the ring of one sender and one receiver.
    Sender,
    /// Receives from it.
    Receiver,
    /// Publishes into the ring of many subscribers.
    Publisher,
    /// Receives from it.
    Subscriber,
    /// Is one of the senders of a channel.
    ChannelSender,
    /// Receives from all of them.
    ChannelReceiver,
    /// Sends into a route.
    RouteSender,
    /// Receives from it.
    RouteReceiver,
    /// Uses locks and signals that are found by a name.
    Namer,
}

/// The locks, and what the workers tell.
#[repr(C)]
pub(crate) struct World {
    /// Both numbers are equal, unless their owner died in between.
    pub(crate) mutex: Mutex<[u64; 2]>,
    /// As above.
    pub(crate) rwlock: RwLock<[u64; 2]>,
    pub(crate) turns: Mutex<u64>,
    pub(crate) turned: Condvar,
    pub(crate) tokens: Semaphore,
    pub(crate) event: Event,
    pub(crate) seats: [Seat; SEATS.len()],
}

/// What the workers of one seat have done, one after the other.
#[repr(C, align(128))]
pub(crate) struct Seat {
    /// Operations that succeeded: locks taken, messages passed.
    pub(crate) operations: AtomicU64,
    /// Locks that were taken from the dead.
    pub(crate) owners_died: AtomicU64,
    /// Messages that arrived whole.
    pub(crate) messages: AtomicU64,
    /// Messages that the ring told to be lost.
    pub(crate) lagged: AtomicU64,
}

// SAFETY: repr(C), each field is such a type; of the seats, atomic words.
unsafe impl SharedLayout for World {}

/// The world's memory, for as long as this process lives.
pub(crate) struct Shared {
    pub(crate) world: &'static World,
    memory: Memory,
}

impl Shared {
    /// Makes a world, in which nothing has happened.
    pub(crate) fn create() -> Result<Self> {
        Self::of(Memory::create::<World>().context("cannot make shared memory")?)
    }

    /// Opens the coordinator's.
    pub(crate) fn open(coordinator: u32, memory: i32) -> Result<Self> {
        Self::of(Memory::open_in(coordinator, memory).context("cannot open shared memory")?)
    }

    /// Under which process and number others open it.
    pub(crate) fn place(&self) -> (u32, i32) {
        (process::id(), self.memory.as_fd().as_raw_fd())
    }

    fn of(memory: Memory) -> Result<Self> {
        // SAFETY: whoever opens it is this program, the same build.
        let world = unsafe { memory.map() }.context("cannot map shared memory")?;
        Ok(Self { world, memory })
    }
}
