//! Processes that are killed while they set an event that others wait for.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(unsafe_code, reason = "a structure of shared types is one, by promise")]

mod support;

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{Clock, Event, Futex, Shared, SharedLayout, Waited, primitive::AtomicU32};
use farend_futex::linux::Linux;

use support::{Arena, Moments, child_value, rounds, wait_for_count};

/// Far longer than a sleeper may be delayed by the death.
const NOTICE: Duration = Duration::from_secs(1);

/// The system, with a pause before each wake for the setter to be killed in.
enum Hesitant {}

impl Clock for Hesitant {
    fn now_ns() -> u64 {
        Linux::now_ns()
    }
}

impl Futex<Shared> for Hesitant {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        <Linux as Futex<Shared>>::wait(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        thread::sleep(Duration::from_micros(200));
        <Linux as Futex<Shared>>::wake_one(word);
    }

    fn wake_all(word: &AtomicU32) {
        thread::sleep(Duration::from_micros(200));
        <Linux as Futex<Shared>>::wake_all(word);
    }

    fn thread_id() -> NonZeroU32 {
        <Linux as Futex<Shared>>::thread_id()
    }
}

#[repr(C)]
struct Bench {
    event: Event<Shared, Hesitant>,
    pulses: AtomicU64,
}

// SAFETY: repr(C), each field is such a type or an atomic.
unsafe impl SharedLayout for Bench {}

/// Sets the event and takes it back, without end.
fn pulse(bench: &Bench) -> ! {
    loop {
        bench.event.set();
        bench.pulses.fetch_add(1, Ordering::Relaxed);
        bench.event.reset();
    }
}

/// Wherever the setter is killed: those who sleep beside an event that is set find
/// it, and those beside one that is not are woken by the next who sets it.
#[test]
fn a_killed_setter_leaves_nobody_asleep_beside_an_event_that_is_set() {
    const NAME: &str = "a_killed_setter_leaves_nobody_asleep_beside_an_event_that_is_set";
    if let Some((_, bench)) = child_value::<Bench>() {
        pulse(bench);
    }
    let arena = Arena::<Bench>::new();
    let bench = arena.value;
    let mut moments = Moments::new();
    let mut found_set = 0;
    for _ in 0..rounds(40, 1_000) {
        bench.event.reset();
        let before = bench.pulses.load(Ordering::Relaxed);
        let mut setter = arena.spawn(NAME, "pulse");
        let is_over = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while is_over.load(Ordering::Relaxed) == 0 {
                        let start = Instant::now();
                        bench.event.wait_for(Duration::from_secs(3)).expect("the event");
                        // One who only looks at the end of its time finds it too.
                        assert!(start.elapsed() < NOTICE, "{:?}", start.elapsed());
                    }
                });
            }
            wait_for_count(&bench.pulses, before + 50);
            thread::sleep(Duration::from_micros(moments.below(2_000)));
            setter.kill();
            is_over.store(1, Ordering::Relaxed);
            // Where it was left set, nobody helps.
            if bench.event.is_set() {
                found_set += 1;
            } else {
                bench.event.set();
            }
        });
    }
    println!("{found_set} of the killed left the event set");
}
