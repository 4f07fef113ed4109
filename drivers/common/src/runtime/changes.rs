//! What to do when a target changes.

use super::{Change, Platform, Run};
use crate::{
    event::{Code, Event},
    failure::Failure,
};

impl<P: Platform> Run<'_, P> {
    /// Hears what changed since the last call, and acts on it.
    pub(super) fn follow_changes(&mut self) {
        let places: Vec<_> =
            (0..self.sessions.len()).filter(|at| !self.sessions[*at].has_ended()).collect();
        let served: Vec<_> = places.iter().map(|at| self.sessions[*at].target()).collect();
        let changes = match self.platform.changes(&served) {
            Ok(changes) => changes,
            Err(error) => {
                let message = format!("cannot listen to the system: {error}");
                return self.sink.emit(&Event::new(Code::Warning, message));
            }
        };
        for (place, change) in changes {
            let Some(at) = places.get(place).copied() else { continue };
            // Two changes of one target may come at once.
            if self.sessions[at].has_ended() {
                continue;
            }
            match change {
                Change::Gone(reason) => self.end_session(at, &reason),
                Change::Now { target, told, policy } => {
                    let found = self.platform.findings(
                        &self.plan.of(self.sessions[at].name()),
                        &target,
                        self.sessions[at].choice(),
                    );
                    // For the status: what changed is told in its own words.
                    let _ = self.sessions[at].new_findings(found);
                    self.sessions[at].update_target(target);
                    for (code, message) in told {
                        let name = self.sessions[at].name();
                        self.sink.emit(&Event::about(code, name, message));
                    }
                    if let Some(message) = policy {
                        self.follow_policy(at, &message);
                    }
                }
            }
        }
    }

    /// A target's own address, for one, is part of its policy.
    fn follow_policy(&mut self, at: usize, message: &str) {
        let session = &mut self.sessions[at];
        if !session.is_open() {
            return;
        }
        let policy =
            self.platform.policy(&self.plan.of(session.name()), session.target(), session.choice());
        let outcome = policy.map_err(Failure::from).and_then(|policy| {
            session.prepare(&policy)?;
            Ok(session.commit(policy)?)
        });
        let name = session.name();
        self.sink.emit(&match outcome {
            Ok(()) => Event::about(Code::Notice, name, message),
            Err(failure) => {
                let message = format!("{message}, and that is not in force: {failure}");
                Event::about(Code::Warning, name, message)
            }
        });
    }
}
