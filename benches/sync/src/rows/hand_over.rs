//! Two threads that let each other go on, turn by turn, by one kind of lock or signal.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Result, anyhow};
use farend_futex::private;

use crate::{
    cpu,
    measured::{Measured, Quantiles},
};

/// What two threads take turns by. Each side lets the other go and then waits for it.
pub(crate) trait Turns: Sync {
    fn new() -> Self;

    /// One turn of a side: 0, which begins, or 1.
    fn turn(&self, side: usize);
}

/// Measures a turn of both.
pub(crate) fn run<T: Turns>(operations: u64) -> Result<Option<Measured>> {
    let cpus = cpu::pair()?;
    let turns = T::new();
    let samples_ns = thread::scope(|scope| -> Result<Vec<f64>> {
        let other = scope.spawn(|| -> Result<()> {
            cpu::pin(cpus[1])?;
            (0..operations).for_each(|_| turns.turn(1));
            Ok(())
        });
        cpu::pin(cpus[0])?;
        let mut samples_ns = Vec::with_capacity(usize::try_from(operations)?);
        for _ in 0..operations {
            let start = Instant::now();
            turns.turn(0);
            samples_ns.push(start.elapsed().as_secs_f64() * 1e9);
        }
        other.join().map_err(|_panic| anyhow!("a thread panicked"))??;
        Ok(samples_ns)
    })?;
    Ok(Some(Measured::times(operations, samples_ns, Some(cpus))))
}

/// Ours: a mutex, a condition variable, and whose turn it is.
pub(crate) struct FarendCondvar {
    turn: private::Mutex<usize>,
    turned: private::Condvar,
}

impl Turns for FarendCondvar {
    fn new() -> Self {
        Self { turn: private::Mutex::new(0), turned: private::Condvar::new() }
    }

    fn turn(&self, side: usize) {
        let mut turn = self.turn.lock();
        if side == 1 {
            turn = self.turned.wait_while(turn, |turn| *turn != 1);
        }
        *turn = 1 - side;
        self.turned.notify_one();
        if side == 0 {
            let _turn = self.turned.wait_while(turn, |turn| *turn != 0);
        }
    }
}

/// The standard library's.
pub(crate) struct StandardCondvar {
    turn: std::sync::Mutex<usize>,
    turned: std::sync::Condvar,
}

impl Turns for StandardCondvar {
    fn new() -> Self {
        Self { turn: std::sync::Mutex::new(0), turned: std::sync::Condvar::new() }
    }

    fn turn(&self, side: usize) {
        let mut turn = self.turn.lock().expect("nobody panics");
        if side == 1 {
            turn = self.turned.wait_while(turn, |turn| *turn != 1).expect("nobody panics");
        }
        *turn = 1 - side;
        self.turned.notify_one();
        if side == 0 {
            let _turn = self.turned.wait_while(turn, |turn| *turn != 0).expect("nobody panics");
        }
    }
}

/// `parking_lot`'s, which waits by reference.
pub(crate) struct ParkingCondvar {
    turn: parking_lot::Mutex<usize>,
    turned: parking_lot::Condvar,
}

impl Turns for ParkingCondvar {
    fn new() -> Self {
        Self { turn: parking_lot::Mutex::new(0), turned: parking_lot::Condvar::new() }
    }

    fn turn(&self, side: usize) {
        let mut turn = self.turn.lock();
        if side == 1 {
            self.turned.wait_while(&mut turn, |turn| *turn != 1);
        }
        *turn = 1 - side;
        self.turned.notify_one();
        if side == 0 {
            self.turned.wait_while(&mut turn, |turn| *turn != 0);
        }
    }
}

/// Two semaphores.
pub(crate) struct FarendSemaphore([private::Semaphore; 2]);

impl Turns for FarendSemaphore {
    fn new() -> Self {
        Self([private::Semaphore::empty(), private::Semaphore::empty()])
    }

    fn turn(&self, side: usize) {
        if side == 1 {
            self.0[1].acquire();
        }
        self.0[1 - side].post().expect("there is room");
        if side == 0 {
            self.0[0].acquire();
        }
    }
}

/// Two events that one waiter takes.
pub(crate) struct FarendEvent([private::AutoResetEvent; 2]);

impl Turns for FarendEvent {
    fn new() -> Self {
        Self([private::AutoResetEvent::new(), private::AutoResetEvent::new()])
    }

    fn turn(&self, side: usize) {
        if side == 1 {
            self.0[1].wait();
        }
        self.0[1 - side].set();
        if side == 0 {
            self.0[0].wait();
        }
    }
}

/// A barrier for two.
pub(crate) struct FarendBarrier(private::Barrier);

impl Turns for FarendBarrier {
    fn new() -> Self {
        Self(private::Barrier::new(2).expect("two are few enough"))
    }

    fn turn(&self, _side: usize) {
        self.0.wait();
    }
}

/// The standard library's.
pub(crate) struct StandardBarrier(std::sync::Barrier);

impl Turns for StandardBarrier {
    fn new() -> Self {
        Self(std::sync::Barrier::new(2))
    }

    fn turn(&self, _side: usize) {
        self.0.wait();
    }
}

/// `unpark` and `park` of the standard library: what its users have in place of an event.
pub(crate) struct Parking {
    is_set: [AtomicBool; 2],
    threads: [std::sync::OnceLock<thread::Thread>; 2],
}

impl Turns for Parking {
    fn new() -> Self {
        Self { is_set: Default::default(), threads: Default::default() }
    }

    fn turn(&self, side: usize) {
        self.threads[side].get_or_init(thread::current);
        let wait = || {
            while !self.is_set[side].swap(false, Ordering::Acquire) {
                thread::park();
            }
        };
        if side == 1 {
            wait();
        }
        self.is_set[1 - side].store(true, Ordering::Release);
        // At first the other may not have come: it looks before it parks.
        if let Some(other) = self.threads[1 - side].get() {
            other.unpark();
        }
        if side == 0 {
            wait();
        }
    }
}

/// Time inside and outside of a lock that two threads want.
const HELD_NS: u64 = 50;

/// How long one waits for a lock that two threads hold for a while, again and again.
pub(crate) fn waiting<L: crate::locks::Lock>(operations: u64) -> Result<Option<Measured>> {
    let cpus = cpu::pair()?;
    let lock = L::new()?;
    let done = AtomicU64::new(0);
    let samples_ns = thread::scope(|scope| -> Result<Vec<f64>> {
        let sides: Vec<_> = cpus
            .iter()
            .map(|&cpu| {
                let (lock, done) = (&lock, &done);
                scope.spawn(move || -> Result<Vec<f64>> {
                    cpu::pin(cpu)?;
                    let mut samples_ns = Vec::with_capacity(usize::try_from(operations)?);
                    // Until both have had all of their turns, so that neither is alone.
                    while done.load(Ordering::Relaxed) < 2 {
                        spend();
                        let start = Instant::now();
                        let mut waited = start;
                        lock.hold(|| {
                            waited = Instant::now();
                            spend();
                        });
                        if samples_ns.len() < samples_ns.capacity() {
                            samples_ns.push((waited - start).as_secs_f64() * 1e9);
                            if samples_ns.len() == samples_ns.capacity() {
                                done.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                    Ok(samples_ns)
                })
            })
            .collect();
        let mut all_ns = Vec::new();
        for side in sides {
            all_ns.extend(side.join().map_err(|_panic| anyhow!("a thread panicked"))??);
        }
        Ok(all_ns)
    })?;
    let quantiles_ns = Quantiles::of(samples_ns);
    let value = quantiles_ns.map_or(f64::NAN, |quantiles| quantiles.p99);
    Ok(Some(Measured {
        value,
        quantiles_ns,
        ..Measured::times(2 * operations, Vec::new(), Some(cpus))
    }))
}

fn spend() {
    let start = Instant::now();
    while start.elapsed().as_nanos() < u128::from(HELD_NS) {
        std::hint::spin_loop();
    }
}
