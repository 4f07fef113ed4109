//! Receives one run, and waits for its stragglers.

use std::sync::atomic::Ordering;

use crate::{
    clock::now_ns,
    error::Error,
    judge::Judge,
    path::Receive,
    sender::{Shared, is_about_earlier},
};

/// Longest time, in milliseconds, that one wait may take: how soon the end of
/// sending is noticed.
const WAIT_MS: u16 = 10;

/// How long, in nanoseconds, to listen on for duplicates when every frame has
/// come back.
const AFTER_ALL_NS: u64 = 50_000_000;

/// The receiving side of one run.
#[derive(Debug)]
pub struct Receiver<'run, R> {
    receive: &'run mut R,
    shared: &'run Shared,
    straggler_wait_ns: u64,
    sent_since_ns: Option<u64>,
    complete_since_ns: Option<u64>,
    /// Times that an earlier frame was reported as undeliverable.
    pub unreachable: u64,
    /// What came back so far.
    pub judge: Judge,
}

impl<'run, R: Receive> Receiver<'run, R> {
    /// Prepares a run.
    pub fn new(
        receive: &'run mut R,
        judge: Judge,
        shared: &'run Shared,
        straggler_wait_ns: u64,
    ) -> Self {
        Self {
            receive,
            shared,
            straggler_wait_ns,
            sent_since_ns: None,
            complete_since_ns: None,
            unreachable: 0,
            judge,
        }
    }

    /// Takes what has arrived, after waiting at most `wait_ms` for the first.
    ///
    /// # Errors
    ///
    /// [`Error::Run`] if receiving fails for good.
    pub fn step(&mut self, wait_ms: u16) -> Result<(), Error> {
        let Self { receive, shared, judge, .. } = self;
        let mut sink = |arrival: crate::path::Arrival<'_>| {
            // Acquire: pairs with the sender's Release, before the frame left.
            judge.judge(&arrival, shared.sequence_end.load(Ordering::Acquire));
        };
        match receive.receive(wait_ms, &mut sink) {
            Ok(_) => {}
            Err(error) if is_about_earlier(error.kind()) => self.unreachable += 1,
            Err(error) => {
                return Err(Error::run(format!(
                    "cannot receive: {error}: is the interface still up?"
                )));
            }
        }
        self.shared.received.store(self.judge.counts.received, Ordering::Relaxed);
        Ok(())
    }

    /// Receives until nothing more is to be expected.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn finish(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        while result.is_ok() && !self.is_over() {
            result = self.step(WAIT_MS);
        }
        self.shared.is_failed.store(result.is_err(), Ordering::Relaxed);
        result
    }

    /// Whether all is sent, and its stragglers had their time.
    fn is_over(&mut self) -> bool {
        // Acquire: pairs with the Release after the last send, so `sent` is
        // its last value.
        if !self.shared.is_sent.load(Ordering::Acquire) {
            return false;
        }
        let now = now_ns();
        let since = *self.sent_since_ns.get_or_insert(now);
        if self.judge.counts.received >= self.shared.sent.load(Ordering::Relaxed) {
            let complete = *self.complete_since_ns.get_or_insert(now);
            if now.saturating_sub(complete) >= AFTER_ALL_NS {
                return true;
            }
        }
        now.saturating_sub(since) >= self.straggler_wait_ns
    }
}
