//! One run of one frame size.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use farend_core::Histogram;

use crate::{
    burst::Burst,
    clock::now_ns,
    error::Error,
    judge::{Counts, Expected, Judge},
    path::{Receive, Transmit},
    progress::Progress,
    rate::Pace,
    receiver::Receiver,
    sender::{Extent, Sender, Sending, Shared, Step, wait_until},
};

/// Who sends and who receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    /// One thread does both in turn: on one CPU two would only take it from
    /// each other.
    One,
    /// One for each.
    Two,
}

/// What to send in one run.
#[derive(Debug)]
pub struct Order {
    /// The frames.
    pub burst: Burst,
    /// What is expected back.
    pub expected: Expected,
    /// `None` for as fast as it goes.
    pub pace: Option<Pace>,
    /// How much.
    pub extent: Extent,
    /// How long to wait for stragglers, in nanoseconds.
    pub straggler_wait_ns: u64,
}

/// What one run found.
#[derive(Debug)]
pub struct Outcome {
    /// What was sent.
    pub sending: Sending,
    /// What came back.
    pub counts: Counts,
    /// How long it took.
    pub round_trip: Box<Histogram>,
    /// Arrivals lost here for want of reading, foreign ones among them;
    /// `None` where the system does not tell.
    pub overflows: Option<u64>,
    /// Arrivals of any kind that the interface dropped meanwhile; `None` where
    /// that is not known.
    pub interface_drops: Option<u64>,
}

/// Does one run.
///
/// # Errors
///
/// [`Error::Run`] if sending or receiving fails for good.
pub fn run<T: Transmit, R: Receive>(
    transmit: &mut T,
    receive: &mut R,
    order: Order,
    threads: Threads,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<Outcome, Error> {
    let shared = Shared::default();
    let overflows_before = receive.overflows();
    let drops_before = receive.interface_drops();
    let judge = Judge::new(order.expected);
    let mut receiver = Receiver::new(receive, judge, &shared, order.straggler_wait_ns);
    let sender = Sender::new(transmit, order.burst, order.pace, order.extent, &shared, stop);
    progress.start(order.extent, order.pace);
    let sending = match threads {
        Threads::One => alternate(sender, &mut receiver, &shared, progress),
        Threads::Two => at_once(sender, &mut receiver, &shared, stop, progress),
    };
    progress.finish();
    let mut sending = sending?;
    sending.unreachable += receiver.unreachable;
    let Receiver { judge, .. } = receiver;
    Ok(Outcome {
        sending,
        counts: judge.counts,
        round_trip: judge.round_trip,
        overflows: increase(overflows_before, receive.overflows()),
        interface_drops: increase(drops_before, receive.interface_drops()),
    })
}

fn increase(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}

fn thread_failed() -> Error {
    Error::run("a thread of the tester failed: this is a defect of the tester")
}

/// Sends and receives in a thread each; the calling one draws.
fn at_once<T: Transmit, R: Receive>(
    sender: Sender<'_, T>,
    receiver: &mut Receiver<'_, R>,
    shared: &Shared,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<Sending, Error> {
    let no_thread = |error| Error::run(format!("cannot start a thread: {error}; try --threads 1"));
    thread::scope(|scope| {
        let receive = || receiver.finish();
        let receiving = thread::Builder::new().spawn_scoped(scope, receive).map_err(no_thread)?;
        let send = || send_all(sender, shared, stop);
        let sending = thread::Builder::new().spawn_scoped(scope, send).map_err(|error| {
            // Or the receiver would wait for ever.
            shared.is_sent.store(true, Ordering::Release);
            no_thread(error)
        })?;
        while !receiving.is_finished() {
            progress.show(shared);
            thread::park_timeout(Progress::INTERVAL);
        }
        let sending = sending.join().unwrap_or_else(|_| Err(thread_failed()));
        receiving.join().unwrap_or_else(|_| Err(thread_failed()))?;
        sending
    })
}

/// The sender's thread.
fn send_all<T: Transmit>(
    mut sender: Sender<'_, T>,
    shared: &Shared,
    stop: &AtomicBool,
) -> Result<Sending, Error> {
    let result = loop {
        match sender.step() {
            Ok(Step::Go) => {}
            Ok(Step::WaitUntil { time_ns }) => wait_until(time_ns, stop),
            Ok(Step::Done) => break Ok(sender.sending),
            Err(error) => break Err(error),
        }
    };
    // Release: pairs with the receiver's Acquire.
    shared.is_sent.store(true, Ordering::Release);
    result
}

/// Sends and receives in turn.
fn alternate<T: Transmit, R: Receive>(
    mut sender: Sender<'_, T>,
    receiver: &mut Receiver<'_, R>,
    shared: &Shared,
    progress: &Progress,
) -> Result<Sending, Error> {
    let mut shown_ns = now_ns();
    loop {
        let wait_ms = match sender.step()? {
            Step::Go => 0,
            Step::WaitUntil { time_ns } => {
                // Back a little early, so that the next frame leaves in time.
                let left_ms = (time_ns.saturating_sub(now_ns()) / 1_000_000).saturating_sub(1);
                u16::try_from(left_ms).unwrap_or(u16::MAX).min(10)
            }
            Step::Done => break,
        };
        receiver.step(wait_ms)?;
        if u128::from(now_ns().saturating_sub(shown_ns)) > Progress::INTERVAL.as_nanos() {
            progress.show(shared);
            shown_ns = now_ns();
        }
    }
    shared.is_sent.store(true, Ordering::Release);
    receiver.finish()?;
    Ok(sender.sending)
}
