//! Words that can be waited on, and a clock.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroU32,
    ptr,
    sync::{
        Arc, Mutex as Plain,
        atomic::{
            AtomicBool, AtomicU8, AtomicU32 as PlainU32, AtomicU64 as PlainU64, Ordering::SeqCst,
        },
    },
    vec::Vec,
};

#[cfg(farend_loom)]
use loom::{
    lazy_static,
    sync::{Condvar, Mutex},
    thread, thread_local,
};
#[cfg(farend_shuttle)]
use shuttle::{
    lazy_static,
    sync::{Condvar, Mutex},
    thread, thread_local,
};

use super::super::{
    futex::{Clock, Futex, NEVER, Private, Scope, Shared, Spin, Waited},
    primitive::{AtomicU32, Ordering},
};

const ASLEEP: u8 = 0;
const WOKEN: u8 = 1;
const TIMED_OUT: u8 = 2;

/// A thread in a queue.
struct Sleeper {
    alarm: Condvar,
    deadline_ns: u64,
    state: AtomicU8,
}

/// Who sleeps on one word. Its lock makes comparing and falling asleep one step.
struct Bucket {
    sleepers: Mutex<VecDeque<Arc<Sleeper>>>,
}

/// Everything that outlives a thread; made anew for each execution. Its plain
/// parts are never held across a step of the model.
pub(super) struct Kernel {
    buckets: Plain<BTreeMap<usize, Arc<Bucket>>>,
    now_ns: PlainU64,
    asleep: PlainU32,
    wakes_newest: AtomicBool,
    /// How often a slice has passed.
    slices: PlainU32,
    /// Whoever goes to sleep after a slice sees what was stored before it: no memory is
    /// that weak for that long.
    pub(super) barrier: AtomicU32,
    threads: PlainU32,
    /// Owner id and node of each lock that is linked.
    pub(super) held: Plain<BTreeSet<(u32, usize)>>,
    /// Owner id and node of each announced operation.
    pub(super) pending: Plain<BTreeMap<u32, usize>>,
    pub(super) dead: Plain<BTreeSet<u32>>,
    /// Owners that are gone without the system's having cleaned up after them.
    pub(super) missed: Plain<BTreeSet<u32>>,
}

lazy_static! {
    pub(super) static ref KERNEL: Kernel = Kernel {
        buckets: Plain::default(),
        now_ns: PlainU64::new(0),
        asleep: PlainU32::new(0),
        wakes_newest: AtomicBool::new(false),
        slices: PlainU32::new(0),
        barrier: AtomicU32::new(0),
        threads: PlainU32::new(0),
        held: Plain::default(),
        pending: Plain::default(),
        dead: Plain::default(),
        missed: Plain::default(),
    };
}

thread_local! {
    static ID: Cell<u32> = Cell::new(0);
    /// The slices that passed when this thread looked again.
    static LOOKED: Cell<u32> = Cell::new(0);
}

/// Whether this thread is to look again for a slice that has passed; once for each.
fn looks_again() -> bool {
    let slices = KERNEL.slices.load(SeqCst);
    LOOKED.with(|looked| looked.replace(slices)) != slices
}

/// The plain data of a lock that is never held long.
pub(super) fn plain<T>(lock: &Plain<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Kernel {
    fn bucket(&self, word: &AtomicU32) -> Arc<Bucket> {
        let mut buckets = plain(&self.buckets);
        let bucket = buckets
            .entry(ptr::from_ref(word).addr())
            .or_insert_with(|| Arc::new(Bucket { sleepers: Mutex::new(VecDeque::new()) }));
        Arc::clone(bucket)
    }
}

/// The backend of models whose threads look once more before they sleep; without that
/// there are fewer orders to go through.
#[derive(Debug)]
pub enum Spinning {}

impl Clock for Spinning {
    fn now_ns() -> u64 {
        Modelled::now_ns()
    }
}

impl<S: Scope> Futex<S> for Spinning {
    const SPIN: Spin = Spin::Adaptive;

    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        <Modelled as Futex<S>>::wait(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        wake(word, 1);
    }

    fn wake_all(word: &AtomicU32) {
        wake(word, usize::MAX);
    }

    fn thread_id() -> NonZeroU32 {
        <Modelled as Futex<S>>::thread_id()
    }
}

/// The backend of the models.
#[derive(Debug)]
pub enum Modelled {}

impl Clock for Modelled {
    fn now_ns() -> u64 {
        KERNEL.now_ns.load(SeqCst)
    }
}

impl<S: Scope> Futex<S> for Modelled {
    const SPIN: Spin = Spin::None;

    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        let bucket = KERNEL.bucket(word);
        let mut sleepers = bucket.sleepers.lock().unwrap();
        if KERNEL.slices.load(SeqCst) != 0 {
            // A read-modify-write has the newest value.
            KERNEL.barrier.fetch_add(0, Ordering::Acquire);
        }
        if word.load(Ordering::Relaxed) != expected {
            return Waited::Woken;
        }
        let deadline_ns = deadline_ns.unwrap_or(NEVER);
        if deadline_ns <= Self::now_ns() || (deadline_ns != NEVER && looks_again()) {
            drop(sleepers);
            thread::yield_now();
            return Waited::TimedOut;
        }
        let sleeper =
            Arc::new(Sleeper { alarm: Condvar::new(), deadline_ns, state: AtomicU8::new(ASLEEP) });
        sleepers.push_back(Arc::clone(&sleeper));
        KERNEL.asleep.fetch_add(1, SeqCst);
        while sleeper.state.load(SeqCst) == ASLEEP {
            sleepers = sleeper.alarm.wait(sleepers).unwrap();
        }
        KERNEL.asleep.fetch_sub(1, SeqCst);
        if sleeper.state.load(SeqCst) == TIMED_OUT {
            looks_again();
            KERNEL.barrier.fetch_add(0, Ordering::Acquire);
            Waited::TimedOut
        } else {
            Waited::Woken
        }
    }

    fn wake_one(word: &AtomicU32) {
        wake(word, 1);
    }

    fn wake_all(word: &AtomicU32) {
        wake(word, usize::MAX);
    }

    fn thread_id() -> NonZeroU32 {
        ID.with(|id| {
            if id.get() == 0 {
                id.set(KERNEL.threads.fetch_add(1, SeqCst) + 1);
            }
            NonZeroU32::new(id.get()).unwrap()
        })
    }
}

fn wake(word: &AtomicU32, count: usize) {
    let bucket = KERNEL.bucket(word);
    let mut sleepers = bucket.sleepers.lock().unwrap();
    for _ in 0..count {
        let is_newest = KERNEL.wakes_newest.load(SeqCst);
        let next = if is_newest { sleepers.pop_back() } else { sleepers.pop_front() };
        let Some(sleeper) = next else { return };
        sleeper.state.store(WOKEN, SeqCst);
        sleeper.alarm.notify_one();
    }
}

/// Waits until so many threads sleep. A model that begins like this has fewer orders
/// to go through.
pub fn until_asleep(threads: usize) {
    while (KERNEL.asleep.load(SeqCst) as usize) < threads {
        thread::yield_now();
    }
}

/// From now on, whoever fell asleep last is woken first. No system promises an order.
pub fn wake_newest_first() {
    KERNEL.wakes_newest.store(true, SeqCst);
}

/// Wakes a sleeper for no reason, as a signal does.
pub fn disturb(word: &AtomicU32) {
    wake(word, 1);
}

/// Lets the clock jump to `now_ns`: whose deadline is past by then, times out.
pub fn pass_time(now_ns: u64) {
    KERNEL.now_ns.store(now_ns, SeqCst);
    let buckets: Vec<_> = plain(&KERNEL.buckets).values().cloned().collect();
    for bucket in buckets {
        let mut sleepers = bucket.sleepers.lock().unwrap();
        sleepers.retain(|sleeper| {
            let is_late = sleeper.deadline_ns <= now_ns;
            if is_late {
                sleeper.state.store(TIMED_OUT, SeqCst);
                sleeper.alarm.notify_one();
            }
            !is_late
        });
    }
}

/// Longer than the slices of every lock and signal.
const SLICE_NS: u64 = 10_000_000_000;

/// Lets a slice pass: everybody who sleeps looks once more, and so does, once, whoever
/// was about to fall asleep.
pub fn pass_slice() {
    KERNEL.barrier.fetch_add(1, Ordering::Release);
    KERNEL.slices.fetch_add(1, SeqCst);
    pass_time(Modelled::now_ns() + SLICE_NS);
}

/// Both scopes are modelled.
const _: fn() = || {
    fn is_modelled<F: Futex<Private> + Futex<Shared>>() {}
    is_modelled::<Modelled>();
};
