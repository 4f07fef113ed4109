//! A system to check the algorithms against, for loom and shuttle.
//!
//! What stands for the kernel: a queue of sleepers for each word, a clock that
//! stands until a test lets time pass, and what becomes of a thread that is killed
//! between any two of its steps.

mod death;
mod kernel;
#[cfg(test)]
mod tests;

pub use death::{Node, Robust, Watched, clean_up, go_unnoticed, killed_at, step};
pub use kernel::{
    Modelled, Spinning, disturb, pass_slice, pass_time, until_asleep, wake_newest_first,
};

#[cfg(farend_loom)]
pub use loom::{sync::Arc, thread};
#[cfg(farend_shuttle)]
pub use shuttle::{sync::Arc, thread};

/// Runs `body` in every order of its threads' steps, with three preemptions at
/// most: loom.
#[cfg(farend_loom)]
pub fn check(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(3));
    builder.max_branches = 10_000;
    builder.check(body);
}

/// Runs `body` in many orders of its threads' steps, drawn by chance and by
/// priorities that change seldom: shuttle.
#[cfg(farend_shuttle)]
pub fn check(body: impl Fn() + Send + Sync + 'static) {
    const ROUNDS: usize = 2_000;
    const CHANGES: usize = 3;
    let body = Arc::new(body);
    let again = Arc::clone(&body);
    shuttle::check_random(move || body(), ROUNDS);
    shuttle::check_pct(move || again(), ROUNDS, CHANGES);
}
