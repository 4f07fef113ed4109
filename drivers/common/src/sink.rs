//! Where events and statistics go: lines on standard error for a person, and
//! on standard output in the form that was asked for.
//!
//! A process has one sink. Writing never waits: each output has a queue of
//! bounded size and a thread without privileges that writes. When the reader
//! stalls, the disk is full or the output is closed, the oldest lines are lost;
//! they are counted, and that is told.

mod output;
mod start;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    control::Journal,
    event::{Code, Event},
    statistics::{Ready, describe},
    values::Format,
};

pub use output::Output;

/// How long the end of a run waits for an output that does not take lines.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// Time before lost lines are told again.
const LOST_INTERVAL: Duration = Duration::from_mins(1);

/// The sink of this process, once it is there.
static SINK: OnceLock<Sink> = OnceLock::new();

/// The outputs of a process.
#[derive(Debug)]
pub struct Sink {
    format: Format,
    standard_output: Output,
    standard_error: Output,
    /// What control clients see of it.
    journal: OnceLock<Arc<Journal>>,
    told_lost: AtomicU64,
    next_told: Mutex<Option<Instant>>,
}

impl Sink {
    /// Opens the sink of this process; gives the one that is there, if it is.
    pub fn install(format: Format) -> &'static Self {
        SINK.get_or_init(|| Self {
            format,
            standard_output: Output::standard_output(),
            standard_error: Output::standard_error(),
            journal: OnceLock::new(),
            told_lost: AtomicU64::new(0),
            next_told: Mutex::new(None),
        })
    }

    /// Keeps events from now on in a journal too.
    pub(crate) fn keep_in(&self, journal: &Arc<Journal>) {
        // A process has one server.
        let _ = self.journal.set(Arc::clone(journal));
    }

    /// Tells an event.
    pub fn emit(&self, event: &Event) {
        if let Some(journal) = self.journal.get() {
            journal.push(event);
        }
        self.standard_error.push_line(&event.line());
        if self.format == Format::Json {
            self.standard_output.push_line(&describe::event(event));
        }
    }

    /// Tells that the driver reflects.
    pub fn ready(&self, ready: &Ready) {
        self.standard_error.push_line(&describe::ready_text(ready));
        if self.format == Format::Json {
            self.standard_output.push_line(&describe::ready_json(ready));
        }
    }

    /// Tells statistics, in one or several lines.
    pub fn statistics(&self, lines: &str) {
        if !lines.is_empty() {
            self.standard_output.push_line(lines);
        }
    }

    /// Says, now and then, how many lines were lost. Call about once a second.
    pub fn look(&self, now: Instant) {
        let lost = self.standard_output.lost_lines();
        // Relaxed: one thread looks.
        let told = self.told_lost.load(Ordering::Relaxed);
        let mut next_told = self.next_told.lock().unwrap_or_else(PoisonError::into_inner);
        if lost == told || next_told.is_some_and(|next| now < next) {
            return;
        }
        *next_told = Some(now + LOST_INTERVAL);
        self.told_lost.store(lost, Ordering::Relaxed);
        self.emit(&Event::new(Code::LinesLost, self.lost_message(lost)));
    }

    /// Waits a moment for what is queued; says what is lost for good, if
    /// anything is.
    ///
    /// # Errors
    ///
    /// One line on the lines of standard output that were lost.
    pub fn finish(&self) -> Result<(), String> {
        let lost = self.standard_output.finish(FINISH_TIMEOUT);
        if lost == 0 { Ok(()) } else { Err(self.lost_message(lost)) }
    }

    /// Waits a moment for lines on standard error.
    pub fn finish_errors(&self) {
        let _ = self.standard_error.finish(FINISH_TIMEOUT);
    }

    fn lost_message(&self, lost: u64) -> String {
        let why = self.standard_output.trouble().unwrap_or_else(|| "nobody reads it".to_owned());
        let lines = if lost == 1 { "line" } else { "lines" };
        format!("standard output: {lost} {lines} lost so far: {why}")
    }
}

/// Tells an event. Before there is a sink, it is a line on standard error.
pub fn emit(event: &Event) {
    match SINK.get() {
        Some(sink) => sink.emit(event),
        None => say(event.line()),
    }
}

/// Tells one line that needs no hand; for workers, which know no sink.
pub fn notice(line: &str) {
    emit(&Event::new(Code::Notice, line));
}

/// Writes one line on standard error, without a prefix.
pub fn say(line: impl AsRef<str>) {
    match SINK.get() {
        Some(sink) => sink.standard_error.push_line(&line.as_ref().replace('\n', " ")),
        None => output::write_error_line(line.as_ref()),
    }
}

/// Waits a moment for what is queued, at the very end.
pub fn finish() {
    if let Some(sink) = SINK.get() {
        // What is lost has been told, or is the lesser trouble of a failed start.
        let _ = sink.finish();
        sink.finish_errors();
    }
}
