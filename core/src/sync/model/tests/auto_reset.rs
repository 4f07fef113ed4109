use super::{THREADS, Tracked, join, spawn_all};
use crate::sync::{
    AutoResetEvent, Private, Refused,
    model::{Arc, Modelled, check, thread},
};

type Event = AutoResetEvent<Private, Modelled>;

#[test]
fn set_by_several_it_is_taken_by_one() {
    check(|| {
        let event = Arc::new(Event::new());
        let theirs = Arc::clone(&event);
        join(spawn_all(THREADS, move |_| theirs.set()));
        assert_eq!(event.try_wait(), Ok(()));
        assert_eq!(event.try_wait(), Err(Refused::Busy));
    });
}

#[test]
fn each_set_lets_one_go_who_sees_what_was_done_before() {
    check(|| {
        let pair = Arc::new((Event::new(), Event::new(), Tracked::default()));
        let theirs = Arc::clone(&pair);
        let waiting = thread::spawn(move || {
            for turn in 1..=2 {
                theirs.0.wait();
                assert_eq!(theirs.2.read(), turn);
                theirs.1.set();
            }
        });
        for _ in 0..2 {
            pair.2.add();
            pair.0.set();
            pair.1.wait();
        }
        waiting.join().unwrap();
    });
}
