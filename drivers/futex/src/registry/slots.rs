//! The table: who has which slot, and whether they live.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::life::{Life, Process, Processes};

/// What the memory begins with: a name, and the version of this layout.
const MAGIC: u64 = u64::from_le_bytes(*b"FEowner2");

/// Threads that can own locks at the same time: what 10 bits number.
pub(super) const SLOTS: usize = 1 << INDEX_BITS;

const INDEX_BITS: u32 = 10;
const GENERATION_BITS: u32 = 20;
/// Ids are less than 2^30 - 1, because a lock keeps that one for itself.
const GENERATION_MAX: u64 = (1 << GENERATION_BITS) - 2;
/// What a slot has room for, beside the generation.
const STAMP_BITS: u32 = u64::BITS - GENERATION_BITS;

/// The shared memory. All-zero is an empty table that nobody has opened yet.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Table {
    pub(super) magic: AtomicU64,
    /// Where the next search for a free slot begins, so that a slot is not used
    /// again before the others were.
    pub(super) next: AtomicU32,
    pub(super) reserved: AtomicU32,
    /// A random number, another one in each table, never 0 once the table is open.
    pub(super) identity: AtomicU64,
    pub(super) room: [AtomicU64; 5],
    pub(super) slots: [Slot; SLOTS],
}

/// One owner. Each word holds the generation, so that a reader knows whether what
/// it read belongs together.
///
/// | claim | started, space, clock | means |
/// |---|---|---|
/// | 0 | | never used |
/// | generation, no process | | free, given back |
/// | generation, process | of any generation | being taken: the rest is not written yet |
/// | `WRITTEN`, generation, process | same generation | taken |
#[repr(C)]
#[derive(Debug)]
pub(super) struct Slot {
    /// Process id (32 bits), generation (20 bits) and [`WRITTEN`].
    pub(super) claim: AtomicU64,
    /// When the process started.
    pub(super) started: AtomicU64,
    /// The namespace that its id is of.
    pub(super) space: AtomicU64,
    /// The namespace whose clock its start was read on.
    pub(super) clock: AtomicU64,
}

const _: () = {
    assert!(size_of::<Slot>() == 32);
    assert!(size_of::<Table>() == 64 + 32 * SLOTS);
};

/// Bit of [`Slot::claim`]: the slot's other words are this owner's. A slot without it
/// is judged by its process id alone, which may be one of another namespace: its owner
/// has it only once it has set this bit.
const WRITTEN: u64 = 1 << 63;

/// What [`Slot::claim`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    generation: u64,
    process: u32,
    is_written: bool,
}

impl Claim {
    const fn of(word: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the process")]
        let process = word as u32;
        let generation = (word & !WRITTEN) >> 32;
        Self { generation, process, is_written: word & WRITTEN != 0 }
    }

    pub(super) const fn word(self) -> u64 {
        let written = if self.is_written { WRITTEN } else { 0 };
        written | self.generation << 32 | self.process as u64
    }

    const fn next(self, process: u32) -> Self {
        let generation = if self.generation >= GENERATION_MAX { 1 } else { self.generation + 1 };
        Self { generation, process, is_written: false }
    }
}

/// What a stamp of a slot holds, if it is of that generation.
const fn stamp_of(word: u64, generation: u64) -> Option<u64> {
    if word >> STAMP_BITS == generation { Some(truncated(word)) } else { None }
}

const fn stamp(value: u64, generation: u64) -> u64 {
    generation << STAMP_BITS | truncated(value)
}

/// What a stamp keeps of a value.
const fn truncated(value: u64) -> u64 {
    value & ((1 << STAMP_BITS) - 1)
}

impl Table {
    /// Makes the memory a table, if it is all-zero or a table already.
    ///
    /// # Errors
    /// What it begins with, if it is something else.
    pub(super) fn open(&self) -> Result<(), u64> {
        // Relaxed: nothing else is initialised.
        match self.magic.compare_exchange(0, MAGIC, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) | Err(MAGIC) => {}
            Err(other) => return Err(other),
        }
        // A hash of nothing by a random key. Whoever comes first, gives it.
        let random = RandomState::new().hash_one(()).max(1);
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let _has_one = self.identity.compare_exchange(0, random, success, failure);
        Ok(())
    }

    /// What tells this table from every other, even of the same name.
    pub(super) fn identity(&self) -> u64 {
        self.identity.load(Ordering::Relaxed)
    }

    /// Takes a slot for a thread of `own`: a free one, else that of a dead process.
    /// Returns the id, `None` if every slot is a living process's.
    pub(super) fn claim(&self, own: Process, processes: &impl Processes) -> Option<u32> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let is_free = |claim: Claim, _: &Slot| claim.process == 0;
        let is_dead = |claim: Claim, slot: &Slot| !slot.lives(claim, processes);
        self.claim_where(first, own, is_free).or_else(|| self.claim_where(first, own, is_dead))
    }

    fn claim_where(
        &self,
        first: u32,
        own: Process,
        is_wanted: impl Fn(Claim, &Slot) -> bool,
    ) -> Option<u32> {
        let slots = (0u32..).zip(&self.slots);
        let first = usize::try_from(first).unwrap_or(0) % SLOTS;
        slots.cycle().skip(first).take(SLOTS).find_map(|(index, slot)| {
            let word = slot.claim.load(Ordering::Acquire);
            let claim = Claim::of(word);
            if !is_wanted(claim, slot) {
                return None;
            }
            let claim = slot.take(word, own)?;
            let generation = u32::try_from(claim.generation).unwrap_or(0);
            Some(generation << INDEX_BITS | index)
        })
    }

    /// Gives a slot back, by its owner.
    pub(super) fn release(&self, id: u32) {
        let (slot, generation) = self.slot(id);
        let word = slot.claim.load(Ordering::Relaxed);
        let claim = Claim::of(word);
        if claim.generation == generation {
            let free = Claim { generation, process: 0, is_written: false };
            // Release: the owner's stores to what its locks guarded come first.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            // Somebody else changed it only if they think this process dead.
            let _given_back = slot.claim.compare_exchange(word, free.word(), success, failure);
        }
    }

    /// Whether the owner of an id has given its slot back, or another has it.
    pub(super) fn has_left(&self, id: u32) -> bool {
        let (slot, generation) = self.slot(id);
        // Acquire: pairs with Release of `release`.
        let claim = Claim::of(slot.claim.load(Ordering::Acquire));
        claim.generation != generation || claim.process == 0
    }

    /// Whether the owner of an id lives; "yes" when in doubt.
    pub(super) fn is_alive(&self, id: u32, processes: &impl Processes) -> bool {
        if self.has_left(id) {
            return false;
        }
        let (slot, generation) = self.slot(id);
        let claim = Claim::of(slot.claim.load(Ordering::Acquire));
        claim.generation == generation && claim.process != 0 && slot.lives(claim, processes)
    }

    fn slot(&self, id: u32) -> (&Slot, u64) {
        let index = usize::try_from(id).unwrap_or(0) % SLOTS;
        (&self.slots[index], u64::from(id >> INDEX_BITS))
    }
}

impl Slot {
    /// Takes a slot that was seen as `word` for a thread of `own`; `None` if another
    /// was first.
    pub(super) fn take(&self, word: u64, own: Process) -> Option<Claim> {
        let claim = self.begin(word, own)?;
        self.finish(claim, own)
    }

    /// Says whose process the slot is, no more.
    pub(super) fn begin(&self, word: u64, own: Process) -> Option<Claim> {
        self.replace(word, Claim::of(word).next(own.id))
    }

    /// Writes the rest; `None` if the slot was taken away meanwhile.
    pub(super) fn finish(&self, claim: Claim, own: Process) -> Option<Claim> {
        self.space.store(stamp(own.space, claim.generation), Ordering::Relaxed);
        self.clock.store(stamp(own.clock, claim.generation), Ordering::Relaxed);
        self.started.store(stamp(own.started, claim.generation), Ordering::Relaxed);
        self.replace(claim.word(), Claim { is_written: true, ..claim })
    }

    fn replace(&self, word: u64, claim: Claim) -> Option<Claim> {
        // AcqRel: pairs with that of another who looks at this slot.
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        self.claim.compare_exchange(word, claim.word(), success, failure).ok().map(|_| claim)
    }

    fn lives(&self, claim: Claim, processes: &impl Processes) -> bool {
        let read = |word: &AtomicU64| {
            let value = stamp_of(word.load(Ordering::Acquire), claim.generation);
            value.filter(|_| claim.is_written)
        };
        let space = read(&self.space);
        // Written, and of another generation: by one who came too late for the slot and had
        // not noticed yet. Where the owner is from cannot be known any more.
        let is_unknown = claim.is_written && space.is_none();
        if is_unknown || space.is_some_and(|space| space != truncated(processes.own_space())) {
            return true;
        }
        let is_same_clock = read(&self.clock) == Some(truncated(processes.own_clock()));
        let started = read(&self.started).filter(|_| is_same_clock);
        match processes.life(claim.process) {
            Life::Gone => false,
            Life::Unknown => true,
            // A start that is not written yet, could not be known or was read on
            // another clock is not compared.
            Life::Since(since) => started
                .is_none_or(|started| started == 0 || since == 0 || started == truncated(since)),
        }
    }
}
