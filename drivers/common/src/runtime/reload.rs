//! Puts other settings in force: everywhere or nowhere.

use farend_core::Policy;

use super::{Platform, Run, Session};
use crate::{
    event::{Code, Event},
    failure::Failure,
    plan::Plan,
};

impl<P: Platform> Run<'_, P> {
    /// Reads the file again and puts what it says in force; if it is wrong, or
    /// one target cannot have it, says so and changes nothing.
    pub(super) fn reload(&mut self) {
        let outcome = Plan::make_under(&self.layers.api, self.line).and_then(|wanted| {
            let (plan, waiting) = self.plan.reloaded(wanted);
            self.put_in_force(plan).map(|()| waiting)
        });
        match outcome {
            Ok(waiting) => {
                self.layers.generation += 1;
                self.layers.waiting.clone_from(&waiting);
                self.sink.emit(&Event::new(Code::Notice, self.reload_message(&waiting)));
                for warning in self.plan.warnings() {
                    self.sink.emit(&Event::new(Code::Warning, warning));
                }
                self.tell_findings();
            }
            Err(failure) => {
                let message =
                    format!("reload refused, the previous settings remain in force: {failure}");
                self.sink.emit(&Event::new(Code::Warning, message));
            }
        }
    }

    /// Tells what other settings, or changes of the host, have brought about.
    pub(super) fn tell_findings(&mut self) {
        for session in self.sessions.iter_mut().filter(|session| session.is_open()) {
            let found = self.platform.findings(
                &self.plan.of(session.name()),
                session.target(),
                session.choice(),
            );
            for finding in session.new_findings(found) {
                self.sink.emit(&Event::found(session.name(), finding));
            }
        }
    }

    /// Puts a plan in force.
    pub(super) fn put_in_force(&mut self, plan: Plan<P>) -> Result<(), Failure> {
        let policies = self.policies(&plan)?;
        self.prepare(&policies)?;
        self.commit(&policies)?;
        self.plan = plan;
        Ok(())
    }

    /// The policy of each session.
    pub(super) fn policies(&self, plan: &Plan<P>) -> Result<Vec<Policy>, Failure> {
        let policies = self.sessions.iter().map(|session| {
            let plan = plan.of(session.name());
            Ok(self.platform.policy(&plan, session.target(), session.choice())?)
        });
        policies.collect()
    }

    /// Gets all sessions ready, or none.
    pub(super) fn prepare(&mut self, policies: &[Policy]) -> Result<(), Failure> {
        for (at, policy) in policies.iter().enumerate() {
            if let Err(error) = self.sessions[at].prepare(policy) {
                let message = format!("{}: {error}", self.sessions[at].name());
                self.abandon(0..at);
                return Err(Failure::run_time(message));
            }
        }
        Ok(())
    }

    /// Swaps all. What fails here is rare, because all was prepared; those that
    /// were swapped already go back.
    fn commit(&mut self, policies: &[Policy]) -> Result<(), Failure> {
        let before: Vec<_> = self.sessions.iter().map(|one| one.policy().clone()).collect();
        for (at, policy) in policies.iter().enumerate() {
            let Err(error) = self.sessions[at].commit(policy.clone()) else { continue };
            let message = format!("{}: {error}", self.sessions[at].name());
            self.abandon(at..self.sessions.len());
            for (at, policy) in before.into_iter().enumerate().take(at) {
                self.go_back(at, policy);
            }
            return Err(Failure::run_time(message));
        }
        Ok(())
    }

    pub(super) fn abandon(&mut self, places: std::ops::Range<usize>) {
        self.sessions[places].iter_mut().for_each(Session::abandon);
    }

    fn go_back(&mut self, at: usize, policy: Policy) {
        let session = &mut self.sessions[at];
        let outcome = session.prepare(&policy).and_then(|()| session.commit(policy));
        if let Err(error) = outcome {
            let message = format!("cannot go back to its previous settings: {error}");
            self.sink.emit(&Event::about(Code::Warning, self.sessions[at].name(), message));
        }
    }

    fn reload_message(&self, waiting: &[&'static str]) -> String {
        let message = match &self.line.config {
            Some(path) => format!("reload: settings of {} are in force", path.display()),
            None => "reload: no --config is given, nothing has changed".to_owned(),
        };
        match waiting {
            [] => message,
            keys => format!("{message}; needs a restart: {}", keys.join(", ")),
        }
    }
}
