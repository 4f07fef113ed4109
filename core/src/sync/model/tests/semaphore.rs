use super::{join, spawn_all};
use crate::sync::{
    Deadline, Private, Semaphore, TimedOut,
    model::{Arc, Modelled, check, pass_time, thread},
};

type Units = Semaphore<Private, Modelled>;

/// Sleepers, and as many posts by one thread.
#[cfg(farend_loom)]
const SLEEPERS: usize = 2;
#[cfg(farend_shuttle)]
const SLEEPERS: usize = 7;

#[test]
fn each_post_lets_one_through() {
    check(|| {
        let units = Arc::new(Units::empty());
        let sleepers: [_; SLEEPERS] = core::array::from_fn(|_| {
            let units = Arc::clone(&units);
            thread::spawn(move || units.acquire())
        });
        for _ in 0..SLEEPERS {
            units.post().unwrap();
        }
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(units.count(), 0);
    });
}

/// Sleepers who wait for ever, and for a time.
#[cfg(farend_loom)]
const PATIENT: usize = 1;
#[cfg(farend_loom)]
const HASTY: usize = 1;
#[cfg(farend_shuttle)]
const PATIENT: usize = 4;
#[cfg(farend_shuttle)]
const HASTY: usize = 3;

#[test]
fn bargers_and_time_outs_take_nobodys_wake() {
    check(|| {
        let units = Arc::new(Units::empty());
        let theirs = Arc::clone(&units);
        let patients = spawn_all(PATIENT, move |_| theirs.acquire());
        let theirs = Arc::clone(&units);
        let hasty: [_; HASTY] = core::array::from_fn(|_| {
            let theirs = Arc::clone(&theirs);
            thread::spawn(move || theirs.acquire_until(Deadline::at_ns(3)))
        });
        for _ in 0..PATIENT {
            units.post().unwrap();
        }
        pass_time(3);
        let barged = units.try_acquire().is_ok();
        if barged {
            units.post().unwrap();
        }
        for hasty in hasty {
            if hasty.join().unwrap() != Err(TimedOut) {
                units.post().unwrap();
            }
        }
        join(patients);
        assert_eq!(units.count(), 0);
    });
}
