//! Start, stop, reset and status of what runs.

use std::time::{Duration, Instant};

use farend_control::{
    API, Error,
    calls::{ResetReply, ResetStatistics, Start, Started, Stop, Stopped},
    status::{InterfaceStatus, Skipped, State, Status},
};

use super::{Platform, Run, Session, Target, ladder};
use crate::{
    control::Reading,
    event::{Code, Event},
    statistics::{line_of, policy_status},
    tier::TierName,
};

/// More seconds than this until it stops are a mistake: 30 years.
const FOR_S_MAX: f64 = 1e9;

impl<P: Platform> Run<'_, P> {
    /// All counters, now.
    pub(super) fn reading(&mut self) -> Reading {
        let now = self.snapshot();
        self.epochs.reading(now)
    }

    /// Ends the epoch.
    pub(super) fn reset(&mut self, asked: &ResetStatistics) -> Result<ResetReply, Error> {
        let only = asked.interfaces.as_deref();
        for name in only.into_iter().flatten() {
            self.place_of(name)?;
        }
        let now = self.snapshot();
        let (last, epoch) = self.epochs.reset(now, only);
        let message = format!("statistics: epoch {epoch} begins");
        self.sink.emit(&Event::new(Code::Reset, message));
        Ok(ResetReply { r#final: line_of("reset", &last, &last), epoch })
    }

    /// Answers on an interface again, or for another time.
    pub(super) fn start_session(&mut self, asked: &Start) -> Result<Started, Error> {
        let until = match asked.for_s {
            None => None,
            Some(time) if time > 0.0 && time <= FOR_S_MAX => {
                Some(Instant::now() + Duration::from_secs_f64(time))
            }
            Some(_) => return Err(Error::InvalidParameter { parameter: "for_s".to_owned() }),
        };
        let at = self.place_of(&asked.interface)?;
        let mut skipped = Vec::new();
        if !self.sessions[at].is_open() {
            self.restart(at, &mut skipped)?;
        }
        let session = &mut self.sessions[at];
        session.stop_at(until);
        let tier = session.choice().name().to_owned();
        let time = asked.for_s.map_or(String::new(), |time| format!(" for {time} s"));
        let message = format!("started, tier={tier}{time}");
        self.sink.emit(&Event::about(Code::Started, &asked.interface, message));
        Ok(Started { tier, skipped })
    }

    fn restart(&mut self, at: usize, skipped: &mut Vec<Skipped>) -> Result<(), Error> {
        let session = &mut self.sessions[at];
        let (target, observers) = (session.target().clone(), session.observers().clone());
        let (sink, name) = (self.sink, session.name().to_owned());
        let plan = self.plan.of(&name);
        let opened = ladder::open(&mut self.platform, &plan, &target, &observers, |tier, error| {
            let (tier, reason) = (tier.name(), error.to_string());
            sink.emit(&Event::skipped(&name, tier, reason.clone()));
            skipped.push(Skipped { tier: tier.to_owned(), reason });
        });
        let last = skipped.last().map(|one| one.tier.clone());
        let opened = opened.map_err(|failure| Error::Unsupported {
            tier: last.unwrap_or_default(),
            reason: failure.to_string(),
        })?;
        let tier = opened.name;
        session.restart(opened).map_err(|error| Error::Unsupported {
            tier: tier.name().to_owned(),
            reason: error.to_string(),
        })?;
        let found = self.platform.findings(&plan, &target, tier);
        for finding in self.sessions[at].new_findings(found) {
            self.sink.emit(&Event::found(self.sessions[at].name(), finding));
        }
        Ok(())
    }

    /// Stops answering, on one interface or on all.
    pub(super) fn stop_sessions(&mut self, asked: &Stop) -> Result<Stopped, Error> {
        let places: Vec<_> = match &asked.interface {
            Some(name) => vec![self.place_of(name)?],
            None => (0..self.sessions.len()).collect(),
        };
        for at in places {
            self.stop_session(at, "stopped");
        }
        let reading = self.reading();
        let mut counted = reading.now.since(&reading.start);
        if let Some(name) = &asked.interface {
            counted.retain(std::slice::from_ref(name));
        }
        Ok(Stopped { r#final: line_of("final", &counted, &counted) })
    }

    /// Stops those whose time is over.
    pub(super) fn disarm(&mut self, now: Instant) {
        for at in 0..self.sessions.len() {
            if self.sessions[at].until().is_some_and(|until| now >= until) {
                self.stop_session(at, "stopped, its time is over");
            }
        }
    }

    /// When the next one stops by itself.
    pub(super) fn next_disarm(&self) -> Option<Instant> {
        self.sessions.iter().filter_map(Session::until).min()
    }

    fn stop_session(&mut self, at: usize, message: &str) {
        let session = &mut self.sessions[at];
        session.stop_at(None);
        if session.is_open() {
            session.stop(&mut self.platform);
            self.sink.emit(&Event::about(Code::Stopped, session.name(), message));
        }
    }

    fn place_of(&self, name: &str) -> Result<usize, Error> {
        match self.sessions.iter().position(|session| session.name() == name) {
            Some(at) if self.sessions[at].has_ended() => {
                Err(Error::NotRunning { reason: format!("{name} is gone") })
            }
            Some(at) => Ok(at),
            None => {
                let known = self.sessions.iter().map(|one| one.name().to_owned()).collect();
                Err(Error::NoSuchInterface { known })
            }
        }
    }

    /// What is served, and how.
    pub(super) fn status(&self) -> Status {
        let now = Instant::now();
        let interfaces: Vec<_> =
            self.sessions.iter().map(|session| status_of(session, now)).collect();
        let is = |state| interfaces.iter().filter(|one| one.state == state).count();
        let state = match (is(State::Serving), is(State::Ended), interfaces.len()) {
            (serving, _, all) if serving == all => State::Serving,
            (0, ended, all) if ended == all => State::Ended,
            (0, _, _) => State::Stopped,
            _ => State::Partly,
        };
        let names = |held: &Vec<&'static str>| held.iter().map(|one| (*one).to_owned()).collect();
        Status {
            state,
            api: API,
            program: P::PROGRAM.name.to_owned(),
            program_version: P::PROGRAM.version.to_owned(),
            pid: std::process::id(),
            elapsed_s: self.started.elapsed().as_secs_f64(),
            interfaces,
            capabilities: self.capabilities.as_ref().map(names),
            generation: self.layers.generation,
            epoch: self.epochs.number(),
            needs_restart: self.layers.waiting.iter().map(|key| (*key).to_owned()).collect(),
            connections: 0,
            refused: 0,
        }
    }
}

fn status_of<P: Platform>(session: &Session<P>, now: Instant) -> InterfaceStatus {
    let remaining = session.until().map(|until| until.saturating_duration_since(now));
    InterfaceStatus {
        interface: session.name().to_owned(),
        state: match (session.has_ended(), session.is_open()) {
            (true, _) => State::Ended,
            (false, true) => State::Serving,
            (false, false) => State::Stopped,
        },
        tier: session.choice().name().to_owned(),
        policy: policy_status(session.policy(), P::has_mac(session.choice())),
        link: session.target().link(),
        remaining_s: remaining.map(|time| time.as_secs_f64()),
        findings: session.findings().to_vec(),
    }
}
