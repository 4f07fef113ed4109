//! What a thread has learnt of other owners, so that it asks the system seldom.

use std::cell::Cell;

/// How long a thread that asks again and again goes without asking the system whether
/// an owner lives: a thousand looks a second cost it some percents of its time.
const LOOK_NS: u64 = 1_000_000;

/// Ids whose looks are told apart.
const KEPT: usize = 16;

/// The last looks of one thread at owners of one kind.
pub(crate) struct Looks([Cell<Look>; KEPT]);

/// One look at an owner, or at several whose ids share a place.
#[derive(Clone, Copy)]
struct Look {
    /// When the system may be asked again.
    next_ns: u64,
    /// Who is dead; 0 is nobody.
    dead: u32,
}

impl Looks {
    /// Knows of nobody.
    pub(crate) const fn new() -> Self {
        Self([const { Cell::new(Look { next_ns: 0, dead: 0 }) }; KEPT])
    }

    /// Whether the owner of an id is known to be dead; the system is asked at most once
    /// in [`LOOK_NS`] for each place. An answer is not kept for longer, because ids
    /// come round again.
    pub(crate) fn is_dead(&self, id: u32, now_ns: u64, is_alive: impl FnOnce(u32) -> bool) -> bool {
        let kept = &self.0[usize::try_from(id).unwrap_or(0) % KEPT];
        if now_ns >= kept.get().next_ns {
            let dead = if is_alive(id) { 0 } else { id };
            kept.set(Look { next_ns: now_ns.saturating_add(LOOK_NS), dead });
        }
        kept.get().dead == id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked_once_in_a_while() {
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
        assert_eq!(asked.get(), 10);
        assert_eq!(dead, 6_000);
    }

    #[test]
    fn a_death_is_told_of_one_id_only() {
        let looks = Looks::new();
        assert!(looks.is_dead(7, 5, |_| false));
        let same_place = 7 + u32::try_from(KEPT).unwrap();
        assert!(!looks.is_dead(same_place, 6, |_| unreachable!("asked a moment ago")));
        assert!(looks.is_dead(7, 6, |_| unreachable!("asked a moment ago")));
        assert!(!looks.is_dead(7, 5 + LOOK_NS, |_| true), "another has the id");
    }
}
