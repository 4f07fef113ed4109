use core::cell::Cell;

use super::{OTHERS, join, put_others_to_sleep, spawn_all};
use crate::sync::{
    Semaphore, Shared,
    model::{Arc, Robust, check, killed_at, pass_slice, thread},
};

type Units = Semaphore<Shared, Robust>;

/// A unit for each, and the dead one takes one at most along: the others get theirs
/// within a slice of its death.
#[test]
fn an_acquirers_death_at_any_step_takes_one_unit_at_most() {
    for steps in 1..=4 {
        check(move || {
            let units = Arc::new(Units::empty());
            let theirs = Arc::clone(&units);
            let mortal = thread::spawn(move || {
                let is_dead = killed_at(steps, || theirs.acquire());
                if is_dead {
                    pass_slice();
                }
                is_dead
            });
            let theirs = Arc::clone(&units);
            let sleepers = spawn_all(OTHERS, move |_| theirs.acquire());
            for _ in 0..=OTHERS {
                units.post().unwrap();
            }
            let is_dead = mortal.join().unwrap();
            join(sleepers);
            assert!(units.count() <= u32::from(is_dead), "a unit too many");
        });
    }
}

/// A unit is there or not when its poster dies; if it is, somebody gets it within a
/// slice.
#[test]
fn a_posters_death_at_any_step_loses_no_unit() {
    for steps in 1..=2 {
        check(move || {
            let units = Arc::new(Units::empty());
            let theirs = Arc::clone(&units);
            let sleepers = spawn_all(OTHERS, move |_| theirs.acquire());
            put_others_to_sleep();
            let theirs = Arc::clone(&units);
            let mortal = thread::spawn(move || {
                let begun = Cell::new(0);
                let is_dead = killed_at(steps, || {
                    for _ in 0..=OTHERS {
                        begun.set(begun.get() + 1);
                        theirs.post().unwrap();
                    }
                });
                if is_dead {
                    pass_slice();
                }
                // The only step of a post comes after the unit is there.
                for _ in begun.get()..=OTHERS {
                    theirs.post().unwrap();
                }
            });
            units.acquire();
            mortal.join().unwrap();
            join(sleepers);
            assert_eq!(units.count(), 0);
        });
    }
}
