//! Serves all targets until a signal, the end of the time, or the last target
//! is gone.

#[cfg(target_os = "linux")]
mod changes;
mod privileges;

use std::{
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use farend_driver::{
    console::say,
    hints::Hints,
    observe::{Observation, Place},
    signals::Signals,
    statistics::{CountersPage, PAGE_INTERVAL, Ready, Reporter, Snapshot},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

#[cfg(target_os = "linux")]
use crate::monitor::Monitor;
use crate::{
    arguments::CommandLine, failure::Failure, plan::Plan, session::Session, target::Target, tier,
};

/// Who writes files for others.
const APPLICATION: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// Between two looks at workers and hints.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// All that runs.
struct Run<'line> {
    line: &'line CommandLine,
    plan: Plan,
    sessions: Vec<Session>,
    reporter: Reporter<io::Stdout>,
    observation: Observation,
    page: Option<CountersPage>,
    signals: Signals,
    #[cfg(target_os = "linux")]
    monitor: Monitor,
    hints: Hints,
    started: Instant,
    /// Why a target ended, the first of them.
    failure: Option<Failure>,
}

/// Serves what the command line asks for.
///
/// # Errors
///
/// Why it could not begin, or what ended it.
pub(crate) fn run(line: &CommandLine) -> Result<(), Failure> {
    let plan = Plan::make(line)?;
    let targets = Target::find_all(&plan.targets, plan.tier)?;
    for target in &targets {
        tier::check_policy(&plan, target)?;
    }
    let mut run = Run::open(line, plan, targets)?;
    let outcome = run.serve();
    run.finish(outcome)
}

impl<'line> Run<'line> {
    fn open(line: &'line CommandLine, plan: Plan, targets: Vec<Target>) -> Result<Self, Failure> {
        let about = |what: &str, error: &dyn std::fmt::Display| {
            Failure::run_time(format!("cannot {what}: {error}"))
        };
        let signals = Signals::take().map_err(|error| about("take signals", &error))?;
        // Before the interfaces are opened, so that no change in between is
        // missed.
        #[cfg(target_os = "linux")]
        let monitor = Monitor::start().map_err(|error| about("listen to the kernel", &error))?;
        privileges::drop_to_open()?;
        let observe = &plan.settings.observe;
        let mut reporter = Reporter::new(plan.settings.format, io::stdout()).with(observe);
        for note in plan.notes() {
            say(format!("notice: {note}"));
        }
        for danger in plan.dangers() {
            reporter.warning(None, &danger).map_err(|error| unwritten(&error))?;
        }
        let names: Vec<_> = targets.iter().map(|target| target.name().to_owned()).collect();
        let observation = Observation::start(observe, APPLICATION, &names, tier::notice)
            .map_err(Failure::run_time)?;
        let page =
            CountersPage::start(observe, targets.len(), tier::notice).map_err(Failure::run_time)?;
        let mut sessions = Vec::new();
        for (place, target) in (0..).zip(targets) {
            let name = target.name().to_owned();
            let watchers = observation.watchers(Place { place, index: target.index(), name });
            let opened = tier::open(&plan, &target, &watchers, |choice, error| {
                say(format!("tier {} skipped on {}: {error}", choice.name(), target.name()));
            })?;
            let session = Session::new(target, opened);
            warn(&mut reporter, &session, &plan)?;
            sessions.push(session);
        }
        Ok(Self {
            line,
            plan,
            sessions,
            reporter,
            observation,
            page,
            signals,
            #[cfg(target_os = "linux")]
            monitor,
            hints: Hints::default(),
            started: Instant::now(),
            failure: None,
        })
    }

    /// Answers until there is a reason to stop.
    fn serve(&mut self) -> Result<(), Failure> {
        let choices: Vec<_> = self.sessions.iter().map(Session::choice).collect();
        let capabilities = privileges::drop_to_serve(&choices)?;
        for session in &mut self.sessions {
            let started = session.start();
            started.map_err(|error| Failure::run_time(format!("{}: {error}", session.name())))?;
        }
        self.started = Instant::now();
        let ready = Ready {
            program: env!("CARGO_PKG_NAME"),
            interfaces: self.sessions.iter().map(Session::ready).collect(),
            max_rate_frames_per_s: self.plan.settings.max_rate.map(|rate| rate.0),
            capabilities,
        };
        self.reporter.ready(&ready).map_err(|error| unwritten(&error))?;

        let end = self.plan.settings.duration.map(|duration| self.started + duration);
        let mut next_statistics = self.started + self.plan.settings.stats_interval;
        let mut next_look = self.started + LOOK_INTERVAL;
        let mut next_page = self.page.as_ref().map(|_| self.started);
        while !self.signals.is_stop_requested() && self.sessions.iter().any(Session::is_open) {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                break;
            }
            if now >= next_statistics {
                // A clock that jumped, as a laptop's, makes no burst of lines.
                next_statistics = now.max(next_statistics + self.plan.settings.stats_interval);
                let snapshot = self.snapshot();
                self.reporter.statistics(snapshot).map_err(|error| unwritten(&error))?;
            }
            if now >= next_look {
                next_look = now + LOOK_INTERVAL;
                self.look(now)?;
            }
            if next_page.is_some_and(|page| now >= page) {
                next_page = Some(now + PAGE_INTERVAL);
                self.publish_page();
            }
            let others = end.into_iter().chain(next_page);
            let next = others.fold(next_statistics.min(next_look), Instant::min);
            self.wait(next.saturating_duration_since(now))?;
            if self.signals.take_reload() {
                self.reload()?;
                next_statistics =
                    next_statistics.min(Instant::now() + self.plan.settings.stats_interval);
            }
            #[cfg(target_os = "linux")]
            self.follow_changes()?;
        }
        Ok(())
    }

    /// Waits for a signal or a change, at most this long.
    fn wait(&mut self, time: Duration) -> Result<(), Failure> {
        let timeout = Timespec::try_from(time).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut waiting = vec![PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN)];
        #[cfg(target_os = "linux")]
        waiting.push(PollFd::from_borrowed_fd(self.monitor.as_fd(), PollFlags::IN));
        match poll(&mut waiting, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Failure::run_time(format!("cannot wait: {error}"))),
        }
        self.signals.drain();
        Ok(())
    }

    /// Looks for workers that died and for hints.
    fn look(&mut self, now: Instant) -> Result<(), Failure> {
        // First, because an interface that is gone looks like a failure too.
        #[cfg(target_os = "linux")]
        self.follow_changes()?;
        for at in 0..self.sessions.len() {
            if let Some(error) = self.sessions[at].failure() {
                self.end_session(at, &error.to_string())?;
            }
            let name = self.sessions[at].name().to_owned();
            for line in self.sessions[at].look_after() {
                self.notice(&name, &line)?;
            }
        }
        let snapshot = self.snapshot();
        for hint in self.hints.look(&snapshot, now) {
            let message = format!("hint: {}", hint.message);
            self.notice(&hint.interface, &message)?;
        }
        Ok(())
    }

    /// Ends one target; the others go on.
    fn end_session(&mut self, at: usize, reason: &str) -> Result<(), Failure> {
        let Some(session) = self.sessions.get_mut(at) else { return Ok(()) };
        session.stop();
        let name = session.name().to_owned();
        self.failure.get_or_insert(Failure::run_time(format!("{name}: {reason}")));
        let goes_on = self.sessions.iter().any(Session::is_open);
        if goes_on {
            let message = format!("{reason}; the other interfaces go on");
            self.reporter.warning(Some(&name), &message).map_err(|error| unwritten(&error))?;
        }
        Ok(())
    }

    /// Reads the file again and puts what it says in force; if it is wrong,
    /// says so and changes nothing.
    fn reload(&mut self) -> Result<(), Failure> {
        let plan = match Plan::make(self.line) {
            Ok(plan) => plan,
            Err(failure) => return self.refuse_reload(&failure),
        };
        let mut policies = Vec::new();
        for session in &self.sessions {
            match tier::policy(&plan, session.target(), session.choice()) {
                Ok(policy) => policies.push(policy),
                Err(refusal) => return self.refuse_reload(&refusal.into()),
            }
        }
        for at in 0..self.sessions.len() {
            let Some(policy) = policies.get(at) else { continue };
            if let Err(error) = self.sessions[at].replace_policy(policy.clone()) {
                let failure = Failure::run_time(error.to_string());
                return self.refuse_reload(&failure);
            }
        }
        let mut message = match &self.line.common.config {
            Some(path) => format!("reload: settings of {} are in force", path.display()),
            None => "reload: no --config is given, nothing has changed".to_owned(),
        };
        if plan.targets != self.plan.targets || plan.tier != self.plan.tier {
            message += "; other interfaces and another tier need a restart";
        }
        if plan.settings.observe != self.plan.settings.observe {
            message += "; what is looked at stays as it is until a restart";
        }
        let before = std::mem::replace(&mut self.plan.settings, plan.settings);
        self.plan.settings.format = before.format;
        self.plan.settings.duration = before.duration;
        self.plan.settings.observe = before.observe;
        self.reporter.notice(None, &message).map_err(|error| unwritten(&error))
    }

    fn refuse_reload(&mut self, failure: &Failure) -> Result<(), Failure> {
        let message = format!("reload refused, the settings before stay in force: {failure}");
        self.reporter.warning(None, &message).map_err(|error| unwritten(&error))
    }

    fn notice(&mut self, interface: &str, message: &str) -> Result<(), Failure> {
        self.reporter.notice(Some(interface), message).map_err(|error| unwritten(&error))
    }

    fn snapshot(&mut self) -> Snapshot {
        let interfaces = self.sessions.iter_mut().map(Session::statistics).collect();
        let captured = self.observation.captured();
        Snapshot { elapsed: self.started.elapsed(), interfaces, captured }
    }

    fn publish_page(&mut self) {
        let snapshot = self.snapshot();
        if let Some(page) = &mut self.page {
            page.publish(&snapshot);
        }
    }

    /// Stops all targets, tells what they did, and says how it ended.
    fn finish(mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        // What stopping takes is no time of service.
        let elapsed = self.started.elapsed();
        self.sessions.iter_mut().for_each(Session::stop);
        self.observation.finish();
        let snapshot = Snapshot { elapsed, ..self.snapshot() };
        if let Some(page) = &mut self.page {
            page.finale(&snapshot);
        }
        let told = self.reporter.finale(&snapshot).map_err(|error| unwritten(&error));
        outcome?;
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        told
    }
}

/// Says what is wrong with a target before it is served.
fn warn(
    reporter: &mut Reporter<io::Stdout>,
    session: &Session,
    plan: &Plan,
) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    if let Some(interface) = session.interface() {
        for line in crate::doctor::examine(interface, session.choice(), &plan.settings) {
            reporter.warning(Some(session.name()), &line).map_err(|error| unwritten(&error))?;
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (reporter, session, plan);
    Ok(())
}

/// Standard output takes no more.
fn unwritten(error: &io::Error) -> Failure {
    Failure::run_time(format!("cannot write statistics to standard output: {error}"))
}
