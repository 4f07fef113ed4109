//! Puts other settings in force: everywhere or nowhere.

use farend_core::Policy;

use super::{Platform, Run};
use crate::{
    event::{Code, Event},
    failure::Failure,
    plan::Plan,
};

impl<P: Platform> Run<'_, P> {
    /// Reads the file again and puts what it says in force; if it is wrong, or
    /// one target cannot have it, says so and changes nothing.
    pub(super) fn reload(&mut self) {
        let outcome = Plan::make(self.line).and_then(|wanted| self.put_in_force(wanted));
        self.sink.emit(&match outcome {
            Ok(waiting) => Event::new(Code::Notice, self.reload_message(&waiting)),
            Err(failure) => {
                let message =
                    format!("reload refused, the previous settings remain in force: {failure}");
                Event::new(Code::Warning, message)
            }
        });
    }

    /// Puts a plan in force, as far as it can be while it runs; names the keys
    /// that wait for a restart.
    fn put_in_force(&mut self, wanted: Plan<P>) -> Result<Vec<&'static str>, Failure> {
        let (plan, waiting) = self.plan.reloaded(wanted);
        let mut policies = Vec::new();
        for session in &self.sessions {
            policies.push(self.platform.policy(&plan, session.target(), session.choice())?);
        }
        let changed = self.prepare(&policies)?;
        self.commit(&policies, &changed)?;
        self.plan = plan;
        Ok(waiting)
    }

    /// Gets all sessions ready, or none; gives the places of those whose policy
    /// is another.
    fn prepare(&mut self, policies: &[Policy]) -> Result<Vec<usize>, Failure> {
        let mut changed = Vec::new();
        for (at, policy) in policies.iter().enumerate() {
            match self.sessions[at].prepare(policy) {
                Ok(true) => changed.push(at),
                Ok(false) => {}
                Err(error) => {
                    let message = format!("{}: {error}", self.sessions[at].name());
                    self.abandon(&changed);
                    return Err(Failure::run_time(message));
                }
            }
        }
        Ok(changed)
    }

    /// Swaps all. What fails here is rare, because all was prepared; those that
    /// were swapped already go back.
    fn commit(&mut self, policies: &[Policy], changed: &[usize]) -> Result<(), Failure> {
        let before: Vec<_> = changed.iter().map(|at| self.sessions[*at].policy().clone()).collect();
        for (done, at) in changed.iter().enumerate() {
            let Err(error) = self.sessions[*at].commit(policies[*at].clone()) else { continue };
            let message = format!("{}: {error}", self.sessions[*at].name());
            self.abandon(&changed[done..]);
            for (at, policy) in changed[..done].iter().zip(before) {
                self.go_back(*at, policy);
            }
            return Err(Failure::run_time(message));
        }
        Ok(())
    }

    fn abandon(&mut self, places: &[usize]) {
        for at in places {
            self.sessions[*at].abandon();
        }
    }

    fn go_back(&mut self, at: usize, policy: Policy) {
        let session = &mut self.sessions[at];
        let outcome = session.prepare(&policy).and_then(|_| session.commit(policy));
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
