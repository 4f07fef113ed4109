//! Who sleeps for which word.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// More than threads that usually sleep at once; a power of two.
const BUCKETS: usize = 64;

/// Sleepers, by the address of their word, in the order they came.
///
/// Grows only when more threads sleep for the words of one bucket than ever
/// before.
#[derive(Debug)]
pub(crate) struct Table<H> {
    buckets: [Bucket<H>; BUCKETS],
}

/// On cache lines of its own, because unrelated words are locked side by side.
#[derive(Debug)]
#[repr(align(128))]
struct Bucket<H>(Mutex<Sleepers<H>>);

#[derive(Debug)]
struct Sleepers<H> {
    queue: VecDeque<Sleeper<H>>,
    arrivals: u64,
}

#[derive(Debug)]
struct Sleeper<H> {
    address: usize,
    ticket: u64,
    handle: H,
}

/// Where a sleeper stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    address: usize,
    ticket: u64,
}

impl<H> Table<H> {
    /// An empty table.
    pub(crate) const fn new() -> Self {
        Self {
            buckets: [const { Bucket(Mutex::new(Sleepers { queue: VecDeque::new(), arrivals: 0 })) };
                BUCKETS],
        }
    }

    /// Adds a sleeper if, once no wake can be under way, it is still to sleep.
    pub(crate) fn enter(
        &self,
        address: usize,
        handle: H,
        is_to_sleep: impl FnOnce() -> bool,
    ) -> Option<Place> {
        let mut sleepers = self.lock(address);
        if !is_to_sleep() {
            return None;
        }
        let ticket = sleepers.arrivals;
        sleepers.arrivals = ticket.wrapping_add(1);
        sleepers.queue.push_back(Sleeper { address, ticket, handle });
        Some(Place { address, ticket })
    }

    /// Removes a sleeper. `false` if a wake has done it already.
    pub(crate) fn leave(&self, place: Place) -> bool {
        let mut sleepers = self.lock(place.address);
        let found = sleepers.queue.iter().position(|sleeper| sleeper.ticket == place.ticket);
        found.and_then(|index| sleepers.queue.remove(index)).is_some()
    }

    /// Removes the sleepers of a word that came first, and wakes them.
    ///
    /// They are woken before the lock is given back: a thread that finds itself
    /// gone from the table knows that its wake has been done, and a thread that
    /// ends takes with it nothing that a wake would still use.
    pub(crate) fn wake(&self, address: usize, count_max: usize, wake: impl Fn(&H)) {
        let mut sleepers = self.lock(address);
        let mut count = 0;
        sleepers.queue.retain(|sleeper| {
            let is_woken = sleeper.address == address && count < count_max;
            if is_woken {
                count += 1;
                wake(&sleeper.handle);
            }
            !is_woken
        });
    }

    fn lock(&self, address: usize) -> MutexGuard<'_, Sleepers<H>> {
        let Bucket(mutex) = &self.buckets[index(address)];
        // Nothing in here panics half way.
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sleep.
    #[cfg(test)]
    pub(crate) fn len(&self, address: usize) -> usize {
        let sleepers = self.lock(address);
        sleepers.queue.iter().filter(|sleeper| sleeper.address == address).count()
    }
}

/// Spreads addresses, whose low two bits are zero, by the golden ratio.
fn index(address: usize) -> usize {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let spread = (address as u64).wrapping_mul(GOLDEN) >> (64 - BUCKETS.trailing_zeros());
    usize::try_from(spread).unwrap_or(0) % BUCKETS
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn sleepers_of_a_word_are_woken_in_their_order_and_no_others() {
        let table = Table::new();
        for (address, name) in [(8, 'a'), (8, 'b'), (12, 'x'), (8, 'c')] {
            assert!(table.enter(address, name, || true).is_some());
        }
        let woken = RefCell::new(Vec::new());
        let wake = |name: &char| woken.borrow_mut().push(*name);
        table.wake(8, 1, wake);
        assert_eq!(*woken.borrow(), ['a']);
        table.wake(8, usize::MAX, wake);
        assert_eq!(*woken.borrow(), ['a', 'b', 'c']);
        table.wake(8, usize::MAX, wake);
        assert_eq!((table.len(8), table.len(12), woken.borrow().len()), (0, 1, 3));
    }

    #[test]
    fn a_sleeper_leaves_once_and_only_itself() {
        let table = Table::new();
        let first = table.enter(8, 'a', || true).unwrap();
        let second = table.enter(8, 'b', || true).unwrap();
        assert!(table.leave(first));
        assert!(!table.leave(first));
        table.wake(8, 1, |name| assert_eq!(*name, 'b'));
        assert!(!table.leave(second));
    }

    #[test]
    fn whoever_need_not_sleep_does_not_enter() {
        let table = Table::new();
        assert!(table.enter(8, 'a', || false).is_none());
        assert_eq!(table.len(8), 0);
    }

    #[test]
    fn words_side_by_side_spread_over_the_buckets() {
        let mut used: Vec<_> = (0..64).map(|word| index(0x7f00_0000_1000 + 4 * word)).collect();
        used.sort_unstable();
        used.dedup();
        assert!(used.len() > 32, "only {} of {BUCKETS}", used.len());
    }
}
