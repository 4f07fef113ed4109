//! The table: who has which slot, and whether they live.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::life::{Life, Process, Processes};

/// What the memory begins with: a name, and the version of this layout.
const MAGIC: u64 = u64::from_le_bytes(*b"FEowner1");

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
    pub(super) reserved: [AtomicU32; 13],
    pub(super) slots: [Slot; SLOTS],
}

/// One owner. Each word holds the generation, so that a reader knows whether what
/// it read belongs together.
///
/// | claim | started, space | means |
/// |---|---|---|
/// | 0 | | never used |
/// | generation, no process | | free, given back |
/// | generation, process | older generation | taken, the rest is not written yet |
/// | generation, process | same generation | taken |
#[repr(C)]
#[derive(Debug)]
pub(super) struct Slot {
    /// Process id (32 bits) and generation (20 bits).
    pub(super) claim: AtomicU64,
    /// When the process started.
    pub(super) started: AtomicU64,
    /// The namespace that its id is of.
    pub(super) space: AtomicU64,
    pub(super) reserved: AtomicU64,
}

const _: () = {
    assert!(size_of::<Slot>() == 32);
    assert!(size_of::<Table>() == 64 + 32 * SLOTS);
};

/// What [`Slot::claim`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    generation: u64,
    process: u32,
}

impl Claim {
    const fn of(word: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the process")]
        let process = word as u32;
        Self { generation: word >> 32, process }
    }

    const fn word(self) -> u64 {
        self.generation << 32 | self.process as u64
    }

    const fn next(self, process: u32) -> Self {
        let generation = if self.generation >= GENERATION_MAX { 1 } else { self.generation + 1 };
        Self { generation, process }
    }
}

/// What a stamp of a slot holds, if it is of that generation.
const fn stamp_of(word: u64, generation: u64) -> Option<u64> {
    if word >> STAMP_BITS == generation { Some(word & ((1 << STAMP_BITS) - 1)) } else { None }
}

const fn stamp(value: u64, generation: u64) -> u64 {
    generation << STAMP_BITS | value & ((1 << STAMP_BITS) - 1)
}

impl Table {
    /// Makes the memory a table, if it is all-zero or a table already.
    ///
    /// # Errors
    /// What it begins with, if it is something else.
    pub(super) fn open(&self) -> Result<(), u64> {
        // Relaxed: nothing else is initialised.
        match self.magic.compare_exchange(0, MAGIC, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) | Err(MAGIC) => Ok(()),
            Err(other) => Err(other),
        }
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
            let claim = claim.next(own.id);
            // AcqRel: pairs with that of another who looks at this slot.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            slot.claim.compare_exchange(word, claim.word(), success, failure).ok()?;
            slot.space.store(stamp(own.space, claim.generation), Ordering::Release);
            slot.started.store(stamp(own.started, claim.generation), Ordering::Release);
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
            let free = Claim { generation, process: 0 };
            // Release: the owner's stores to what its locks guarded come first.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            // Somebody else changed it only if they think this process dead.
            let _given_back = slot.claim.compare_exchange(word, free.word(), success, failure);
        }
    }

    /// Whether the owner of an id lives; "yes" when in doubt.
    pub(super) fn is_alive(&self, id: u32, processes: &impl Processes) -> bool {
        let (slot, generation) = self.slot(id);
        // Acquire: pairs with Release of `release`.
        let claim = Claim::of(slot.claim.load(Ordering::Acquire));
        if claim.generation != generation || claim.process == 0 {
            return false;
        }
        slot.lives(claim, processes)
    }

    fn slot(&self, id: u32) -> (&Slot, u64) {
        let index = usize::try_from(id).unwrap_or(0) % SLOTS;
        (&self.slots[index], u64::from(id >> INDEX_BITS))
    }
}

impl Slot {
    fn lives(&self, claim: Claim, processes: &impl Processes) -> bool {
        let space = stamp_of(self.space.load(Ordering::Acquire), claim.generation);
        if space.is_some_and(|space| space != processes.own_space()) {
            return true;
        }
        let started = stamp_of(self.started.load(Ordering::Acquire), claim.generation);
        match processes.life(claim.process) {
            Life::Gone => false,
            Life::Unknown => true,
            // A start that is not written yet, or could not be known, is not
            // compared.
            Life::Since(since) => started.is_none_or(|started| {
                started == 0 || since == 0 || started == since & ((1 << STAMP_BITS) - 1)
            }),
        }
    }
}
