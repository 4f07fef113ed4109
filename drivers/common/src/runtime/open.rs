//! From a command line to all that runs.

use std::{fmt, time::Instant};

use super::{
    Keep, Platform, Run, Target, calls::Calls, configure::Layers, epochs::Epochs, ladder,
    session::Session,
};
use crate::{
    arguments::CommandLine,
    control::Door,
    event::{Code, Event},
    failure::Failure,
    hints::Hints,
    observe::{Outputs, Place},
    plan::{OwnChoices, Plan},
    privileges::{self, Capability},
    signals::Signals,
    sink::{self, Sink},
    statistics::{CountersPage, Ready, Reporter},
    tier::TierName,
};

impl<'line, P: Platform> Run<'line, P> {
    /// Opens everything, gives up privileges, and begins to answer.
    pub(super) fn open(line: &'line CommandLine<OwnChoices<P>>) -> Result<Self, Failure> {
        let plan = Plan::<P>::make(line)?;
        let sink = Sink::install(plan.settings.format);
        let signals = Signals::take().map_err(|error| about("take signals", &error))?;
        // Before the targets are found, so that no change in between is missed.
        let mut platform = P::start().map_err(|error| about("listen to the system", &error))?;
        for note in plan.notes() {
            sink.emit(&Event::new(Code::Notice, note));
        }
        for warning in plan.warnings() {
            sink.emit(&Event::new(Code::Warning, warning));
        }
        let targets = platform.find(&plan)?;
        for target in &targets {
            ladder::check(&platform, &plan.of(target.name()), target)?;
        }
        // Files are opened with the rights of whoever started it.
        let observe = &plan.settings.observe;
        let names: Vec<_> = targets.iter().map(|target| target.name().to_owned()).collect();
        let label = P::PROGRAM.label();
        let outputs =
            Outputs::start(observe, &label, &names, sink::notice).map_err(Failure::run_time)?;
        let page =
            CountersPage::start(observe, targets.len(), sink::notice).map_err(Failure::run_time)?;
        let door = Door::open(&plan.settings.control, P::PROGRAM.name, &plan.targets);
        let door = door.map_err(Failure::run_time)?;
        let file_rights = file_rights(line);
        drop_to(&[P::OPENING, file_rights, setpcap()].concat())?;
        let reporter = Reporter::new(plan.settings.format, observe);
        let sessions = open_sessions(&mut platform, &plan, targets, &outputs, sink)?;
        let mut run = Self {
            line,
            plan,
            platform,
            sessions,
            sink,
            reporter,
            outputs,
            page,
            signals,
            calls: None,
            door,
            layers: Layers::default(),
            capabilities: None,
            epochs: Epochs::default(),
            hints: Hints::default(),
            started: Instant::now(),
            failure: None,
        };
        run.begin(file_rights)?;
        Ok(run)
    }

    /// Gives up what serving does not need, starts all sessions, and says so.
    fn begin(&mut self, file_rights: &[Capability]) -> Result<(), Failure> {
        let tiers: Vec<_> = self.sessions.iter().map(Session::choice).collect();
        let keep = if self.door.is_some() { Keep::Restart } else { Keep::Reload };
        let mut kept = P::serving(&tiers, keep);
        kept.extend(file_rights);
        self.capabilities = drop_to(&kept)?;
        for session in &mut self.sessions {
            let started = session.start();
            started.map_err(|error| Failure::run_time(format!("{}: {error}", session.name())))?;
        }
        self.started = Instant::now();
        self.sink.ready(&Ready {
            program: P::PROGRAM.name,
            interfaces: self
                .sessions
                .iter()
                .map(|one| one.ready(&self.plan.of(one.name())))
                .collect(),
            max_rate_frames_per_s: self.plan.settings.max_rate.map(|rate| rate.0),
            capabilities: self.capabilities.clone(),
        });
        if let Some(door) = &mut self.door {
            let calls = Calls::new().map_err(|error| about("make a socket pair", &error))?;
            door.serve(calls.handle(), self.sink, P::PROGRAM.name, P::PROGRAM.version)
                .map_err(|error| about("serve the control socket", &error))?;
            self.calls = Some(calls);
        }
        Ok(())
    }
}

fn open_sessions<P: Platform>(
    platform: &mut P,
    plan: &Plan<P>,
    targets: Vec<P::Target>,
    outputs: &Outputs,
    sink: &Sink,
) -> Result<Vec<Session<P>>, Failure> {
    let mut sessions = Vec::new();
    for (place, target) in (0..).zip(targets) {
        let name = target.name().to_owned();
        let observers =
            outputs.observer_factory(Place { place, index: target.index(), name: name.clone() });
        let plan = &plan.of(&name);
        let opened = ladder::open(platform, plan, &target, &observers, |tier, error| {
            sink.emit(&Event::skipped(&name, tier.name(), error.to_string()));
        })?;
        let found = platform.findings(plan, &target, opened.name);
        let mut session = Session::new(target, observers, opened);
        for finding in session.new_findings(found) {
            sink.emit(&Event::found(&name, finding));
        }
        sessions.push(session);
    }
    Ok(sessions)
}

/// What reading the configuration again needs: root's right to read files of
/// others, if the file is in a folder that is closed to root without it.
fn file_rights<C>(line: &CommandLine<C>) -> &'static [Capability] {
    let Some(path) = &line.config else { return &[] };
    match privileges::without_file_rights(|| std::fs::metadata(path).and(std::fs::File::open(path)))
    {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            &[Capability::DAC_READ_SEARCH]
        }
        _ => &[],
    }
}

fn drop_to(kept: &[Capability]) -> Result<Option<Vec<&'static str>>, Failure> {
    privileges::drop_all_but(kept).map_err(|error| about("give up capabilities", &error))
}

/// What giving up more, later, needs.
#[cfg(target_os = "linux")]
const fn setpcap() -> &'static [Capability] {
    &[Capability::SETPCAP]
}

#[cfg(not(target_os = "linux"))]
const fn setpcap() -> &'static [Capability] {
    &[]
}

fn about(what: &str, error: &dyn fmt::Display) -> Failure {
    Failure::run_time(format!("cannot {what}: {error}"))
}
