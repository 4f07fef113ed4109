//! Rings in one process: what each call does, and what it makes of bad input.
#![expect(unsafe_code, reason = "processes that a test plays")]

mod broadcast;
mod corrupt;
mod layout;
mod spsc;

use std::{
    cell::Cell,
    num::NonZeroU32,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
    vec::Vec,
};

use super::{Liveness, Memory, Owner};
use crate::sync::{
    Clock, Futex, Shared, Waited,
    primitive::{AtomicU32, Ordering},
};

/// A backend without a system: sleepers look again and again.
#[derive(Debug)]
enum Looking {}

impl Clock for Looking {
    fn now_ns() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap()
    }
}

impl Futex<Shared> for Looking {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        while word.load(Ordering::Relaxed) == expected {
            if deadline_ns.is_some_and(|deadline_ns| deadline_ns <= Self::now_ns()) {
                return Waited::TimedOut;
            }
            thread::sleep(Duration::from_micros(20));
        }
        Waited::Woken
    }

    fn wake_one(_word: &AtomicU32) {}

    fn wake_all(_word: &AtomicU32) {}

    fn thread_id() -> NonZeroU32 {
        NonZeroU32::MIN
    }
}

/// Processes that live and die as a test says: each thread is the process that it
/// chose to be.
#[derive(Debug)]
enum Played {}

std::thread_local! {
    static ME: Cell<u32> = const { Cell::new(1) };
    static DEAD: Cell<u32> = const { Cell::new(0) };
}

/// Makes this thread another process.
fn become_process(pid: u32) {
    ME.set(pid);
}

/// Makes this thread see that process as dead.
fn mourn(pid: u32) {
    DEAD.set(pid);
}

// SAFETY: a thread that plays a dead process touches its ring no more.
unsafe impl Liveness for Played {
    fn me() -> Owner {
        Owner::new(ME.get(), 0)
    }

    fn is_alive(owner: Owner) -> bool {
        owner.pid() != DEAD.get()
    }
}

/// Memory for a ring, all zero.
fn words(octets: u64) -> Vec<u64> {
    std::vec![0; usize::try_from(octets.div_ceil(8)).unwrap()]
}

/// Deadline so many milliseconds from now.
fn after_ms(milliseconds: u64) -> u64 {
    Looking::now_ns() + milliseconds * 1_000_000
}

/// Octets that tell where and whose they are.
fn pattern(seed: usize, octets: usize) -> Vec<u8> {
    (0..octets).map(|index| u8::try_from((seed * 31 + index * 7) % 251).unwrap()).collect()
}

/// A generator for tests: the same numbers in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        // Steele, Lea and Flood's SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// Memory over the words of a test.
fn over(words: &mut [u64]) -> Memory<'_> {
    Memory::from_words(words).unwrap()
}
