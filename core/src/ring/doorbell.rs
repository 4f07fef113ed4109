//! Wakes the other side, and calls the system for it only if it sleeps.
//!
//! | `armed` | `rings` | means |
//! |---|---|---|
//! | 0 | n | nobody is about to sleep: ringing is one exchange of a word |
//! | 1 | n | somebody sleeps on `rings == n`, or is about to |
//! | 1 → 0 | n → n + 1 | rung: sleepers wake, and those about to sleep do not |
//!
//! The side that waits *arms* the bell and then looks once more; the side that
//! sends stores its message and then *rings*. Both exchange the same word, so one
//! exchange comes after the other and sees all that went before it: either the
//! ringer finds the bell armed, or the second look finds the message. No fence is
//! needed, because nothing but exchanges and read-modify-writes touches the word:
//! they continue one release sequence.

use super::{
    Memory,
    seeded::{Fault, is_seeded},
};
use crate::sync::{
    Futex, Shared, Waited,
    primitive::{AtomicU32, Ordering},
};

/// Both words of a doorbell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doorbell<'m> {
    /// Whether somebody sleeps or is about to.
    armed: &'m AtomicU32,
    /// How often it rang, modulo 2^32; sleepers wait for it to change.
    rings: &'m AtomicU32,
}

/// What [`Doorbell::arm`] gives, for [`Doorbell::sleep`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Armed {
    rings: u32,
}

impl<'m> Doorbell<'m> {
    /// The doorbell at `offset`, a multiple of 4.
    pub(super) fn at(memory: &Memory<'m>, offset: usize) -> Option<Self> {
        let armed = memory.word32(offset)?;
        let rings = memory.word32(offset.checked_add(size_of::<u32>())?)?;
        Some(Self { armed, rings })
    }

    /// Wakes everybody who sleeps; to be called after what they wait for was
    /// stored.
    #[inline(always)]
    pub(super) fn ring<F: Futex<Shared>>(self) {
        // AcqRel: Release for what was stored before, to be found by the look that
        // follows a later `arm`; Acquire to come after an earlier `arm`.
        if self.armed.swap(0, order()) != 0 && !is_seeded(Fault::ForgottenWake) {
            self.wake::<F>();
        }
    }

    #[cold]
    fn wake<F: Futex<Shared>>(self) {
        // Relaxed: a counter; who wakes looks at the ring by itself.
        self.rings.fetch_add(1, Ordering::Relaxed);
        F::wake_all(self.rings);
    }

    /// Says that the caller is about to sleep. It must look once more before it
    /// does.
    pub(super) fn arm(self) -> Armed {
        let rings = self.rings.load(Ordering::Relaxed);
        // AcqRel: pairs with `ring`.
        self.armed.swap(1, order());
        Armed { rings }
    }

    /// Sleeps until the bell rings, unless it rang since it was armed.
    pub(super) fn sleep<F: Futex<Shared>>(self, armed: Armed, deadline_ns: u64) -> Waited {
        F::wait(self.rings, armed.rings, Some(deadline_ns))
    }
}

/// The order of both exchanges.
#[inline(always)]
fn order() -> Ordering {
    if is_seeded(Fault::UnorderedBell) { Ordering::Relaxed } else { Ordering::AcqRel }
}
