//! What to do when an interface changes.

use farend_core::MacAddress;

use super::{Run, unwritten};
use crate::{
    failure::Failure,
    interface::Interface,
    monitor::{Event, compare},
    session::Session,
    tier::{self, TierChoice},
};

impl Run<'_> {
    /// Hears what changed since the last call, and acts on it.
    pub(super) fn follow_changes(&mut self) -> Result<(), Failure> {
        let indices: Vec<_> = self
            .sessions
            .iter()
            .filter(|session| session.is_open())
            .filter_map(|session| session.interface().map(|interface| interface.index))
            .collect();
        let changed = self
            .monitor
            .changed(&indices)
            .map_err(|error| Failure::run_time(format!("cannot listen to the kernel: {error}")))?;
        for (index, now) in changed {
            let is_it = |session: &Session| {
                session.is_open() && session.interface().is_some_and(|one| one.index == index)
            };
            let Some(at) = self.sessions.iter().position(is_it) else { continue };
            match now {
                Ok(now) => self.follow(at, now)?,
                Err(gone) => self.end_session(at, gone.reason())?,
            }
        }
        Ok(())
    }

    fn follow(&mut self, at: usize, now: Interface) -> Result<(), Failure> {
        let Some(before) = self.sessions[at].interface() else { return Ok(()) };
        let events = compare(before, &now);
        let seen = now.clone();
        self.sessions[at].update_interface(now);
        events.iter().try_for_each(|event| self.act(at, event, &seen))
    }

    fn act(&mut self, at: usize, event: &Event, now: &Interface) -> Result<(), Failure> {
        let name = self.sessions[at].name().to_owned();
        let warn = |run: &mut Self, message: &str| {
            run.reporter.warning(Some(&name), message).map_err(|error| unwritten(&error))
        };
        match event {
            Event::Down { is_set_down: true } => {
                warn(self, &format!("was set down, waiting: ip link set {} up", now.name))
            }
            Event::Down { is_set_down: false } => warn(self, "has lost its carrier, waiting"),
            Event::Up => self.notice(&name, "is up again"),
            // Nothing to attach again: a driver that cannot run the program
            // with an MTU refuses the MTU, and packet sockets take any.
            Event::Mtu { before, now } => {
                let message = format!("MTU is now {now} octets, was {before}");
                self.notice(&name, &message)
            }
            Event::Renamed { name: new } => {
                let message = format!("is now named {new}; statistics keep the name before");
                self.notice(&name, &message)
            }
            Event::Mac => self.follow_mac(at, &name, now.mac),
        }
    }

    /// Another own address is another policy.
    fn follow_mac(
        &mut self,
        at: usize,
        name: &str,
        mac: Option<MacAddress>,
    ) -> Result<(), Failure> {
        let session = &mut self.sessions[at];
        if session.choice() == TierChoice::Udp {
            return Ok(());
        }
        let policy = tier::policy(&self.plan, session.target(), session.choice());
        let replaced = policy.map_err(Failure::from).and_then(|policy| {
            session.replace_policy(policy).map_err(|error| Failure::run_time(error.to_string()))
        });
        match (replaced, mac) {
            (Ok(()), Some(mac)) => self.notice(name, &format!("its own MAC is now {mac}")),
            (Ok(()), None) => Ok(()),
            (Err(failure), _) => {
                let message = format!("its own MAC changed, and that is not in force: {failure}");
                self.reporter.warning(Some(name), &message).map_err(|error| unwritten(&error))
            }
        }
    }
}
