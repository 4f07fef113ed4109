//! Wakes the other side, and calls the system for it only if it sleeps.
//!
//! | `armed` | `rings` | means |
//! |---|---|---|
//! | 0 | n | nobody is about to sleep: ringing is one look at a word |
//! | 1 | n | somebody sleeps on `rings == n`, or is about to |
//! | 1 → 0 | n → n + 1 | rung: sleepers wake, and those about to sleep do not |
//!
//! The side that waits *arms* the bell and then looks once more; the side that
//! sends stores its message and then *rings*. Either the ringer must find the bell
//! armed, or the second look must find the message. There are two ways to that:
//!
//! - **Evenly.** Both exchange the same word, so one exchange comes after the other and
//!   sees all that went before it. No fence is needed, because nothing but exchanges and
//!   read-modify-writes touches the word: they continue one release sequence. Each ring
//!   waits until the processor has written all its stores.
//! - **On the waiter's account** ([`Ringer::Ordered`]). The ringer only loads the word,
//!   and the waiter, once it has armed the bell, lets the system run a barrier in all
//!   threads that ring ([`Liveness::order_others`]). A ringer's load came before that
//!   barrier, and then its message did too; or it comes after it and finds the bell
//!   armed. That costs the waiter microseconds, but it was about to sleep.
//!
//! A waiter need not know which way a ringer takes.

use super::{
    Liveness, Memory,
    seeded::{Fault, is_seeded},
};
use crate::sync::{
    Futex, Shared, Waited,
    primitive::{AtomicU32, Ordering, fence, light_fence},
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
    /// Whether the system ran its barrier. If not, a ring could be missed, and sleep
    /// must be short.
    pub(super) is_sure: bool,
}

/// How a side rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ringer {
    /// By an exchange.
    Even,
    /// By a load, ordered by the barriers of those who wait.
    Ordered,
}

impl Ringer {
    /// How the calling process rings from now on.
    pub(super) fn of<L: Liveness>() -> Self {
        if L::be_ordered() { Self::Ordered } else { Self::Even }
    }
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
    pub(super) fn ring<F: Futex<Shared>>(self, ringer: Ringer) {
        if ringer == Ringer::Ordered {
            if !is_seeded(Fault::LightFenceForgotten) {
                light_fence();
            }
            // Relaxed: the waiter's barrier orders it after the stores before.
            if self.armed.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
        self.exchange::<F>();
    }

    #[inline(always)]
    fn exchange<F: Futex<Shared>>(self) {
        // AcqRel: Release for what was stored before, to be found by the look that
        // follows a later `arm`; Acquire to come after an earlier `arm`.
        if self.armed.swap(0, order()) != 0 && !is_seeded(Fault::ForgottenWake) {
            self.wake::<F>();
        }
    }

    /// Whether it rang since it was armed.
    pub(super) fn has_rung(self, armed: Armed) -> bool {
        self.rings.load(Ordering::Relaxed) != armed.rings
    }

    /// Wakes everybody who sleeps, and leaves the bell as it is.
    pub(super) fn disturb<F: Futex<Shared>>(self) {
        self.wake::<F>();
    }

    #[cold]
    fn wake<F: Futex<Shared>>(self) {
        // Relaxed: a counter; who wakes looks at the ring by itself.
        self.rings.fetch_add(1, Ordering::Relaxed);
        F::wake_all(self.rings);
    }

    /// Says that the caller is about to sleep. It must look once more before it
    /// does.
    pub(super) fn arm<L: Liveness>(self) -> Armed {
        let rings = self.rings.load(Ordering::Relaxed);
        // AcqRel: pairs with `exchange`.
        self.armed.swap(1, order());
        let is_sure = is_seeded(Fault::BarrierForgotten) || {
            // SeqCst: the exchange above comes before the barrier, the look after it.
            fence(Ordering::SeqCst);
            L::order_others()
        };
        Armed { rings, is_sure }
    }

    /// The word that sleepers wait on.
    pub(super) fn word(self) -> &'m AtomicU32 {
        self.rings
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
