//! Random scripts of the kernel, each held to the rules at every step.

use farend_scripted_kernel::schedule::{self, Summary};

/// Scripts of a normal run; ten times as many with `FAREND_LONG=1`.
const SCHEDULES: u64 = 100_000;

fn schedules() -> u64 {
    if farend_effort::is_long() { 10 * SCHEDULES } else { SCHEDULES }
}

fn run_all(seeds: std::ops::Range<u64>, is_wrong: bool) -> Summary {
    let mut sum = Summary::default();
    for seed in seeds {
        match schedule::run(seed, is_wrong) {
            Ok(summary) => sum.add(&summary),
            Err(error) => panic!("{error}"),
        }
    }
    sum
}

#[test]
fn no_frame_is_lost_doubled_or_out_of_order_whatever_the_kernel_is_like() {
    let half = schedules() / 2;
    let sum = run_all(0..half, false);
    println!("{half} schedules: {sum:?}");
    assert!(sum.answered > half && sum.foreign > half / 2);
    assert!(sum.dropped > half && sum.pending_turns > half / 10);
    assert!(sum.in_pieces > half / 10 && sum.kicks > half);
}

#[test]
fn a_kernel_that_is_wrong_costs_no_chunk_and_no_order() {
    let half = schedules() / 2;
    let sum = run_all(half..2 * half, true);
    println!("{half} schedules: {sum:?}");
    assert!(sum.wrongs > half / 10 && sum.answered > half);
}
