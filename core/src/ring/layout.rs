//! The header that every ring starts with, and what it says.
//!
//! | offset | octets | field |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 4 | version |
//! | 12 | 4 | kind |
//! | 16 | 4 | state: 0 blank, 1 initialising, 2 ready |
//! | 20 | 4 | policy for slow readers |
//! | 24 | 8 | capacity: octets of data (SPSC, data), messages (broadcast) |
//! | 32 | 8 | octets of the longest message; of data, the hash of its type |
//! | 40 | 4 | readers there can be |
//! | 44 | 4 | senders there can be (channel) |
//! | 48 | 8 | octets of the whole ring |
//! | 56 | 8 | creator: process id, start time |
//! | 64 | 8 | realm in which process ids are known |
//! | 72 | 8 | identity: a random number, another one in each segment; 0 for none |
//! | 80 | 8 | realm in which ids of lock owners are known (data); 0 if that is the one above |
//!
//! Numbers are in the order of octets of the machine: the peers are on one.

mod error;

pub use error::LayoutError;

use super::{Liveness, Memory, Owner, broadcast, channel, spsc};
use crate::sync::primitive::{AtomicU32, AtomicU64, Ordering};

/// What a ring starts with.
pub const MAGIC: u64 = u64::from_le_bytes(*b"farendRG");

/// The version of the layout. A ring of another version is refused.
pub const VERSION: u32 = 3;

/// Octets of the header.
pub const HEADER_OCTETS: usize = 128;

/// Where data starts ([`Kind::Data`]): as aligned as any type that may lie there.
pub const DATA_OFFSET: usize = 256;

/// The state of a ring that its creator is still making.
pub const INITIALISING: u32 = 1;
/// The state of a ring that can be used.
pub const READY: u32 = 2;

/// Octets that a ring may have, or messages: far more than memories have, and few
/// enough for sums not to overflow.
pub(super) const CAPACITY_MAX: u64 = 1 << 40;

/// How messages go through a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One producer, one consumer: [`spsc`].
    Spsc,
    /// One writer, many readers: [`broadcast`].
    Broadcast,
    /// No ring, but data of one type, with the same header.
    Data,
    /// Many senders, many receivers: [`channel`].
    Channel,
}

/// What becomes of a broadcast's reader that does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowReader {
    /// The writer waits for it.
    Block,
    /// The newest message is dropped, for all readers, and counted.
    DropNewest,
    /// The oldest messages are overwritten; the reader is told how many it lost.
    Overwrite,
}

/// What a ring's header says: how it is used, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    kind: Kind,
    slow_reader: SlowReader,
    capacity: u64,
    message_octets_max: u64,
    readers_max: u32,
    senders_max: u32,
    octets: u64,
}

impl Layout {
    /// A ring for one producer and one consumer, with `capacity_octets` (a power of
    /// two, at least [`spsc::CAPACITY_OCTETS_MIN`]) for records.
    ///
    /// # Errors
    /// [`LayoutError::Capacity`].
    pub fn spsc(capacity_octets: u64) -> Result<Self, LayoutError> {
        check_capacity(capacity_octets, spsc::CAPACITY_OCTETS_MIN)?;
        Ok(Self {
            kind: Kind::Spsc,
            slow_reader: SlowReader::Block,
            capacity: capacity_octets,
            message_octets_max: spsc::record_octets_max(capacity_octets),
            readers_max: 1,
            senders_max: 1,
            octets: capacity_octets.saturating_add(spsc::DATA_OFFSET as u64),
        })
    }

    /// A ring for one writer and up to `readers_max` readers, with room for
    /// `capacity_messages` (a power of two, at least 2) of up to
    /// `message_octets_max` octets.
    ///
    /// # Errors
    /// [`LayoutError::Capacity`], [`LayoutError::MessageOctets`],
    /// [`LayoutError::Readers`].
    pub fn broadcast(
        capacity_messages: u64,
        message_octets_max: u64,
        readers_max: u32,
        slow_reader: SlowReader,
    ) -> Result<Self, LayoutError> {
        check_capacity(capacity_messages, broadcast::CAPACITY_MESSAGES_MIN)?;
        if message_octets_max == 0 || message_octets_max > broadcast::MESSAGE_OCTETS_MAX {
            let most = broadcast::MESSAGE_OCTETS_MAX;
            return Err(LayoutError::MessageOctets { found: message_octets_max, most });
        }
        if readers_max == 0 || readers_max > broadcast::READERS_MAX {
            return Err(LayoutError::Readers { found: readers_max });
        }
        let slots = broadcast::slot_octets(message_octets_max)
            .checked_mul(capacity_messages)
            .filter(|octets| *octets <= CAPACITY_MAX)
            .ok_or(LayoutError::Capacity {
                found: capacity_messages,
                least: broadcast::CAPACITY_MESSAGES_MIN,
            })?;
        Ok(Self {
            kind: Kind::Broadcast,
            slow_reader,
            capacity: capacity_messages,
            message_octets_max,
            readers_max,
            senders_max: 1,
            octets: slots.saturating_add(broadcast::slots_offset(readers_max)),
        })
    }

    /// Data of `octets` octets, which `type_hash` tells from data of other types; it
    /// starts at [`DATA_OFFSET`].
    ///
    /// # Errors
    /// [`LayoutError::Capacity`] for no octets, or far too many.
    pub fn data(octets: u64, type_hash: u64) -> Result<Self, LayoutError> {
        if octets == 0 || octets > CAPACITY_MAX {
            return Err(LayoutError::Capacity { found: octets, least: 1 });
        }
        Ok(Self {
            kind: Kind::Data,
            slow_reader: SlowReader::Block,
            capacity: octets,
            message_octets_max: type_hash,
            readers_max: 1,
            senders_max: 1,
            octets: octets.saturating_add(DATA_OFFSET as u64),
        })
    }

    /// Makes the header of data in memory that is all zero, which is the data's first
    /// value. `realm` says where process ids are known, and `owners` where those of lock
    /// owners are, if elsewhere. Others can use it after [`publish_data`](Self::publish_data).
    ///
    /// # Errors
    /// [`LayoutError::Kind`] of a ring; [`LayoutError::Truncated`],
    /// [`LayoutError::NotBlank`].
    pub fn create_data<L: Liveness>(
        &self,
        memory: &Memory<'_>,
        realm: u64,
        owners: u64,
    ) -> Result<(), LayoutError> {
        if self.kind != Kind::Data {
            return Err(LayoutError::Kind { found: Some(self.kind) });
        }
        self.write::<L>(memory, realm)?;
        Header::of(memory)?.owners.store(owners, Ordering::Relaxed);
        Ok(())
    }

    /// Says that the data has its first value: the last step of making it.
    ///
    /// # Errors
    /// [`LayoutError::Truncated`] if there is no whole header.
    pub fn publish_data(memory: &Memory<'_>) -> Result<(), LayoutError> {
        Self::publish(memory)
    }

    /// Looks whether the memory has such data, whose lock owners are known in the realm
    /// `owners`.
    ///
    /// # Errors
    /// [`LayoutError::Type`] if it has data of another type, [`LayoutError::Owners`], and
    /// those of [`read`](Self::read).
    pub fn open_data(&self, memory: &Memory<'_>, owners: u64) -> Result<(), LayoutError> {
        let found = Self::read_kind(memory, Kind::Data)?;
        if found != *self {
            return Err(LayoutError::Type);
        }
        let theirs = Header::of(memory)?.owners.load(Ordering::Relaxed);
        if theirs == owners { Ok(()) } else { Err(LayoutError::Owners) }
    }

    /// How messages go through the ring.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What becomes of slow readers.
    #[must_use]
    pub const fn slow_reader(&self) -> SlowReader {
        self.slow_reader
    }

    /// Octets of data (SPSC), or messages (broadcast).
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Octets of the longest message.
    #[must_use]
    pub const fn message_octets_max(&self) -> u64 {
        self.message_octets_max
    }

    /// How many readers there can be at a time.
    #[must_use]
    pub const fn readers_max(&self) -> u32 {
        self.readers_max
    }

    /// How many senders there can be at a time.
    #[must_use]
    pub const fn senders_max(&self) -> u32 {
        self.senders_max
    }

    /// A channel of so many lanes of this kind.
    pub(super) fn times(self, senders_max: u32) -> Self {
        let octets = channel::octets(&self, senders_max);
        Self { kind: Kind::Channel, senders_max, octets, ..self }
    }

    /// One lane of a channel.
    pub(super) fn lane(&self) -> Result<Self, LayoutError> {
        let Self { capacity, message_octets_max, readers_max, slow_reader, .. } = *self;
        Self::broadcast(capacity, message_octets_max, readers_max, slow_reader)
    }

    /// Octets of memory that the ring needs, header included.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Makes the ring's header, in memory that is all zero. `realm` says where
    /// process ids are known; peers of another realm refuse the ring.
    ///
    /// # Errors
    /// [`LayoutError::Truncated`] if the memory is too short.
    pub(super) fn write<L: Liveness>(
        &self,
        memory: &Memory<'_>,
        realm: u64,
    ) -> Result<(), LayoutError> {
        let header = Header::of(memory)?;
        check_octets(memory, self.octets)?;
        // A ring that is there already has sides that trust its layout: of all who
        // make one in this memory, one alone gets past this, once.
        let claim = header.magic.compare_exchange(0, MAGIC, Ordering::Relaxed, Ordering::Relaxed);
        if claim.is_err() {
            return Err(LayoutError::NotBlank);
        }
        header.creator.store(L::me().to_word(), Ordering::Relaxed);
        header.realm.store(realm, Ordering::Relaxed);
        // Release: whoever sees the state sees the creator.
        header.state.store(INITIALISING, Ordering::Release);
        header.version.store(VERSION, Ordering::Relaxed);
        header.kind.store(code_of_kind(self.kind), Ordering::Relaxed);
        header.policy.store(code_of_policy(self.slow_reader), Ordering::Relaxed);
        header.capacity.store(self.capacity, Ordering::Relaxed);
        header.message_octets_max.store(self.message_octets_max, Ordering::Relaxed);
        header.readers_max.store(self.readers_max, Ordering::Relaxed);
        header.senders_max.store(self.senders_max, Ordering::Relaxed);
        header.octets.store(self.octets, Ordering::Relaxed);
        Ok(())
    }

    /// Says that the ring is made: the last step of making one.
    pub(super) fn publish(memory: &Memory<'_>) -> Result<(), LayoutError> {
        // Release: pairs with the Acquire in `read`.
        Header::of(memory)?.state.store(READY, Ordering::Release);
        Ok(())
    }

    /// Reads a ring's header and checks each field of it.
    ///
    /// What it says is kept by value: a peer that overwrites the header later
    /// changes nothing for this side.
    ///
    /// # Errors
    /// Each of [`LayoutError`], in the order in which it lists them.
    pub fn read(memory: &Memory<'_>) -> Result<Self, LayoutError> {
        let header = Header::of(memory)?;
        let state = header.state.load(Ordering::Acquire);
        let magic = header.magic.load(Ordering::Acquire);
        let creator = Owner::from_word(header.creator.load(Ordering::Relaxed));
        match (state, magic) {
            (0, 0 | MAGIC) => return Err(LayoutError::Blank),
            (INITIALISING, MAGIC) => return Err(LayoutError::Initialising { creator }),
            (READY, MAGIC) => {}
            _ => return Err(LayoutError::Foreign),
        }
        let version = header.version.load(Ordering::Relaxed);
        if version != VERSION {
            return Err(LayoutError::Version { found: version });
        }
        let layout = header.layout()?;
        check_octets(memory, layout.octets)?;
        Ok(layout)
    }

    /// As [`read`](Self::read), of a ring that must be of this kind.
    pub(super) fn read_kind(memory: &Memory<'_>, kind: Kind) -> Result<Self, LayoutError> {
        let layout = Self::read(memory)?;
        if layout.kind == kind {
            Ok(layout)
        } else {
            Err(LayoutError::Kind { found: Some(layout.kind) })
        }
    }
}

/// Who made the ring in this memory, and where process ids are known, whether or
/// not it is ready.
///
/// # Errors
/// [`LayoutError::Truncated`] if there is no whole header.
pub fn creator(memory: &Memory<'_>) -> Result<(Owner, u64), LayoutError> {
    let header = Header::of(memory)?;
    let _state = header.state.load(Ordering::Acquire);
    let creator = Owner::from_word(header.creator.load(Ordering::Relaxed));
    Ok((creator, header.realm.load(Ordering::Relaxed)))
}

/// Makes the calling process the creator in place of `dead`, so that of several
/// processes that find a stale ring one alone removes it.
///
/// # Errors
/// The creator that is there instead.
pub fn inherit<L: Liveness>(memory: &Memory<'_>, dead: Owner) -> Result<(), Owner> {
    let Ok(header) = Header::of(memory) else { return Err(Owner::NOBODY) };
    super::owner::Claim(header.creator).replace(dead, L::me())
}

/// What tells this memory from other memory of the same name, where the system does not: a
/// random number that whoever made it stored before all else. 0 if it was given none.
///
/// # Errors
/// [`LayoutError::Truncated`] if there is no whole header.
pub fn identity<'m>(memory: &Memory<'m>) -> Result<&'m AtomicU64, LayoutError> {
    Header::of(memory).map(|header| header.identity)
}

/// The header's words.
struct Header<'m> {
    magic: &'m AtomicU64,
    version: &'m AtomicU32,
    kind: &'m AtomicU32,
    state: &'m AtomicU32,
    policy: &'m AtomicU32,
    capacity: &'m AtomicU64,
    message_octets_max: &'m AtomicU64,
    readers_max: &'m AtomicU32,
    senders_max: &'m AtomicU32,
    octets: &'m AtomicU64,
    creator: &'m AtomicU64,
    realm: &'m AtomicU64,
    identity: &'m AtomicU64,
    owners: &'m AtomicU64,
}

impl<'m> Header<'m> {
    fn of(memory: &Memory<'m>) -> Result<Self, LayoutError> {
        check_octets(memory, HEADER_OCTETS as u64)?;
        Self::words(memory).ok_or(LayoutError::Misaligned)
    }

    fn words(memory: &Memory<'m>) -> Option<Self> {
        Some(Self {
            magic: memory.word64(0)?,
            version: memory.word32(8)?,
            kind: memory.word32(12)?,
            state: memory.word32(16)?,
            policy: memory.word32(20)?,
            capacity: memory.word64(24)?,
            message_octets_max: memory.word64(32)?,
            readers_max: memory.word32(40)?,
            senders_max: memory.word32(44)?,
            octets: memory.word64(48)?,
            creator: memory.word64(56)?,
            realm: memory.word64(64)?,
            identity: memory.word64(72)?,
            owners: memory.word64(80)?,
        })
    }

    /// What the fields say. Sizes are worked out again from the others: a header
    /// whose fields contradict each other is none that a ring has.
    fn layout(&self) -> Result<Layout, LayoutError> {
        let capacity = self.capacity.load(Ordering::Relaxed);
        let message_octets_max = self.message_octets_max.load(Ordering::Relaxed);
        let readers_max = self.readers_max.load(Ordering::Relaxed);
        let policy = self.policy.load(Ordering::Relaxed);
        let layout = match self.kind.load(Ordering::Relaxed) {
            1 => Layout::spsc(capacity)?,
            3 => Layout::data(capacity, message_octets_max)?,
            2 => {
                let slow_reader =
                    policy_of_code(policy).ok_or(LayoutError::Policy { found: policy })?;
                Layout::broadcast(capacity, message_octets_max, readers_max, slow_reader)?
            }
            4 => {
                let slow_reader =
                    policy_of_code(policy).ok_or(LayoutError::Policy { found: policy })?;
                let senders_max = self.senders_max.load(Ordering::Relaxed);
                let (capacity, octets) = (capacity, message_octets_max);
                Layout::channel(capacity, octets, senders_max, readers_max, slow_reader)?
            }
            _ => return Err(LayoutError::Kind { found: None }),
        };
        let said = (message_octets_max, self.octets.load(Ordering::Relaxed));
        if said == (layout.message_octets_max, layout.octets) {
            Ok(layout)
        } else {
            Err(LayoutError::Foreign)
        }
    }
}

fn check_capacity(capacity: u64, least: u64) -> Result<(), LayoutError> {
    if capacity.is_power_of_two() && (least..=CAPACITY_MAX).contains(&capacity) {
        Ok(())
    } else {
        Err(LayoutError::Capacity { found: capacity, least })
    }
}

fn check_octets(memory: &Memory<'_>, wanted: u64) -> Result<(), LayoutError> {
    let octets = memory.octets() as u64;
    if octets < wanted { Err(LayoutError::Truncated { octets, wanted }) } else { Ok(()) }
}

const fn code_of_kind(kind: Kind) -> u32 {
    match kind {
        Kind::Spsc => 1,
        Kind::Broadcast => 2,
        Kind::Data => 3,
        Kind::Channel => 4,
    }
}

const fn code_of_policy(policy: SlowReader) -> u32 {
    match policy {
        SlowReader::Block => 1,
        SlowReader::DropNewest => 2,
        SlowReader::Overwrite => 3,
    }
}

const fn policy_of_code(code: u32) -> Option<SlowReader> {
    match code {
        1 => Some(SlowReader::Block),
        2 => Some(SlowReader::DropNewest),
        3 => Some(SlowReader::Overwrite),
        _ => None,
    }
}
