//! Whether a backend works on the system that runs.

use core::fmt;

use farend_core::sync::{Futex, Scope};

/// A backend that can say, before anything depends on it, whether it works here.
pub trait Backend<S: Scope>: Futex<S> {
    /// Looks whether the running system has what this backend needs.
    ///
    /// Programs ask once, at their start. Whoever does not ask gets locks that are
    /// right but wait by looking again each millisecond.
    ///
    /// # Errors
    /// [`Unavailable`], with what to do about it.
    fn check() -> Result<(), Unavailable> {
        Ok(())
    }
}

/// What the running system lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// `os_sync_wait_on_address`: macOS 14.4, iOS 17.4.
    OsSync,
    /// The shared operation of `__ulock_wait`: macOS 10.15.
    SharedUlock,
    /// A semaphore of Mach: the task has no more room for ports.
    Semaphore,
    /// A list of held locks in the form of glibc's, for 64 bits: another C library
    /// keeps it differently.
    RobustList,
    /// A registry of lock owners; [`join_default`](crate::registry::join_default)
    /// says why.
    Registry,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OsSync => {
                "locks between processes need macOS 14.4 (os_sync_wait_on_address): update macOS, \
                 or build with the feature private-apis"
            }
            Self::SharedUlock => "locks between processes need macOS 10.15: update macOS",
            Self::Semaphore => {
                "the system gives this process no semaphore: close what holds its Mach ports"
            }
            Self::RobustList => {
                "locks between processes need the robust list of glibc, and this program's C \
                 library keeps another: use the locks of Registered<Linux>"
            }
            Self::Registry => {
                "locks between processes need a registry of their owners, and the user's own \
                 cannot be joined: join another"
            }
        })
    }
}

impl core::error::Error for Unavailable {}

#[cfg(target_os = "linux")]
impl Backend<farend_core::sync::Private> for crate::Linux {}

#[cfg(target_os = "linux")]
impl Backend<farend_core::sync::Shared> for crate::Linux {
    fn check() -> Result<(), Unavailable> {
        crate::linux::check_owners()
    }
}

#[cfg(not(target_os = "none"))]
impl Backend<farend_core::sync::Private> for crate::Parking {}

#[cfg(not(target_os = "none"))]
impl<S: Scope, F: Backend<S>> Backend<S> for crate::Counting<F> {
    fn check() -> Result<(), Unavailable> {
        F::check()
    }
}
