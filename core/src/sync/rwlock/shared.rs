//! The reader-writer lock that processes share, and that survives their death.
//!
//! A count of readers cannot tell which of them died, so readers are not counted:
//! each takes one of a fixed number of slots, a lock of its own that knows its
//! owner. A writer takes the gate, then every slot, one after the other. Whatever
//! can happen to a dead owner's lock is then true of each slot.
//!
//! | mark | meaning |
//! |---|---|
//! | 0 | the data is sound |
//! | id | owner id writes, or died while it wrote |
//! | id, `OWNER_DIED` | owner id holds data that another left half written |
//! | all bits of the id | given up like that: lost |

use core::{fmt, time::Duration};

use super::{
    super::{
        deadline::Deadline,
        error::{NotOwner, Refused},
        mutex::{RawShared, Taken, Unlock},
        owners::{OWNER_DIED, OWNER_ID_MASK, Owners, Permit},
        patience::{end_after, end_at},
        primitive::{AtomicU32, Ordering, const_unless_modelled, fence},
        seeded::{Fault, is_seeded},
    },
    RwUnlock, Ticket,
};

/// Readers at a time; further ones wait for one to leave.
#[cfg(not(any(farend_loom, farend_shuttle)))]
const SLOTS: usize = 15;
#[cfg(any(farend_loom, farend_shuttle))]
const SLOTS: usize = 2;

/// How long a reader sleeps for its first slot before it looks at the others.
const LOOK_NS: u64 = 10_000_000;

/// A mark that no owner leaves: the data is lost.
const LOST: u32 = OWNER_ID_MASK;

/// One lock on a cache line of its own, so that readers do not disturb each other.
#[repr(C, align(64))]
struct Slot<F: Owners> {
    lock: RawShared<F>,
    /// Used in the gate only.
    mark: AtomicU32,
}

/// How long a thread is ready to wait.
#[derive(Clone, Copy)]
enum Wait {
    Not,
    Until(Option<u64>),
}

/// A reader-writer lock for several processes: 1 KiB.
///
/// If a reader dies, nobody notices. If a writer dies, the next one, reader or
/// writer, is told; a writer can repair the data and say so.
///
/// *Who waits for whom.* A writer holds the gate while it collects the slots, and
/// readers who find the gate held queue behind it, so readers that come without
/// end do not keep a writer out. Behind the gate readers and writers are equal: who
/// is awake first, goes first. A thread that reads and locks again is refused: always
/// to write, and to read where it would wait, for a slot that it may have itself or for a
/// writer that waits for it.
#[repr(C)]
pub struct RawRwShared<F: Owners> {
    gate: Slot<F>,
    slots: [Slot<F>; SLOTS],
}

impl<F: Owners> Slot<F> {
    const_unless_modelled! {
        fn free() -> Self {
            Self { lock: RawShared::free(), mark: AtomicU32::new(0) }
        }
    }

    /// Takes the slot. A dead owner's slot is as good as any: what became of the
    /// data, the mark tells.
    fn lock(&self, wait: Wait) -> Result<(), Refused> {
        let taken = match wait {
            Wait::Not => self.lock.try_lock(),
            Wait::Until(None) => self.lock.lock(),
            Wait::Until(Some(deadline_ns)) => self.lock.lock_until(Deadline::at_ns(deadline_ns)),
        };
        if taken? == Taken::OwnerDied {
            self.lock.make_consistent().map_err(|_| Refused::NotOwner)?;
        }
        Ok(())
    }

    fn unlock(&self) {
        self.lock.give_up(Permit::GRANTED);
    }
}

/// Where a reader begins to look, so that readers do not all want the same slot.
fn first_slot(me: u32) -> usize {
    usize::try_from(me).unwrap_or(0) % SLOTS
}

const_unless_modelled! {
    fn free_slots<F: Owners>() -> [Slot<F>; SLOTS] {
        #[cfg(not(any(farend_loom, farend_shuttle)))]
        {
            [const { Slot::free() }; SLOTS]
        }
        #[cfg(any(farend_loom, farend_shuttle))]
        {
            core::array::from_fn(|_| Slot::free())
        }
    }
}

impl<F: Owners> RawRwShared<F> {
    /// How many can read at a time.
    pub const READERS_MAX: usize = SLOTS;

    const_unless_modelled! {
        /// A free lock, for [`new`](Self::new)s that pass the duty on.
        pub(in super::super) fn free() -> Self {
            Self { gate: Slot::free(), slots: free_slots() }
        }
    }

    /// Takes the lock to read; waits while a writer holds it or waits for it.
    ///
    /// # Errors
    /// [`Refused::Reentrant`], [`Refused::NotRecoverable`], [`Refused::NoOwner`].
    pub fn read(&self) -> Result<(Ticket, Taken), Refused> {
        self.read_with(Wait::Until(None))
    }

    /// Takes the lock to read if that needs no waiting.
    ///
    /// # Errors
    /// [`Refused::Busy`], and as [`read`](Self::read).
    pub fn try_read(&self) -> Result<(Ticket, Taken), Refused> {
        self.read_with(Wait::Not)
    }

    /// Takes the lock to read; waits for it at most for `timeout`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`read`](Self::read).
    pub fn read_for(&self, timeout: Duration) -> Result<(Ticket, Taken), Refused> {
        self.read_with(Wait::Until(end_after::<F>(timeout)))
    }

    /// Takes the lock to read; waits for it at most until `deadline`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`read`](Self::read).
    pub fn read_until(&self, deadline: Deadline<F>) -> Result<(Ticket, Taken), Refused> {
        self.read_with(Wait::Until(end_at(deadline)))
    }

    /// Takes the lock to write; waits until nobody holds it.
    ///
    /// # Errors
    /// [`Refused::Reentrant`], [`Refused::NotRecoverable`], [`Refused::NoOwner`].
    pub fn write(&self) -> Result<Taken, Refused> {
        self.write_with(Wait::Until(None))
    }

    /// Takes the lock to write if nobody holds it.
    ///
    /// # Errors
    /// [`Refused::Busy`], and as [`write`](Self::write).
    pub fn try_write(&self) -> Result<Taken, Refused> {
        self.write_with(Wait::Not)
    }

    /// Takes the lock to write; waits for it at most for `timeout`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`write`](Self::write).
    pub fn write_for(&self, timeout: Duration) -> Result<Taken, Refused> {
        self.write_with(Wait::Until(end_after::<F>(timeout)))
    }

    /// Takes the lock to write; waits for it at most until `deadline`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`write`](Self::write).
    pub fn write_until(&self, deadline: Deadline<F>) -> Result<Taken, Refused> {
        self.write_with(Wait::Until(end_at(deadline)))
    }

    /// Says that the data is sound again after [`Taken::OwnerDied`]. A writer's to
    /// say.
    ///
    /// # Errors
    /// [`NotOwner`] if the calling thread does not hold the lock to write.
    pub fn make_consistent(&self) -> Result<(), NotOwner> {
        let me = F::id(F::caller().map_err(|_| NotOwner)?);
        if self.gate.mark.load(Ordering::Relaxed) & OWNER_ID_MASK != me {
            return Err(NotOwner);
        }
        // Release: what was repaired was repaired before, even for a successor of
        // this owner.
        self.gate.mark.store(me, Ordering::Release);
        Ok(())
    }

    /// Makes the one writer a reader, and lets other readers in.
    pub(in super::super) fn downgrade(&self) -> Result<Ticket, NotOwner> {
        let me = F::id(F::caller().map_err(|_| NotOwner)?);
        let mark = self.gate.mark.load(Ordering::Relaxed);
        if mark & OWNER_ID_MASK != me {
            return Err(NotOwner);
        }
        // Release: pairs with the Acquire of the readers' slots. Nobody writes from here on;
        // what a dead writer left and nobody put right is told on.
        self.gate.mark.store(mark & OWNER_DIED, Ordering::Release);
        let kept = first_slot(me);
        let places = (0..SLOTS).filter(|place| *place != kept);
        for slot in places.rev().filter_map(|place| self.slots.get(place)) {
            slot.unlock();
        }
        if is_seeded(Fault::DowngradeKeepsNoSlot) {
            self.unlock_read(Ticket(u8::try_from(kept).unwrap_or(0)));
        }
        self.gate.unlock();
        Ok(Ticket(u8::try_from(kept).unwrap_or(0)))
    }

    fn read_with(&self, wait: Wait) -> Result<(Ticket, Taken), Refused> {
        let me = F::id(F::caller()?);
        let ticket = if self.gate.lock.is_locked() {
            // The writer behind the gate may be waiting for this very thread.
            self.refuse_a_reader(me, 0)?;
            self.gate.lock(wait)?;
            let ticket = self.take_slot(me, wait);
            self.gate.unlock();
            ticket?
        } else {
            self.take_slot(me, wait)?
        };
        // A slot is held, so no living writer has left this mark.
        match self.gate.mark.load(Ordering::Relaxed) {
            0 => Ok((ticket, Taken::Clean)),
            LOST => {
                self.unlock_read(ticket);
                Err(Refused::NotRecoverable)
            }
            _ => Ok((ticket, Taken::OwnerDied)),
        }
    }

    /// Takes a free slot, or waits for one.
    fn take_slot(&self, me: u32, wait: Wait) -> Result<Ticket, Refused> {
        loop {
            if let Some(ticket) = self.take_free_slot(me)? {
                return Ok(ticket);
            }
            let Wait::Until(end_ns) = wait else { return Err(Refused::Busy) };
            // Two that have a slot and want another could wait for each other, or for a
            // writer that has the rest and waits for them.
            self.refuse_a_reader(me, 0)?;
            if let Some(ticket) = self.wait_for_slot(me, end_ns)? {
                return Ok(ticket);
            }
        }
    }

    /// Takes any slot that can be had at once: not one that this reader has already.
    fn take_free_slot(&self, me: u32) -> Result<Option<Ticket>, Refused> {
        let first = first_slot(me);
        let (before, from) = self.slots.split_at_checked(first).unwrap_or((&[], &self.slots));
        let places = (first..SLOTS).chain(0..first);
        for (slot, place) in from.iter().chain(before).zip(places) {
            match slot.lock(Wait::Not) {
                Ok(()) => return Ok(Some(Ticket(u8::try_from(place).unwrap_or(0)))),
                Err(Refused::Busy | Refused::Reentrant) => {}
                Err(refused) => return Err(refused),
            }
        }
        Ok(None)
    }

    /// Waits for the slot that is this reader's first, as long as the others need not be
    /// looked at; `None` then.
    fn wait_for_slot(&self, me: u32, end_ns: Option<u64>) -> Result<Option<Ticket>, Refused> {
        let first = first_slot(me);
        let Some(slot) = self.slots.get(first) else { return Err(Refused::Busy) };
        let look_ns = F::now_ns().saturating_add(LOOK_NS);
        let end_ns = end_ns.filter(|&end_ns| end_ns <= look_ns);
        match slot.lock(Wait::Until(Some(end_ns.unwrap_or(look_ns)))) {
            Ok(()) => Ok(Some(Ticket(u8::try_from(first).unwrap_or(0)))),
            Err(Refused::TimedOut) if end_ns.is_none() => Ok(None),
            Err(Refused::TimedOut) => self.take_free_slot(me)?.ok_or(Refused::TimedOut).map(Some),
            Err(refused) => Err(refused),
        }
    }

    fn write_with(&self, wait: Wait) -> Result<Taken, Refused> {
        let me = F::id(F::caller()?);
        self.wait_for(&self.gate, me, 0, wait)?;
        for (taken, slot) in self.slots.iter().enumerate() {
            if is_seeded(Fault::WriterSkipsASlot) && taken == 1 {
                continue;
            }
            if let Err(refused) = self.wait_for(slot, me, taken, wait) {
                self.release(taken);
                return Err(refused);
            }
        }
        let mark = self.gate.mark.load(Ordering::Relaxed);
        if mark == LOST {
            self.release(SLOTS);
            return Err(Refused::NotRecoverable);
        }
        let died = if mark == 0 { 0 } else { OWNER_DIED };
        if !is_seeded(Fault::WriterLeavesNoMark) {
            self.gate.mark.store(me | died, Ordering::Relaxed);
        }
        // The mark stands before the first store into the data: a writer that dies
        // between the two has left the data as it was.
        fence(Ordering::Release);
        Ok(if died == 0 { Taken::Clean } else { Taken::OwnerDied })
    }

    /// Takes the gate or a slot for a writer, who must not wait for itself, nor for
    /// another that waits for it. So many slots it has already.
    fn wait_for(&self, slot: &Slot<F>, me: u32, has: usize, wait: Wait) -> Result<(), Refused> {
        match slot.lock(Wait::Not) {
            Err(Refused::Busy) => {
                self.refuse_a_reader(me, has)?;
                if matches!(wait, Wait::Not) { Err(Refused::Busy) } else { slot.lock(wait) }
            }
            taken => taken,
        }
    }

    /// Refuses a thread that has one of the slots from the `first` on. Exact, because
    /// nobody else puts its id into a slot or takes it out.
    fn refuse_a_reader(&self, me: u32, first: usize) -> Result<(), Refused> {
        let mut slots = self.slots.iter().skip(first);
        if slots.any(|slot| slot.lock.is_held_by(me)) && !is_seeded(Fault::ReaderWaitsForItself) {
            return Err(Refused::Reentrant);
        }
        Ok(())
    }

    /// Gives up the first slots, and the gate.
    fn release(&self, slots: usize) {
        for slot in self.slots.iter().take(slots).rev() {
            slot.unlock();
        }
        self.gate.unlock();
    }
}

impl<F: Owners> RwUnlock for RawRwShared<F> {
    fn unlock_read(&self, ticket: Ticket) {
        if let Some(slot) = self.slots.get(usize::from(ticket.0)) {
            slot.unlock();
        }
    }

    fn unlock_write(&self) {
        let mark = self.gate.mark.load(Ordering::Relaxed);
        let Ok(caller) = F::caller() else { return };
        if mark & OWNER_ID_MASK != F::id(caller) && !is_seeded(Fault::WriterLeavesNoMark) {
            // The child of a fork: the parent still writes.
            return;
        }
        // Release: the last store into the data is before it.
        let left = if mark & OWNER_DIED == 0 { 0 } else { LOST };
        self.gate.mark.store(left, Ordering::Release);
        self.release(SLOTS);
    }
}

impl<F: Owners> fmt::Debug for RawRwShared<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let readers = self.slots.iter().filter(|slot| slot.lock.is_locked()).count();
        formatter
            .debug_struct("RawRwShared")
            .field("slots_held", &readers)
            .field("mark", &self.gate.mark.load(Ordering::Relaxed))
            .finish()
    }
}

#[cfg(any(farend_loom, farend_shuttle))]
impl<F: Owners> RawRwShared<F> {
    /// What a model of the system's clean-up needs.
    pub(crate) fn locks(&self) -> impl Iterator<Item = &RawShared<F>> {
        core::iter::once(&self.gate).chain(&self.slots).map(|slot| &slot.lock)
    }
}
