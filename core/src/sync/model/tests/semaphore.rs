use crate::sync::{
    Private, Semaphore, TimedOut,
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
        let units = Arc::new(Units::new(0));
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

#[test]
fn a_barger_and_a_time_out_take_nobodys_wake() {
    check(|| {
        let units = Arc::new(Units::new(0));
        let theirs = Arc::clone(&units);
        let patient = thread::spawn(move || theirs.acquire());
        let theirs = Arc::clone(&units);
        let hasty = thread::spawn(move || theirs.acquire_until(3));
        units.post().unwrap();
        pass_time(3);
        let barged = units.try_acquire().is_ok();
        if barged {
            units.post().unwrap();
        }
        if hasty.join().unwrap() != Err(TimedOut) {
            units.post().unwrap();
        }
        patient.join().unwrap();
        assert_eq!(units.count(), 0);
    });
}
