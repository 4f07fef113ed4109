//! Runs the core over one frame a number of times, for callgrind to count.
//!
//! `instructions reflect|empty|turn|judge|p99 RUNS POLICY FRAME VERDICT`, policy
//! and frame in hex, the verdict by its name: another one is an error. `empty`
//! does everything but reflect, so that the difference of the two is the core's
//! alone. `turn` is one turn of a port over the four rings for each run, of a
//! whole burst; `judge` looks at, turns round and counts as many frames that
//! simply lie in memory. Count inside `turn_a_burst` and `judge_a_burst` alone:
//! the difference is the ring work, and the scripted kernel works outside. `p99`
//! times each run by itself and prints nanoseconds.
#![deny(unsafe_code)]

use std::{env, hint::black_box, process::ExitCode, time::Instant};

use farend_af_xdp::Queue;
use farend_core::{
    Counters, Histogram, Policy, RateLimit, Reason, Verdict,
    frame::window::Fragmented,
    port::{BURST_FRAMES_MAX, Burst, Port},
    reflect,
};
use farend_scripted_kernel::kernel::{Mood, ScriptedKernel, Sizes};

/// Octets at the front of the frame that are written anew for each run: more
/// than the core ever changes in these frames.
const FRONT_OCTETS: usize = 80;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "error: {error}; usage: instructions reflect|empty|turn|judge|p99 RUNS POLICY FRAME VERDICT"
            );
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let [case, runs, policy, frame, verdict] = arguments else {
        return Err("five arguments are wanted".to_owned());
    };
    let runs: u32 = runs.parse().map_err(|_| format!("{runs} is no number"))?;
    let policy = Policy::from_octets(&from_hex(policy)?).map_err(|error| error.to_string())?;
    let mut frame = from_hex(frame)?;
    let found = reflect(&mut frame.clone()[..], &policy, &mut RateLimit::default());
    if found.name() != verdict {
        return Err(format!("the verdict on the frame is {}, not {verdict}", found.name()));
    }
    match case.as_str() {
        "p99" => {
            println!("{}", p99_ns(runs, &policy, &frame));
            return Ok(());
        }
        "turn" => return turn_bursts(runs, &policy, &frame),
        "judge" => return judge_bursts(runs, &policy, &frame),
        _ => {}
    }
    if frame.len() < FRONT_OCTETS {
        frame.resize(FRONT_OCTETS, 0);
    }
    let turn = match case.as_str() {
        "reflect" => turn_round,
        "empty" => leave,
        _ => return Err(format!("no case {case}")),
    };
    // Padding has changed neither the frame nor what it is.
    match repeat(runs, &policy, &mut frame, turn) {
        Some(last) if case == "reflect" && last != found => Err(format!("the last is {last:?}")),
        _ => Ok(()),
    }
}

type Turn = fn(&mut [u8], &Policy, &mut RateLimit) -> Verdict;

/// Returns the last verdict.
fn repeat(runs: u32, policy: &Policy, frame: &mut [u8], turn: Turn) -> Option<Verdict> {
    let front = *frame.first_chunk::<FRONT_OCTETS>()?;
    let mut last = None;
    let mut limit = RateLimit::default();
    for _run in 0..runs {
        if let Some(start) = frame.first_chunk_mut() {
            *start = black_box(front);
        }
        let verdict = turn(black_box(frame), black_box(policy), black_box(&mut limit));
        last = Some(black_box(verdict));
    }
    last
}

/// What is counted.
#[inline(never)]
fn turn_round(frame: &mut [u8], policy: &Policy, limit: &mut RateLimit) -> Verdict {
    reflect(frame, policy, limit)
}

/// The same call without it.
#[inline(never)]
fn leave(_frame: &mut [u8], _policy: &Policy, _limit: &mut RateLimit) -> Verdict {
    Verdict::Refuse(Reason::EtherType)
}

/// The time, in nanoseconds, that 99 of 100 runs do not exceed: each is timed by
/// itself, the clock's own time included.
fn p99_ns(runs: u32, policy: &Policy, frame: &[u8]) -> u64 {
    let (mut limit, mut times) = (RateLimit::default(), Histogram::new());
    let mut work = frame.to_vec();
    for _run in 0..runs {
        work.copy_from_slice(frame);
        let start = Instant::now();
        let _kept = black_box(turn_round(black_box(&mut work), black_box(policy), &mut limit));
        times.record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    times.quantile(990_000).unwrap_or(0)
}

/// Sends the frame through a port, a burst for each run.
fn turn_bursts(runs: u32, policy: &Policy, frame: &[u8]) -> Result<(), String> {
    let sizes = Sizes::default();
    let mut queue = Queue::new(ScriptedKernel::parts(sizes)).map_err(|error| error.to_string())?;
    // Awake by itself, as a driver's own polling is.
    let mood = Mood { wants_kicks: false, ..Mood::default() };
    queue.kernel_mut().set_mood(mood);
    let (mut limit, mut counters) = (RateLimit::default(), Counters::new());
    let mut pending = Burst::new();
    for _run in 0..runs {
        for _frame in 0..BURST_FRAMES_MAX {
            queue.kernel_mut().receive(frame, sizes.chunk_octets as usize, 0);
        }
        turn_a_burst(&mut queue, policy, &mut limit, &mut counters, &mut pending);
        queue.kernel_mut().transmit(BURST_FRAMES_MAX);
        if queue.kernel_mut().sent.drain(..).len() != BURST_FRAMES_MAX {
            return Err("the frame is not answered".to_owned());
        }
    }
    Ok(())
}

/// What is counted.
#[inline(never)]
fn turn_a_burst(
    queue: &mut Queue<ScriptedKernel>,
    policy: &Policy,
    limit: &mut RateLimit,
    counters: &mut Counters,
    pending: &mut Burst,
) {
    // The scripted kernel never fails.
    let _turn = black_box(queue.turn(policy, limit, counters, &mut (), pending));
}

/// Judges a burst of frames in memory for each run.
fn judge_bursts(runs: u32, policy: &Policy, frame: &[u8]) -> Result<(), String> {
    let (mut limit, mut counters) = (RateLimit::default(), Counters::new());
    for _run in 0..runs {
        let mut frames = vec![frame.to_vec(); BURST_FRAMES_MAX];
        let mut burst: Vec<&mut [u8]> = frames.iter_mut().map(Vec::as_mut_slice).collect();
        judge_a_burst(&mut burst, policy, &mut limit, &mut counters);
        let _answers = black_box(&frames);
    }
    let judged = u64::from(runs) * BURST_FRAMES_MAX as u64;
    if counters.reflected() == judged {
        Ok(())
    } else {
        Err("the frame is not answered".to_owned())
    }
}

/// What is counted.
#[inline(never)]
fn judge_a_burst(
    burst: &mut [&mut [u8]],
    policy: &Policy,
    limit: &mut RateLimit,
    counters: &mut Counters,
) {
    for frame in burst {
        let whole_octets = frame.len();
        let verdict = reflect(&mut Fragmented::new(frame, whole_octets), policy, limit);
        counters.count(verdict, whole_octets);
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digit =
        |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let octets: Option<Vec<u8>> =
        pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    octets.filter(|_| rest.is_empty()).ok_or_else(|| "the octets are not hex".to_owned())
}
