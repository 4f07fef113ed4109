//! A port over four rings that a kernel shares: fill, rx, tx, completion.
//!
//! ```text
//!   free ──► fill ──► (kernel receives) ──► rx ──► in hand ──► tx ──┐
//!    ▲                                              │ refused       │
//!    └──────────────────────────────────────────────┘               │
//!    └───────────── completion ◄──────────── (kernel sends) ◄───────┘
//! ```
//!
//! A frame that is turned round moves its descriptor from rx to tx; its octets
//! never move. The rules, each of which others have broken:
//! - a chunk is free when the kernel completes it, never when it is sent;
//! - what finds no room in tx stays with the caller;
//! - a kick goes on until the kernel has taken all of tx, or takes no more;
//! - completions are taken at each turn, an idle one's too;
//! - no descriptor of the kernel's is believed: see [`FramePool`];
//! - no packet in several frames is split, on the way in or out.
//!
//! The maker brings memory and calls ([`Kernel`]) and nothing else.

mod kick;
mod receive;
mod transmit;
mod turn;
mod watch;

use core::fmt;

pub use watch::{Progress, StuckRing, Watch};

use farend_core::{
    Caller, Counters, Policy,
    port::{
        self, Burst, Frame, FramePool, Limits, Observer, PoolId, Port, Turn,
        pool::{Places, PoolError},
    },
};

use crate::ring::{AddressSlot, Consumer, DescriptorSlot, Producer, RingError, RingMemory};

/// The other side of a [`Queue`]: the memory it shares and how it is told.
pub trait Kernel {
    /// Why the kernel cannot be told any more.
    type Error: core::error::Error + 'static;

    /// The memory of the fill and completion rings.
    type Addresses: RingMemory<Slot = AddressSlot>;

    /// The memory of the rx and tx rings.
    type Descriptors: RingMemory<Slot = DescriptorSlot>;

    /// One word for each chunk, the queue's own.
    type Words: AsRef<[u32]> + AsMut<[u32]>;

    /// Borrows octets of the shared memory, or `None` if it has not that many there.
    fn octets(&mut self, held: &Held) -> Option<&mut [u8]>;

    /// Tells the kernel to look at the tx ring. That it is busy, or took only
    /// a part, is no error.
    ///
    /// # Errors
    ///
    /// It will never look again.
    fn wake_transmit(&mut self) -> Result<(), Self::Error>;

    /// Tells the kernel to look at the fill ring; else as
    /// [`wake_transmit`](Self::wake_transmit).
    ///
    /// # Errors
    ///
    /// It will never look again.
    fn wake_receive(&mut self) -> Result<(), Self::Error>;
}

/// Octets of one frame that the kernel does not hold.
///
/// Only a queue makes one, right after its ledger said so, and it cannot be kept: who
/// is shown one may borrow the octets.
#[derive(Debug)]
pub struct Held {
    address: u64,
    octets: u32,
}

impl Held {
    /// Where they start in the shared memory.
    #[must_use]
    #[inline(always)]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// How many they are. They lie in one chunk of the queue's pool.
    #[must_use]
    #[inline(always)]
    pub const fn octets(&self) -> u32 {
        self.octets
    }
}

/// What a [`Queue`] is made of.
#[derive(Debug)]
pub struct Parts<K: Kernel> {
    /// Memory and calls.
    pub kernel: K,
    /// Chunks to be received into.
    pub fill: K::Addresses,
    /// Received frames.
    pub rx: K::Descriptors,
    /// Frames to be sent.
    pub tx: K::Descriptors,
    /// Chunks of sent frames.
    pub completion: K::Addresses,
    /// One word for each chunk.
    pub words: K::Words,
    /// The name of the pool.
    pub pool: PoolId,
    /// The address of the queue's first chunk in the shared memory.
    pub base: u64,
    /// Octets of a chunk.
    pub chunk_octets: u32,
    /// What the port can do.
    pub limits: Limits,
}

/// One queue of an interface over four rings.
#[derive(Debug)]
pub struct Queue<K: Kernel> {
    kernel: K,
    fill: Producer<K::Addresses>,
    rx: Consumer<K::Descriptors>,
    tx: Producer<K::Descriptors>,
    completion: Consumer<K::Addresses>,
    pool: FramePool<K::Words>,
    limits: Limits,
    /// Whether the rest of a packet is still to be thrown away.
    is_skipping: bool,
    /// Packets that were handed to the tx ring.
    packets: u64,
    losses: Losses,
}

/// What a queue had to throw away, by cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Descriptors of the kernel's that cannot be.
    pub corrupt_descriptors: u64,
    /// Frames of received packets that are in more pieces than a burst holds,
    /// or of which a piece was corrupt.
    pub receive_broken_frames: u64,
    /// Frames that cannot be sent: without octets, or of packets in more pieces
    /// than the tx ring holds.
    pub unsendable_frames: u64,
}

/// Chunks by their place, and ring by ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// Free.
    pub free: u32,
    /// In the fill ring, or with the kernel.
    pub fill: u32,
    /// In the rx ring.
    pub rx: u32,
    /// In hand.
    pub hand: u32,
    /// In the tx ring, or with the kernel.
    pub tx: u32,
    /// In the completion ring.
    pub completion: u32,
}

impl Ledger {
    /// All chunks.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let Self { free, fill, rx, hand, tx, completion } = *self;
        [free, fill, rx, hand, tx, completion].into_iter().map(u64::from).sum()
    }
}

/// Why a queue cannot go on.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum QueueError<E> {
    /// A ring that cannot be worked with.
    Ring {
        /// `fill`, `rx`, `tx` or `completion`.
        ring: &'static str,
        /// What it is.
        error: RingError,
    },
    /// Memory that no pool can be made of.
    Pool(PoolError),
    /// A frame that is none of this queue's in hand was to be sent.
    ForeignFrame,
    /// The kernel cannot be told any more.
    Kernel(E),
}

impl<E: fmt::Display> fmt::Display for QueueError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring { ring, error } => write!(f, "the {ring} ring is broken: {error}"),
            Self::Pool(error) => error.fmt(f),
            Self::ForeignFrame => f.write_str("a frame of another pool was to be sent"),
            Self::Kernel(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for QueueError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Ring { error, .. } => Some(error),
            Self::Pool(_) | Self::ForeignFrame => None,
            Self::Kernel(error) => error.source(),
        }
    }
}

/// As many entries of a ring, for frames of a burst.
#[inline(always)]
fn entries(frames: usize) -> u32 {
    u32::try_from(frames).unwrap_or(u32::MAX)
}

/// Says which ring an error is about.
fn of<E>(ring: &'static str) -> impl Fn(RingError) -> QueueError<E> {
    move |error| QueueError::Ring { ring, error }
}

impl<K: Kernel> Queue<K> {
    /// Makes a queue, and fills the fill ring.
    ///
    /// # Errors
    ///
    /// Memory that is no ring or no pool.
    pub fn new(parts: Parts<K>) -> Result<Self, QueueError<K::Error>> {
        let Parts { kernel, fill, rx, tx, completion, words, pool, base, chunk_octets, limits } =
            parts;
        let mut queue = Self {
            kernel,
            fill: Producer::new(fill).map_err(of("fill"))?,
            rx: Consumer::new(rx).map_err(of("rx"))?,
            tx: Producer::new(tx).map_err(of("tx"))?,
            completion: Consumer::new(completion).map_err(of("completion"))?,
            pool: FramePool::new(words, pool, base, chunk_octets).map_err(QueueError::Pool)?,
            limits,
            is_skipping: false,
            packets: 0,
            losses: Losses::default(),
        };
        queue.recirculate()?;
        Ok(queue)
    }

    /// The other side.
    #[must_use]
    pub const fn kernel(&self) -> &K {
        &self.kernel
    }

    /// The other side, for calls of the maker's own.
    #[must_use]
    pub const fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// Where a frame in hand stands in the shared memory, and its octets, or
    /// `None` if it is none of this queue's in hand.
    #[must_use]
    pub fn locate(&self, frame: &Frame) -> Option<(u64, u32)> {
        self.pool.locate(frame)
    }

    /// What was thrown away.
    #[must_use]
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Packets whose memory the kernel has given back after sending; where packets have
    /// several chunks, at least so many, until [all are](Self::is_drained).
    #[must_use]
    pub fn sent_packets(&self) -> u64 {
        let under_way = self.tx.submitted().wrapping_sub(self.completion.released());
        self.packets.saturating_sub(under_way.into())
    }

    /// Whether the kernel has taken all that was to be sent, and given it back.
    ///
    /// # Errors
    ///
    /// A ring is broken.
    pub fn is_drained(&mut self) -> Result<bool, QueueError<K::Error>> {
        self.reap()?;
        Ok(self.tx.submitted() == self.completion.released())
    }

    /// Where each chunk is, by looking at all of them.
    ///
    /// # Errors
    ///
    /// A ring is broken.
    pub fn ledger(&mut self) -> Result<Ledger, QueueError<K::Error>> {
        let Places { free, fill, hand, tx } = self.pool.places();
        let rx = self.rx.ready().map_err(of("rx"))?;
        let completion = self.completion.ready().map_err(of("completion"))?;
        // A kernel that lies about its rings does not make a sum wrap.
        Ok(Ledger {
            free,
            fill: fill.saturating_sub(rx),
            rx: rx.min(fill),
            hand,
            tx: tx.saturating_sub(completion),
            completion: completion.min(tx),
        })
    }
}

impl<K: Kernel> Queue<K> {
    /// The turn that every port has.
    #[inline(never)]
    fn turn_in_steps<const N: usize, C: Caller, O: Observer>(
        &mut self,
        policy: &Policy,
        caller: &mut C,
        counters: &mut Counters,
        observer: &mut O,
        pending: &mut Burst<N>,
    ) -> Result<Turn, QueueError<K::Error>> {
        port::turn(self, policy, caller, counters, observer, pending)
    }
}

impl<K: Kernel> Port for Queue<K> {
    type Error = QueueError<K::Error>;

    fn limits(&self) -> &Limits {
        &self.limits
    }

    #[inline]
    fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), Self::Error> {
        self.recirculate()?;
        self.take_received(burst)
    }

    #[inline]
    fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), Self::Error> {
        self.hand_over(burst)
    }

    fn reserve<const N: usize>(&mut self, burst: &mut Burst<N>) {
        while burst.room() > 0
            && let Some(frame) = self.pool.reserve()
        {
            // There is room.
            let _none_refused = burst.push(frame);
        }
    }

    #[inline]
    fn recycle<const N: usize>(&mut self, burst: &mut Burst<N>) {
        for _ in 0..burst.len() {
            let Some(frame) = burst.pop_front() else { break };
            if let Err(foreign) = self.pool.recycle(frame) {
                // Where it was, now behind the others.
                let _none_refused = burst.push(foreign);
            }
        }
    }

    #[inline(always)]
    fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]> {
        let (address, octets) = self.pool.locate(frame)?;
        self.kernel.octets(&Held { address, octets })
    }

    #[inline]
    fn kick(&mut self) -> Result<(), Self::Error> {
        self.kick_until_drained()
    }

    #[inline(always)]
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
        let mut turn = Turn::default();
        if !O::IS_LOOKING && pending.is_empty() {
            let (done, is_whole) = self.turn_in_one_pass(policy, caller, counters)?;
            if is_whole {
                self.kick()?;
                return Ok(done);
            }
            turn = done;
        }
        let rest = self.turn_in_steps(policy, caller, counters, observer, pending)?;
        turn.received_frames = turn.received_frames.saturating_add(rest.received_frames);
        turn.transmitted_frames = turn.transmitted_frames.saturating_add(rest.transmitted_frames);
        turn.pending_frames = rest.pending_frames;
        Ok(turn)
    }
}
