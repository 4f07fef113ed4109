use super::{THREADS, Tracked, in_threads};
use crate::sync::{
    Once, Private, Shared, Taken,
    model::{Arc, Modelled, Robust, check, clean_up, killed_at, thread},
    primitive::{AtomicU32, Ordering},
};

#[test]
fn it_is_done_once_and_seen_by_all() {
    check(|| {
        let pair = Arc::new((Once::<Private, Modelled>::new(), Tracked::default()));
        in_threads(THREADS, move |_| {
            pair.0.call_once(|| pair.1.add());
            assert!(pair.0.is_done());
            assert_eq!(pair.1.read(), 1);
        });
    });
}

/// One that dies while it does it has not done it: the next one is told, and does.
#[test]
fn a_death_while_it_is_done_leaves_it_to_the_next() {
    for steps in 1..=9 {
        check(move || {
            let once = Arc::new((Once::<Shared, Robust>::modelled(), AtomicU32::new(0)));
            let theirs = Arc::clone(&once);
            let dying = thread::spawn(move || {
                let is_dead = killed_at(steps, || {
                    theirs.0.call_once(|_| theirs.1.store(1, Ordering::Relaxed)).unwrap();
                });
                if is_dead {
                    clean_up(theirs.0.raw());
                }
            });
            once.0
                .call_once(|taken| {
                    let is_begun = once.1.swap(2, Ordering::Relaxed) == 1;
                    assert!(!is_begun || taken == Taken::OwnerDied, "nobody told");
                })
                .unwrap();
            assert_ne!(once.1.load(Ordering::Relaxed), 0);
            dying.join().unwrap();
        });
    }
}
