//! The runtime that every driver runs in: parse, plan, open, drop privileges,
//! serve, reload, stop.
//!
//! A driver brings a [`Platform`]: how to find targets, open a tier on one, and
//! hear what becomes of it. Everything else is here and the same everywhere.

mod calls;
mod changes;
mod check;
mod configure;
mod epochs;
mod ladder;
mod open;
mod platform;
mod reload;
mod session;
mod steer;

use std::{
    ffi::OsString,
    os::fd::AsFd,
    process::ExitCode,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    arguments::{self, CommandLine, one_line},
    control::Door,
    event::{Code, Event},
    failure::Failure,
    hints::Hints,
    observe::Outputs,
    plan::{OwnChoices, Plan},
    signals::Signals,
    sink::{self, Sink, say},
    statistics::{CountersPage, PAGE_INTERVAL, Reporter, Snapshot},
};

use self::{calls::Calls, configure::Layers, epochs::Epochs, session::Session};

pub use farend_control::status::Link;

pub(crate) use calls::{Answer, Handle, Outcome};
pub use platform::{Change, Keep, Platform, Target};

/// Between two looks at workers and hints.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs a driver with the command line of this process, and gives its exit
/// code.
#[must_use]
pub fn main<P: Platform>() -> ExitCode {
    main_with::<P>(std::env::args_os())
}

/// Runs a driver with a command line, its name first, and gives its exit code.
#[must_use]
pub fn main_with<P: Platform>(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = arguments::parse_for::<P::Options>(&P::PROGRAM, P::IS_REFLECTOR, line);
    let outcome = match parsed {
        Ok(line) if line.is_check => check::check::<P>(&line),
        Ok(line) => run::<P>(&line),
        // Help and version are no errors; they go to standard output.
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(Failure::usage(format!("{}; see --help", one_line(&error)))),
    };
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format!("{}: {failure}", P::PROGRAM.name));
            failure.exit_code()
        }
    };
    sink::finish();
    code
}

/// Serves what the command line asks for.
fn run<P: Platform>(line: &CommandLine<OwnChoices<P>>) -> Result<(), Failure> {
    let mut run = Run::<P>::open(line)?;
    run.serve();
    run.finish()
}

/// All that runs.
struct Run<'line, P: Platform> {
    line: &'line CommandLine<OwnChoices<P>>,
    plan: Plan<P>,
    platform: P,
    sessions: Vec<Session<P>>,
    sink: &'static Sink,
    reporter: Reporter,
    outputs: Outputs,
    page: Option<CountersPage>,
    signals: Signals,
    /// Where it is steered at all.
    calls: Option<Calls>,
    /// Where clients come in, if they may.
    door: Option<Door>,
    layers: Layers<OwnChoices<P>>,
    /// Those still held; `None` where the system has none.
    capabilities: Option<Vec<&'static str>>,
    epochs: Epochs,
    hints: Hints,
    started: Instant,
    /// Why a target ended, the first of them.
    failure: Option<Failure>,
}

/// When the next things are due.
struct Due {
    statistics: Instant,
    look: Instant,
    page: Option<Instant>,
    end: Option<Instant>,
}

impl Due {
    fn next(&self) -> Instant {
        let others = self.page.into_iter().chain(self.end);
        others.fold(self.statistics.min(self.look), Instant::min)
    }
}

impl<P: Platform> Run<'_, P> {
    /// Answers until there is a reason to stop.
    fn serve(&mut self) {
        let started = self.started;
        let mut due = Due {
            statistics: started + self.plan.settings.stats_interval.0,
            look: started + LOOK_INTERVAL,
            page: self.page.as_ref().map(|_| started),
            end: self.plan.settings.duration.map(|duration| started + duration.0),
        };
        while !self.signals.is_stop_requested() && !self.sessions.iter().all(Session::has_ended) {
            let now = Instant::now();
            if due.end.is_some_and(|end| now >= end) {
                break;
            }
            self.do_due(&mut due, now);
            let next = self.next_disarm().into_iter().fold(due.next(), Instant::min);
            self.wait(next.saturating_duration_since(now));
            if self.signals.take_reload() {
                self.reload();
                due.statistics =
                    due.statistics.min(Instant::now() + self.plan.settings.stats_interval.0);
            }
            self.follow_changes();
            self.answer_calls();
        }
    }

    fn do_due(&mut self, due: &mut Due, now: Instant) {
        if now >= due.statistics {
            // A clock that jumped, as a laptop's, makes no burst of lines.
            let interval = self.plan.settings.stats_interval.0;
            let next = due.statistics + interval;
            due.statistics = if next <= now { now + interval } else { next };
            let snapshot = self.snapshot();
            self.sink.statistics(&self.reporter.statistics(snapshot));
        }
        self.disarm(now);
        if now >= due.look {
            due.look = now + LOOK_INTERVAL;
            self.look(now);
        }
        if due.page.is_some_and(|page| now >= page) {
            due.page = Some(now + PAGE_INTERVAL);
            let snapshot = self.snapshot();
            if let Some(page) = &mut self.page {
                page.publish(&snapshot);
            }
        }
    }

    /// Waits for a signal, a change or a call, at most this long.
    fn wait(&mut self, time: Duration) {
        let timeout = Timespec::try_from(time).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let others = [self.calls.as_ref().map(AsFd::as_fd), self.platform.waker()];
        let mut waiting: Vec<_> = [self.signals.as_fd()]
            .into_iter()
            .chain(others.into_iter().flatten())
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        if let Err(error) = poll(&mut waiting, Some(&timeout))
            && error != rustix::io::Errno::INTR
        {
            // Signals set flags all the same.
            std::thread::sleep(time.min(Duration::from_millis(100)));
        }
        self.signals.drain();
        if let Some(calls) = &mut self.calls {
            calls.drain();
        }
    }

    /// Looks for workers that died, for hints, and for lines that were lost.
    fn look(&mut self, now: Instant) {
        // First, because an interface that is gone looks like a failure too.
        self.follow_changes();
        for at in 0..self.sessions.len() {
            if let Some(error) = self.sessions[at].failure() {
                self.end_session(at, &error.to_string());
            }
            let lines = self.sessions[at].look_after();
            let name = self.sessions[at].name();
            for line in lines {
                self.sink.emit(&Event::about(Code::Notice, name, line));
            }
        }
        let snapshot = self.snapshot();
        for hint in self.hints.look(&snapshot, now) {
            self.sink.emit(&Event::about(Code::Hint, &hint.interface, hint.message));
        }
        self.sink.look(now);
    }

    /// Ends one target; the others go on.
    fn end_session(&mut self, at: usize, reason: &str) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        session.end(&mut self.platform);
        let name = session.name().to_owned();
        self.failure.get_or_insert(Failure::run_time(format!("{name}: {reason}")));
        let goes_on = !self.sessions.iter().all(Session::has_ended);
        let rest = if goes_on { "; the other interfaces go on" } else { "" };
        self.sink.emit(&Event::about(Code::Ended, &name, format!("{reason}{rest}")));
    }

    fn snapshot(&mut self) -> Snapshot {
        let platform = &mut self.platform;
        let mut interfaces: Vec<_> =
            self.sessions.iter_mut().map(|one| one.statistics(platform)).collect();
        let elapsed = self.started.elapsed();
        for one in &mut interfaces {
            one.elapsed = elapsed;
        }
        let copies = self.outputs.copies();
        Snapshot { elapsed, interfaces, copies }
    }

    /// Stops all targets, tells what they did, and says how it ended.
    fn finish(mut self) -> Result<(), Failure> {
        // What stopping takes is no time of service.
        let elapsed = self.started.elapsed();
        // Before the end, so that nobody waits for an answer that never comes.
        self.door = None;
        let platform = &mut self.platform;
        self.sessions.iter_mut().for_each(|session| session.stop(platform));
        self.outputs.finish();
        let snapshot = Snapshot { elapsed, ..self.snapshot() };
        if let Some(page) = &mut self.page {
            page.finale(&snapshot);
        }
        self.sink.statistics(&self.reporter.finale(&snapshot));
        let told = self.sink.finish();
        match self.failure {
            Some(failure) => Err(failure),
            None => told.map_err(Failure::run_time),
        }
    }
}
