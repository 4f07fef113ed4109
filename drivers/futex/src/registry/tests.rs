//! The table over processes that live and die by a script.

use std::{
    array,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    thread,
};

use farend_core::sync::THREAD_ID_MAX;

use super::{
    life::{Life, Process, Processes, System},
    slots::{SLOTS, Slot, Table},
};

const SPACE: u64 = 7;
const CLOCK: u64 = 8;

/// Processes that run, and since when.
#[derive(Default)]
struct Script(RefCell<BTreeMap<u32, Life>>);

impl Script {
    fn start(&self, id: u32, started: u64) -> Process {
        self.0.borrow_mut().insert(id, Life::Since(started));
        Process { id, started, space: SPACE, clock: CLOCK }
    }

    fn kill(&self, id: u32) {
        self.0.borrow_mut().remove(&id);
    }
}

impl Processes for Script {
    fn life(&self, id: u32) -> Life {
        self.0.borrow().get(&id).copied().unwrap_or(Life::Gone)
    }

    fn own_space(&self) -> u64 {
        SPACE
    }

    fn own_clock(&self) -> u64 {
        CLOCK
    }
}

fn empty() -> Box<Table> {
    let slot = |_| Slot {
        claim: AtomicU64::new(0),
        started: AtomicU64::new(0),
        space: AtomicU64::new(0),
        clock: AtomicU64::new(0),
    };
    Box::new(Table {
        magic: AtomicU64::new(0),
        next: AtomicU32::new(0),
        reserved: AtomicU32::new(0),
        identity: AtomicU64::new(0),
        room: [const { AtomicU64::new(0) }; 5],
        slots: array::from_fn(slot),
    })
}

#[test]
fn each_table_has_an_identity_that_it_keeps() {
    let (table, other) = (empty(), empty());
    table.open().unwrap();
    let identity = table.identity();
    table.open().unwrap();
    other.open().unwrap();
    assert_ne!(identity, 0);
    assert_eq!(table.identity(), identity);
    assert_ne!(other.identity(), identity);
}

#[test]
fn each_thread_has_an_id_of_its_own() {
    let (table, script) = (empty(), Script::default());
    let process = script.start(100, 5);
    let ids: BTreeSet<_> =
        (0..SLOTS).map(|_| table.claim(process, &script).expect("a free slot")).collect();
    assert_eq!(ids.len(), SLOTS);
    assert!(ids.iter().all(|&id| (1..=THREAD_ID_MAX).contains(&id)));
    assert!(ids.iter().all(|&id| table.is_alive(id, &script)));
    assert_eq!(table.claim(process, &script), None, "every slot is a living process's");
}

#[test]
fn an_id_that_was_given_back_is_dead_for_ever() {
    let (table, script) = (empty(), Script::default());
    let process = script.start(100, 5);
    let first = table.claim(process, &script).unwrap();
    table.release(first);
    assert!(!table.is_alive(first, &script));
    // The same slot comes round again, with another id.
    let later: Vec<_> = (0..SLOTS).map(|_| table.claim(process, &script).unwrap()).collect();
    assert!(!later.contains(&first));
    assert!(later.iter().any(|id| id % 1024 == first % 1024));
    assert!(!table.is_alive(first, &script));
    table.release(first);
    assert!(later.iter().all(|&id| table.is_alive(id, &script)), "given back by its owner only");
}

#[test]
fn the_slots_of_the_dead_are_taken_when_none_is_free() {
    let (table, script) = (empty(), Script::default());
    let (dead, living) = (script.start(100, 5), script.start(200, 6));
    let of_dead: Vec<_> = (0..3).map(|_| table.claim(dead, &script).unwrap()).collect();
    for _ in 3..SLOTS {
        table.claim(living, &script).unwrap();
    }
    assert_eq!(table.claim(living, &script), None);
    script.kill(100);
    assert!(of_dead.iter().all(|&id| !table.is_alive(id, &script)));
    let taken: BTreeSet<_> = (0..3).map(|_| table.claim(living, &script).unwrap()).collect();
    assert_eq!(taken.len(), 3);
    assert!(of_dead.iter().all(|id| !taken.contains(id)));
    assert!(of_dead.iter().all(|&id| !table.is_alive(id, &script)));
    assert!(taken.iter().all(|&id| table.is_alive(id, &script)));
    assert_eq!(table.claim(living, &script), None);
}

#[test]
fn another_process_with_the_same_number_is_not_the_owner() {
    let (table, script) = (empty(), Script::default());
    let id = table.claim(script.start(100, 5), &script).unwrap();
    assert!(table.is_alive(id, &script));
    script.start(100, 6);
    assert!(!table.is_alive(id, &script));
}

#[test]
fn whoever_is_in_doubt_says_alive() {
    let (table, script) = (empty(), Script::default());
    // When it started is not known, now or when it took the slot.
    let id = table.claim(script.start(100, 5), &script).unwrap();
    script.start(100, 0);
    assert!(table.is_alive(id, &script));
    let id = table.claim(script.start(101, 0), &script).unwrap();
    script.start(101, 9);
    assert!(table.is_alive(id, &script));
    // The system does not say.
    script.0.borrow_mut().insert(101, Life::Unknown);
    assert!(table.is_alive(id, &script));
    // Its number is of another namespace, where 102 is somebody else.
    let abroad = Process { id: 102, started: 5, space: SPACE + 1, clock: CLOCK };
    let id = table.claim(abroad, &script).unwrap();
    assert!(table.is_alive(id, &script));
}

#[test]
fn a_start_on_another_clock_is_not_compared() {
    let (table, script) = (empty(), Script::default());
    let elsewhere = Process { clock: CLOCK + 1, ..script.start(100, 5) };
    let id = table.claim(elsewhere, &script).unwrap();
    script.start(100, 1_000_005);
    assert!(table.is_alive(id, &script));
    script.kill(100);
    assert!(!table.is_alive(id, &script), "its number still tells that it is gone");
}

/// A claimant in another pid namespace looks dead until it has written where it is
/// from. If its slot is taken away in that moment, it must not go on to use it.
#[test]
fn an_owner_whose_slot_is_taken_before_it_is_written_does_not_have_it() {
    let (table, script) = (empty(), Script::default());
    let abroad = Process { id: 300, started: 5, space: SPACE + 1, clock: CLOCK };
    let living = script.start(400, 6);
    for slot in &table.slots[1..] {
        slot.take(0, living).unwrap();
    }
    let slot = &table.slots[0];
    let begun = slot.begin(0, abroad).unwrap();
    let id = table.claim(living, &script).expect("the slot of what looks dead");
    assert_eq!(slot.finish(begun, abroad), None);
    assert!(table.is_alive(id, &script));
    // Once it is written, it is nobody else's.
    table.release(id);
    slot.take(slot.claim.load(Ordering::Relaxed), abroad).unwrap();
    assert_eq!(table.claim(living, &script), None);
}

/// One that comes too late writes where it is from over what the owner wrote.
#[test]
fn an_owner_whose_words_a_late_claimant_wrote_over_is_not_dead() {
    let (table, script) = (empty(), Script::default());
    let abroad = |id| Process { id, started: 5, space: SPACE + 1, clock: CLOCK };
    let slot = &table.slots[0];
    let begun = slot.begin(0, abroad(300)).unwrap();
    let owner = slot.take(begun.word(), abroad(301)).unwrap();
    let id = u32::try_from((owner.word() & !(1 << 63)) >> 32).unwrap() << 10;
    assert!(table.is_alive(id, &script));
    assert_eq!(slot.finish(begun, abroad(300)), None);
    assert!(table.is_alive(id, &script));
}

#[test]
fn an_owner_that_died_while_it_took_its_slot_leaves_no_slot_behind() {
    let (table, script) = (empty(), Script::default());
    let id = table.claim(script.start(100, 5), &script).unwrap();
    table.release(id);
    // Process 200 claimed the slot and has not written when it started: what
    // stands there is of the owner before.
    let slot = &table.slots[usize::try_from(id).unwrap() % SLOTS];
    slot.claim.store((2 << 32) + 200, Ordering::Relaxed);
    let unfinished = (2 << 10) + id % 1024;
    script.start(200, 77);
    assert!(table.is_alive(unfinished, &script));
    script.kill(200);
    assert!(!table.is_alive(unfinished, &script));
}

#[test]
fn generations_begin_again_before_they_are_too_large() {
    let (table, script) = (empty(), Script::default());
    let process = script.start(100, 5);
    for slot in &table.slots {
        slot.claim.store(0xF_FFFD << 32, Ordering::Relaxed);
    }
    let mut ids = BTreeSet::new();
    for _ in 0..3 * SLOTS {
        let id = table.claim(process, &script).unwrap();
        assert!((1..=THREAD_ID_MAX).contains(&id), "{id:#x}");
        assert!(table.is_alive(id, &script));
        assert!(ids.insert(id), "{id:#x} again");
        table.release(id);
    }
}

#[test]
fn memory_that_is_something_else_is_refused() {
    let table = empty();
    assert_eq!(table.open(), Ok(()));
    assert_eq!(table.open(), Ok(()));
    table.magic.store(0x1234, Ordering::Relaxed);
    assert_eq!(table.open(), Err(0x1234));
}

#[test]
fn garbage_in_the_table_is_somebody_or_nobody_and_no_panic() {
    let (table, script) = (empty(), Script::default());
    let process = script.start(100, 5);
    let mut garbage = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..200 {
        for slot in &table.slots {
            for word in [&slot.claim, &slot.started, &slot.space, &slot.clock] {
                garbage = garbage.rotate_left(7).wrapping_mul(0x2545_F491_4F6C_DD1D);
                word.store(garbage, Ordering::Relaxed);
            }
        }
        let id = table.claim(process, &script).unwrap();
        assert!((1..=THREAD_ID_MAX).contains(&id), "{round}: {id:#x}");
        table.is_alive(u32::MAX - round, &script);
        table.release(u32::MAX - round);
    }
}

#[test]
fn threads_that_claim_at_once_get_different_slots() {
    let table = empty();
    let ids: Vec<u32> = thread::scope(|scope| {
        let claim = || {
            let own = System.own();
            let churn = || {
                let id = table.claim(own, &System).unwrap();
                table.release(id);
            };
            (0..100).for_each(|_| churn());
            (0..16).map(|_| table.claim(own, &System).unwrap()).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let slots: BTreeSet<_> = ids.iter().map(|id| id % 1024).collect();
    assert_eq!(slots.len(), 8 * 16);
    assert!(ids.iter().all(|&id| table.is_alive(id, &System)));
}
