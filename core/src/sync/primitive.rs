//! The one door to atomics.
//!
//! No other file of this crate names `core::sync::atomic`, so that the same
//! algorithms run over a model checker's atomics: loom's with `--cfg
//! farend_loom`, shuttle's with `--cfg farend_shuttle`. Where a target lacks an
//! atomic, it comes from `portable-atomic`.

#[cfg(farend_loom)]
mod chosen {
    pub use loom::{
        hint::spin_loop,
        sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
    };
}

#[cfg(farend_shuttle)]
mod chosen {
    pub use shuttle::{
        hint::spin_loop,
        sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
    };
}

#[cfg(not(any(farend_loom, farend_shuttle)))]
mod chosen {
    pub use core::{
        hint::spin_loop,
        sync::atomic::{Ordering, fence},
    };

    #[cfg(target_has_atomic = "32")]
    pub use core::sync::atomic::AtomicU32;
    #[cfg(target_has_atomic = "64")]
    pub use core::sync::atomic::AtomicU64;
    #[cfg(not(target_has_atomic = "32"))]
    pub use portable_atomic::AtomicU32;
    #[cfg(not(target_has_atomic = "64"))]
    pub use portable_atomic::AtomicU64;
}

pub use chosen::{AtomicU32, AtomicU64, Ordering, fence, spin_loop};

/// The cheap one of a pair of fences. The other is a barrier that the system runs in all
/// threads, so this one only keeps the compiler from moving accesses past it.
///
/// Model checkers cannot run a barrier in other threads; to them both fences weigh the
/// same, which orders what the pair orders.
#[inline(always)]
pub fn light_fence() {
    #[cfg(not(any(farend_loom, farend_shuttle)))]
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(any(farend_loom, farend_shuttle))]
    fence(Ordering::SeqCst);
}

/// Makes functions `const`, but for the model checkers, whose atomics cannot be
/// made at compile time.
macro_rules! const_unless_modelled {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)+) => {
        #[cfg(not(any(farend_loom, farend_shuttle)))]
        $(#[$attribute])*
        #[must_use]
        $visibility const fn $($rest)+

        #[cfg(any(farend_loom, farend_shuttle))]
        $(#[$attribute])*
        #[must_use]
        $visibility fn $($rest)+
    };
    ($(#[$attribute:meta])* $visibility:vis unsafe fn $($rest:tt)+) => {
        #[cfg(not(any(farend_loom, farend_shuttle)))]
        $(#[$attribute])*
        #[must_use]
        $visibility const unsafe fn $($rest)+

        #[cfg(any(farend_loom, farend_shuttle))]
        $(#[$attribute])*
        #[must_use]
        $visibility unsafe fn $($rest)+
    };
}
pub(crate) use const_unless_modelled;
