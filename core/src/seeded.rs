//! Faults put in on purpose, to see that the models find them.
//!
//! A part of the core that is modelled lists its [`faults`] and asks [`is_seeded`]
//! where one of them would be. A table beside its models says which model finds
//! which: see `search`. `FAREND_FAULT=sync::UnlockNeverWakes` in the environment
//! puts that one in.
//!
//! Outside the model checkers [`is_seeded`] is `false` at compile time: nothing of it
//! is left in a program.

#[cfg(any(farend_loom, farend_shuttle))]
pub mod search;

/// The faults that one part of the core could have: made by [`faults`].
pub trait Seeded: Copy + Eq + 'static {
    /// Each of them once.
    #[cfg(any(farend_loom, farend_shuttle))]
    const ALL: &'static [Self];

    /// The part and the fault, as in `sync::UnlockNeverWakes`: no two parts have the
    /// same.
    #[cfg(any(farend_loom, farend_shuttle))]
    fn name(self) -> &'static str;
}

/// Declares the faults of a part: `enum Fault of "sync" { ... }`.
#[doc(hidden)]
#[macro_export]
macro_rules! seeded_faults {
    ($(#[$attribute:meta])* enum $fault:ident of $part:literal {
        $($(#[$doc:meta])* $member:ident,)+
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $fault {
            $($(#[$doc])* $member,)+
        }

        impl $crate::seeded::Seeded for $fault {
            #[cfg(any(farend_loom, farend_shuttle))]
            const ALL: &'static [Self] = &[$(Self::$member,)+];

            #[cfg(any(farend_loom, farend_shuttle))]
            fn name(self) -> &'static str {
                match self {
                    $(Self::$member => concat!($part, "::", stringify!($member)),)+
                }
            }
        }
    };
}
pub use seeded_faults as faults;

/// Whether this fault is put in.
#[cfg(not(any(farend_loom, farend_shuttle)))]
#[inline(always)]
#[must_use]
pub const fn is_seeded<F: Seeded>(_fault: F) -> bool {
    false
}

/// Names the fault that a whole process has.
#[cfg(any(farend_loom, farend_shuttle))]
const VARIABLE: &str = "FAREND_FAULT";

/// Whether this fault is put in: the environment names one, for the whole process.
#[cfg(any(farend_loom, farend_shuttle))]
#[must_use]
pub fn is_seeded<F: Seeded>(fault: F) -> bool {
    use std::{env, string::String, sync::OnceLock};

    static NAME: OnceLock<Option<String>> = OnceLock::new();
    let name = NAME.get_or_init(|| env::var(VARIABLE).ok());
    name.as_deref() == Some(fault.name())
}
