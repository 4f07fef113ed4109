//! Many senders, many receivers: each receiver gets every message.
//!
//! | offset | octets | what | written by |
//! |---|---|---|---|
//! | 0 | 128 | header ([`layout`](super::layout)) | creator |
//! | 128 | 8 | doorbell of the receivers | all, receivers rarely |
//! | 136 | 4 | lanes that ever had a sender, a bit for each | senders |
//! | 256 + 128 r | 8 | who receiver r is | receiver r |
//! | 256 + 128 receivers | | lanes | their senders |
//!
//! A lane is a [broadcast ring](super::broadcast) (with room for a header that it does not
//! have) for one sender, and each receiver reads all of them. So no two senders write to the
//! same word, a sender that is killed leaves nothing that others wait for, and what a
//! broadcast ring promises holds here too. All lanes ring one doorbell, on which receivers
//! sleep.
//!
//! Messages of one sender come in their order; those of two senders come in any order, and
//! not in the same one to all receivers.
//!
//! With one receiver this is a queue of many producers and one consumer.

mod receiver;

pub use receiver::{Message, Receiver};

use super::{
    Error, Kind, LINE_OCTETS, Layout, LayoutError, Liveness, Memory, SlowReader, broadcast,
    doorbell::Doorbell,
    layout::HEADER_OCTETS,
    owner::Claim,
    seeded::{Fault, death_point, is_seeded},
};
use crate::sync::{
    Futex, Shared,
    primitive::{AtomicU32, Ordering},
};

/// The most senders that a channel can be made for. Less for the model checkers, whose
/// threads have small stacks.
pub const SENDERS_MAX: u32 = if cfg!(any(farend_loom, farend_shuttle)) { 5 } else { 32 };

/// The same, to count with.
const LANES: usize = SENDERS_MAX as usize;

/// The most receivers that a channel can be made for.
pub const RECEIVERS_MAX: u32 = broadcast::READERS_MAX;

const BELL_OFFSET: usize = HEADER_OCTETS;
const USED_OFFSET: usize = BELL_OFFSET + 8;
const PLACES_OFFSET: usize = BELL_OFFSET + LINE_OCTETS;

/// The side that sends: the writer of a lane.
pub type Sender<'m, F, L> = broadcast::Writer<'m, F, L>;

/// Octets of a lane that is such a ring.
const fn lane_octets(lane: &Layout) -> u64 {
    // A lane has far fewer octets than would turn round.
    let line_octets = LINE_OCTETS as u64;
    lane.octets().wrapping_add(line_octets - 1) & !(line_octets - 1)
}

/// Where the lanes start. There are at most [`RECEIVERS_MAX`] receivers.
const fn lanes_offset(receivers_max: u32) -> u64 {
    (PLACES_OFFSET as u64).wrapping_add((receivers_max as u64).wrapping_mul(LINE_OCTETS as u64))
}

/// Octets of a channel with so many such lanes. A lane has at most 2^40 octets, and a few.
pub(super) const fn octets(lane: &Layout, senders_max: u32) -> u64 {
    let lanes = lane_octets(lane).wrapping_mul(senders_max as u64);
    lanes_offset(lane.readers_max()).wrapping_add(lanes)
}

/// A channel, seen by neither a sender nor a receiver.
#[derive(Debug, Clone, Copy)]
pub struct Channel<'m> {
    layout: Layout,
    lane: Layout,
    memory: Memory<'m>,
    bell: Doorbell<'m>,
    /// A bit for each lane that ever had a sender.
    used: &'m AtomicU32,
}

impl<'m> Channel<'m> {
    /// Makes a channel in memory that is all zero; the numbers are those of
    /// [`Layout::channel`]. `realm` says where process ids are known (on Linux, the pid
    /// namespace); 0 if there is one realm only.
    ///
    /// # Errors
    /// [`LayoutError::Kind`], [`LayoutError::Truncated`], [`LayoutError::NotBlank`].
    pub fn create<L: Liveness>(
        memory: Memory<'m>,
        layout: Layout,
        realm: u64,
    ) -> Result<Self, LayoutError> {
        if layout.kind() != Kind::Channel {
            return Err(LayoutError::Kind { found: Some(layout.kind()) });
        }
        layout.write::<L>(&memory, realm)?;
        let channel = Self::of(memory, layout)?;
        Layout::publish(&memory)?;
        Ok(channel)
    }

    /// Takes a channel that another process or thread has made.
    ///
    /// # Errors
    /// [`LayoutError`], if it is none of this kind and version.
    pub fn open(memory: Memory<'m>) -> Result<Self, LayoutError> {
        let layout = Layout::read_kind(&memory, Kind::Channel)?;
        Self::of(memory, layout)
    }

    /// What the channel is like.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Becomes one of the channel's senders. In the place of one that died, it goes on
    /// after that one's last whole message.
    ///
    /// # Errors
    /// [`Error::NoSenderFree`]; [`Error::Corrupt`].
    pub fn sender<F: Futex<Shared>, L: Liveness>(&self) -> Result<Sender<'m, F, L>, Error> {
        for (index, lane) in self.lanes() {
            // Before the sender is there: a message in a lane without its bit is not found.
            if !is_seeded(Fault::LaneUnmarked) {
                // Release: pairs with the Acquire in `is_used`.
                self.used.fetch_or(bit(index), Ordering::Release);
            }
            death_point();
            // Rings, so that receivers that sleep learn for whom.
            match lane.writer::<F, L>() {
                Err(Error::Taken(_)) => {}
                taken => return taken,
            }
        }
        Err(Error::NoSenderFree { senders_max: self.layout.senders_max() })
    }

    /// Becomes one of the channel's receivers, from each sender's next message on.
    ///
    /// # Errors
    /// [`Error::NoReaderFree`]; [`Error::Corrupt`].
    pub fn receiver<F: Futex<Shared>, L: Liveness>(&self) -> Result<Receiver<'m, F, L>, Error> {
        for index in 0..self.layout.readers_max() {
            let Some(place) = self.place(index) else { break };
            if place.take::<L>().is_ok() {
                return Receiver::new(*self, place, index).inspect_err(|_| place.leave::<L>());
            }
        }
        Err(Error::NoReaderFree { readers_max: self.layout.readers_max() })
    }

    /// How many senders there are. Dead ones count until another takes their place.
    #[must_use]
    pub fn senders(&self) -> usize {
        self.lanes().filter(|(_, lane)| lane.writer_claim().owner().is_process()).count()
    }

    /// How many receivers there are. Dead ones count until another takes their place.
    #[must_use]
    pub fn receivers(&self) -> usize {
        let places = (0..self.layout.readers_max()).map_while(|index| self.place(index));
        places.filter(|place| place.owner().is_process()).count()
    }

    fn of(memory: Memory<'m>, layout: Layout) -> Result<Self, LayoutError> {
        let truncated =
            LayoutError::Truncated { octets: memory.octets() as u64, wanted: layout.octets() };
        if truncated_by(&memory, &layout) {
            return Err(truncated);
        }
        let bell = Doorbell::at(&memory, BELL_OFFSET).ok_or(truncated)?;
        let used = memory.word32(USED_OFFSET).ok_or(truncated)?;
        Ok(Self { layout, lane: layout.lane()?, memory, bell, used })
    }

    /// The lanes, in their order, with their numbers.
    fn lanes(self) -> impl Iterator<Item = (usize, broadcast::Ring<'m>)> {
        (0..self.layout.senders_max())
            .map_while(move |index| Some((usize::try_from(index).ok()?, self.lane(index)?)))
    }

    fn lane(&self, index: u32) -> Option<broadcast::Ring<'m>> {
        let offset = lane_octets(&self.lane)
            .wrapping_mul(u64::from(index))
            .wrapping_add(lanes_offset(self.layout.readers_max()));
        let octets = usize::try_from(self.lane.octets()).ok()?;
        let memory = self.memory.part(usize::try_from(offset).ok()?, octets)?;
        broadcast::Ring::lane(&memory, self.lane, self.bell)
    }

    /// Whether a lane ever had a sender.
    fn is_used(&self, lane: usize) -> bool {
        // Acquire: pairs with the Release in `sender`.
        self.used.load(Ordering::Acquire) & bit(lane) != 0
    }

    /// Who a receiver is.
    fn place(&self, index: u32) -> Option<Claim<'m>> {
        let offset = usize::try_from(index).ok()?.checked_mul(LINE_OCTETS)?;
        self.memory.word64(PLACES_OFFSET.checked_add(offset)?).map(Claim)
    }

    /// Who the senders are, of lanes that were ever used, and the numbers of those.
    pub(super) fn sender_claims(self) -> impl Iterator<Item = (usize, Claim<'m>)> {
        let lanes = self.lanes();
        let used = lanes.filter(move |(lane, _)| self.is_used(*lane));
        used.map(|(lane, ring)| (lane, ring.writer_claim()))
    }

    /// A bit for each lane whose sender is dead.
    pub(super) fn dead_senders<L: Liveness>(self) -> u32 {
        let dead = self.sender_claims().filter(|(_, claim)| {
            let owner = claim.owner();
            owner.is_process() && !L::is_alive(owner)
        });
        dead.fold(0, |all, (lane, _)| all | bit(lane))
    }
}

/// The bit of a lane.
pub(super) fn bit(lane: usize) -> u32 {
    u32::try_from(lane).map_or(0, |lane| 1_u32.wrapping_shl(lane))
}

fn truncated_by(memory: &Memory<'_>, layout: &Layout) -> bool {
    (memory.octets() as u64) < layout.octets()
}

impl Layout {
    /// A channel for up to `senders_max` senders and `receivers_max` receivers; each sender
    /// has room for `capacity_messages` (a power of two, at least 2) of up to
    /// `message_octets_max` octets.
    ///
    /// # Errors
    /// [`LayoutError::Senders`], and those of [`broadcast`](Self::broadcast).
    pub fn channel(
        capacity_messages: u64,
        message_octets_max: u64,
        senders_max: u32,
        receivers_max: u32,
        slow_reader: SlowReader,
    ) -> Result<Self, LayoutError> {
        if senders_max == 0 || senders_max > SENDERS_MAX {
            return Err(LayoutError::Senders { found: senders_max });
        }
        let lane =
            Self::broadcast(capacity_messages, message_octets_max, receivers_max, slow_reader)?;
        Ok(lane.times(senders_max))
    }
}
