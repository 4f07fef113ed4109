//! Something that is done once.

use core::fmt;

use super::{
    error::Refused,
    futex::{Futex, Private, Shared},
    mutex::{MutexScope, RawPrivate, Taken, Unlock},
    owners::{Owners, Permit},
    primitive::{AtomicU32, Ordering, const_unless_modelled},
    seeded::{Fault, is_seeded},
};

const DONE: u32 = 1;

/// Has something done by whoever comes first, while others wait until it is done.
///
/// One that panics has not done it: the next one does. In the [`Shared`] scope nor has one
/// that dies, and the next one is told.
///
/// All-zero is the state in which it was not done; there is no other way to make one in the
/// [`Shared`] scope.
#[repr(C)]
pub struct Once<S: MutexScope<F>, F> {
    state: AtomicU32,
    /// Keeps the lock in its place; always 0.
    _reserved: AtomicU32,
    raw: S::Raw,
}

/// Gives the lock up, also after a panic.
struct Held<'a, R: Unlock>(&'a R);

impl<R: Unlock> Drop for Held<'_, R> {
    fn drop(&mut self) {
        self.0.give_up(Permit::GRANTED);
    }
}

impl<S: MutexScope<F>, F> Once<S, F> {
    /// Whether it was done. What it did is seen then.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        // Acquire: pairs with the Release in `run`.
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Does it, unless another has done it before this one got the lock.
    fn run(&self, action: impl FnOnce()) {
        if !self.is_done() || is_seeded(Fault::OnceLooksOnce) {
            action();
            // Release: pairs with the Acquire in `is_done`.
            self.state.store(DONE, Ordering::Release);
        }
    }
}

impl<F: Futex<Private>> Once<Private, F> {
    const_unless_modelled! {
        /// Makes one that was not done.
        pub fn new() -> Self {
            Self {
                state: AtomicU32::new(0),
                _reserved: AtomicU32::new(0),
                raw: RawPrivate::new(),
            }
        }
    }

    /// Calls `action` if nobody has; returns when it was done. An action that calls this
    /// again waits for ever.
    #[inline]
    pub fn call_once(&self, action: impl FnOnce()) {
        if !self.is_done() {
            self.call_slow(action);
        }
    }

    #[cold]
    fn call_slow(&self, action: impl FnOnce()) {
        self.raw.lock_unchecked();
        let _held = Held(&self.raw);
        self.run(action);
    }
}

impl<F: Owners> Once<Shared, F> {
    /// Calls `action` if nobody has; returns when it was done. The action is told whether
    /// another began with it and died: [`Taken::OwnerDied`].
    ///
    /// # Errors
    /// [`Refused::Reentrant`] in the action; [`Refused::NoOwner`].
    #[inline]
    pub fn call_once(&self, action: impl FnOnce(Taken)) -> Result<(), Refused> {
        if self.is_done() { Ok(()) } else { self.call_slow(action) }
    }

    #[cold]
    fn call_slow(&self, action: impl FnOnce(Taken)) -> Result<(), Refused> {
        let taken = self.raw.lock()?;
        let _held = Held(&self.raw);
        if taken == Taken::OwnerDied {
            // Nothing but the action can be half done.
            self.raw.make_consistent().map_err(|_| Refused::NotOwner)?;
        }
        self.run(|| action(taken));
        Ok(())
    }
}

#[cfg(all(test, any(farend_loom, farend_shuttle)))]
use super::mutex::RawShared;

#[cfg(all(test, any(farend_loom, farend_shuttle)))]
impl<F: Owners> Once<Shared, F> {
    /// In a model, which moves none.
    pub(crate) fn modelled() -> Self {
        Self { state: AtomicU32::new(0), _reserved: AtomicU32::new(0), raw: RawShared::free() }
    }

    /// The lock, for a model of the system's clean-up.
    pub(crate) fn raw(&self) -> &RawShared<F> {
        &self.raw
    }
}

impl<F: Futex<Private>> Default for Once<Private, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: MutexScope<F>, F> fmt::Debug for Once<S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Once").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}
