//! Says which backends work here, and how long each needs to pass a turn from
//! thread to thread and back.
//!
//! `cargo run --release --example backends`

use std::{
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{
    Futex, Private, Scope, Shared,
    primitive::{AtomicU32, Ordering},
};
use farend_futex::{Backend, Parking};

const TURNS: u32 = 20_000;

fn main() {
    show::<Private, farend_futex::Default>("default, private");
    show::<Shared, farend_futex::Default>("default, shared");
    #[cfg(target_vendor = "apple")]
    {
        use farend_futex::darwin;
        show::<Private, darwin::OsSync>("os_sync, private");
        show::<Shared, darwin::OsSync>("os_sync, shared");
        show::<Private, darwin::Mach>("Mach semaphores");
        if let Some(refusals) = darwin::refusals() {
            println!("{refusals}");
        }
    }
    show::<Private, Parking>("parking");
}

fn show<S: Scope, F: Backend<S>>(name: &str) {
    match F::check() {
        Ok(()) => {
            let ns = turns::<S, F>().as_nanos() / u128::from(TURNS / 2);
            println!("{name:<18} {ns:>7} ns to and fro");
        }
        Err(unavailable) => println!("{name:<18} {unavailable}"),
    }
}

/// Two threads, each asleep while it is the other's turn.
fn turns<S: Scope, F: Futex<S>>() -> Duration {
    let word = AtomicU32::new(0);
    let play = |own: u32| {
        loop {
            let turn = word.load(Ordering::Acquire);
            if turn >= TURNS {
                return;
            }
            if turn % 2 == own {
                word.store(turn + 1, Ordering::Release);
                F::wake_one(&word);
            } else {
                F::wait(&word, turn, Some(F::now_ns() + 1_000_000_000));
            }
        }
    };
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| play(0));
        play(1);
    });
    start.elapsed()
}
