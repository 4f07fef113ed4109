//! What a thread has learnt of other owners, so that it asks the system seldom.

use std::cell::Cell;

/// How long a thread that asks again and again goes without asking the system whether
/// an owner lives: a thousand looks a second cost it some percents of its time.
const LOOK_NS: u64 = 1_000_000;

/// Ids whose looks are told apart.
const KEPT: usize = 16;

/// When one thread last saw owners of one kind alive, by their ids; several ids share a
/// place.
pub(crate) struct Looks([Cell<u64>; KEPT]);

impl Looks {
    /// Has seen nobody.
    pub(crate) const fn new() -> Self {
        Self([const { Cell::new(0) }; KEPT])
    }

    /// Whether the owner of an id is found dead. After one was found alive the system is
    /// not asked for [`LOOK_NS`], and the answer is no. That one was dead is not kept:
    /// another can have its id in the next moment, and its lock must not be taken away.
    pub(crate) fn is_dead(&self, id: u32, now_ns: u64, is_alive: impl FnOnce(u32) -> bool) -> bool {
        let next_ns = &self.0[usize::try_from(id).unwrap_or(0) % KEPT];
        if now_ns < next_ns.get() {
            return false;
        }
        let is_alive = is_alive(id);
        if is_alive {
            next_ns.set(now_ns.saturating_add(LOOK_NS));
        }
        !is_alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked_seldom_for_a_living_owner() {
        let looks = Looks::new();
        let asked = Cell::new(0);
        let mut dead = 0;
        for now_ns in (0..10 * LOOK_NS).step_by(1_000) {
            let is_alive = |_| {
                asked.set(asked.get() + 1);
                now_ns < 4 * LOOK_NS
            };
            dead += u32::from(looks.is_dead(7, now_ns, is_alive));
        }
        // Four times while it lived, then each time.
        assert_eq!(asked.get(), 4 + 6_000);
        assert_eq!(dead, 6_000);
    }

    #[test]
    fn a_death_is_told_of_one_id_only() {
        let looks = Looks::new();
        assert!(looks.is_dead(7, 5, |_| false));
        let same_place = 7 + u32::try_from(KEPT).unwrap();
        assert!(!looks.is_dead(same_place, 6, |_| true));
        assert!(!looks.is_dead(7, 7, |_| unreachable!("asked a moment ago")));
    }

    #[test]
    fn whoever_has_the_id_of_a_dead_one_is_alive_at_once() {
        let looks = Looks::new();
        assert!(looks.is_dead(7, 5, |_| false));
        assert!(!looks.is_dead(7, 6, |_| true), "another has the id");
    }
}
