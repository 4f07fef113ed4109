//! Linux: the futex system call.
//!
//! Deadlines are absolute, on `CLOCK_MONOTONIC` (which stands still while the
//! machine is suspended), so a wait that a signal interrupted is repeated without
//! growing longer.

mod memory;
#[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
mod robust;

use core::num::NonZeroU32;

use farend_core::sync::{
    Clock, Futex, NEVER, Private, Scope, Shared, Waited, primitive::AtomicU32,
};
use rustix::{
    io::Errno,
    thread::futex::{Flags, wait_bitset, wake},
    time::{ClockId, Timespec, clock_gettime},
};

use crate::thread;

pub use memory::Memory;
#[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
pub(crate) use robust::leave;
#[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
pub use robust::{Caller, Node};

/// Whether locks between processes can tell of an owner's death by the kernel's list.
/// With other C libraries than glibc and on processors of 32 bits they never do, and have
/// owners in a registry instead.
#[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
pub(crate) fn check_owners() -> Result<(), crate::Unavailable> {
    robust::check()
}

/// As above: waits and wakes work; owners are [`Registered`](crate::Registered)'s.
#[cfg(not(all(target_env = "gnu", target_pointer_width = "64")))]
#[expect(clippy::unnecessary_wraps, reason = "as above")]
pub(crate) fn check_owners() -> Result<(), crate::Unavailable> {
    Ok(())
}

const NANOSECONDS: u64 = 1_000_000_000;

/// Any waker wakes any waiter.
const EVERY_BIT: NonZeroU32 = NonZeroU32::MAX;

/// What the kernel takes for "all waiters": the largest `int`.
const ALL: u32 = i32::MAX.cast_unsigned();

/// Linux's futex, in both scopes.
///
/// # References
/// futex(2): `FUTEX_WAIT_BITSET`, `FUTEX_WAKE`, `FUTEX_PRIVATE_FLAG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linux {}

impl Clock for Linux {
    #[inline]
    fn now_ns() -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(NANOSECONDS).saturating_add(nanoseconds)
    }
}

impl Futex<Private> for Linux {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        wait::<Private>(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        wake_up::<Private>(word, 1);
    }

    fn wake_all(word: &AtomicU32) {
        wake_up::<Private>(word, ALL);
    }

    #[inline]
    fn thread_id() -> NonZeroU32 {
        thread::id()
    }
}

impl Futex<Shared> for Linux {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        wait::<Shared>(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        wake_up::<Shared>(word, 1);
    }

    fn wake_all(word: &AtomicU32) {
        wake_up::<Shared>(word, ALL);
    }

    #[inline]
    fn thread_id() -> NonZeroU32 {
        thread::id()
    }
}

const fn flags<S: Scope>() -> Flags {
    if S::IS_SHARED { Flags::empty() } else { Flags::PRIVATE }
}

fn wait<S: Scope>(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
    let deadline = deadline_ns.and_then(timespec);
    match wait_bitset(word, flags::<S>(), expected, deadline.as_ref(), EVERY_BIT) {
        Err(Errno::TIMEDOUT) => Waited::TimedOut,
        // Woken; EAGAIN, the word differed; EINTR, a signal. Whoever waits looks
        // at the word again. No other error can be: the word is aligned and
        // mapped, the time is in its range.
        _ => Waited::Woken,
    }
}

fn wake_up<S: Scope>(word: &AtomicU32, count: u32) {
    // EFAULT is possible and meant: the word may be unmapped by now.
    let _woken = wake(word, flags::<S>(), count);
}

/// The deadline as the kernel wants it; `None` if it never comes.
fn timespec(deadline_ns: u64) -> Option<Timespec> {
    if deadline_ns == NEVER {
        return None;
    }
    Some(Timespec {
        tv_sec: i64::try_from(deadline_ns / NANOSECONDS).ok()?,
        tv_nsec: i64::try_from(deadline_ns % NANOSECONDS).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_convert_to_the_nanosecond() {
        let exact = |deadline_ns| timespec(deadline_ns).map(|time| (time.tv_sec, time.tv_nsec));
        assert_eq!(exact(0), Some((0, 0)));
        assert_eq!(exact(1), Some((0, 1)));
        assert_eq!(exact(999), Some((0, 999)));
        assert_eq!(exact(4_300_000_000_001), Some((4_300, 1)));
        assert_eq!(exact(NEVER - 1), Some((18_446_744_073, 709_551_614)));
        assert_eq!(exact(NEVER), None);
    }

    #[test]
    fn a_word_that_differs_does_not_block() {
        let word = AtomicU32::new(1);
        assert_eq!(wait::<Private>(&word, 0, None), Waited::Woken);
        assert_eq!(wait::<Shared>(&word, 0, None), Waited::Woken);
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_not_before() {
        let word = AtomicU32::new(0);
        for timeout_ns in [0, 1, 999, 2_000_000] {
            let deadline_ns = Linux::now_ns() + timeout_ns;
            assert_eq!(wait::<Shared>(&word, 0, Some(deadline_ns)), Waited::TimedOut);
            assert!(Linux::now_ns() >= deadline_ns);
        }
    }
}
