//! Hears what becomes of the interfaces that are served.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use farend_driver::{event::Code, runtime};

use crate::{
    interface::{Change, Interface, Rtnetlink},
    target::Target,
};

/// What became of one interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// It went down: set down, or the carrier lost.
    Down {
        /// Whether somebody set it down.
        is_set_down: bool,
    },
    /// It is up again.
    Up,
    /// Its MTU is another.
    Mtu {
        /// Before, in octets.
        before: u32,
        /// Now, in octets.
        now: u32,
    },
    /// Its own MAC address is another.
    Mac,
    /// It has another name.
    Renamed {
        /// The new one.
        name: String,
    },
}

/// Why an interface is not here any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gone {
    /// It was deleted.
    Deleted,
    /// It is in another network namespace now.
    Moved,
}

impl Gone {
    /// What to say of it.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Deleted => "the interface was deleted",
            Self::Moved => "the interface moved to another network namespace",
        }
    }
}

/// The difference between two states of an interface, as events.
#[must_use]
pub(crate) fn compare(before: &Interface, now: &Interface) -> Vec<Event> {
    let mut events = Vec::new();
    if before.name != now.name {
        events.push(Event::Renamed { name: now.name.clone() });
    }
    if before.mac != now.mac {
        events.push(Event::Mac);
    }
    if before.mtu_octets != now.mtu_octets {
        events.push(Event::Mtu { before: before.mtu_octets, now: now.mtu_octets });
    }
    let is_open = |interface: &Interface| interface.is_up && interface.is_running;
    match (is_open(before), is_open(now)) {
        (true, false) => events.push(Event::Down { is_set_down: !now.is_up }),
        (false, true) => events.push(Event::Up),
        _ => {}
    }
    events
}

/// What the runtime is to do and to tell about the difference.
#[must_use]
pub(crate) fn change(before: &Interface, now: Interface) -> runtime::Change<Target> {
    let mut policy = None;
    let mut told = Vec::new();
    for event in compare(before, &now) {
        told.push(match event {
            Event::Down { is_set_down: true } => {
                (Code::Warning, format!("was set down, waiting: ip link set {} up", now.name))
            }
            Event::Down { is_set_down: false } => {
                (Code::Warning, "has lost its carrier, waiting".to_owned())
            }
            Event::Up => (Code::Notice, "is up again".to_owned()),
            // Nothing to attach again: a driver that cannot run the program
            // with an MTU refuses the MTU, and packet sockets take any.
            Event::Mtu { before, now } => {
                (Code::Notice, format!("MTU is now {now} octets, was {before}"))
            }
            Event::Renamed { name } => {
                (Code::Notice, format!("is now named {name}; statistics keep the old name"))
            }
            // Another own address is another policy.
            Event::Mac => {
                policy = now.mac.map(|mac| format!("its own MAC is now {mac}"));
                continue;
            }
        });
    }
    // Its drops stay those at the start, which others are compared with.
    let now = Interface { drops: before.drops, ..now };
    runtime::Change::Now { target: Target::Interface(Box::new(now)), told, policy }
}

/// Listens to the kernel.
#[derive(Debug)]
pub(crate) struct Monitor {
    changes: Rtnetlink,
    questions: Rtnetlink,
}

impl Monitor {
    /// Starts to listen; from now on no change is missed.
    ///
    /// # Errors
    ///
    /// The kernel gives no socket.
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { changes: Rtnetlink::listen()?, questions: Rtnetlink::open()? })
    }

    /// The interfaces of `indices` that changed, as they are now, or why they are
    /// gone. Never waits.
    ///
    /// # Errors
    ///
    /// The socket fails.
    pub(crate) fn changed(
        &mut self,
        indices: &[u32],
    ) -> io::Result<Vec<(u32, Result<Interface, Gone>)>> {
        let mut seen = Vec::new();
        for change in self.changes.changes()? {
            match change {
                Change::Now(interface) if indices.contains(&interface.index) => {
                    seen.push((interface.index, Ok(*interface)));
                }
                Change::Deleted(index) if indices.contains(&index) => {
                    seen.push((index, Err(Gone::Deleted)));
                }
                Change::Moved(index) if indices.contains(&index) => {
                    seen.push((index, Err(Gone::Moved)));
                }
                Change::Overrun => {
                    for index in indices {
                        let now = self.questions.by_index(*index)?;
                        seen.push((*index, now.ok_or(Gone::Deleted)));
                    }
                }
                Change::Now(_) | Change::Deleted(_) | Change::Moved(_) => {}
            }
        }
        Ok(seen)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use farend_core::MacAddress;

    use super::*;

    #[test]
    fn every_difference_is_an_event() {
        let before = Interface {
            index: 7,
            name: "eth1".to_owned(),
            mac: Some(MacAddress([2, 0, 0, 0, 0, 1])),
            mtu_octets: 1500,
            is_up: true,
            is_running: true,
            ..Interface::default()
        };
        assert_eq!(compare(&before, &before), []);
        let mut now = before.clone();
        now.name = "lan".to_owned();
        now.mac = Some(MacAddress([2, 0, 0, 0, 0, 2]));
        now.mtu_octets = 9000;
        now.is_running = false;
        assert_eq!(
            compare(&before, &now),
            [
                Event::Renamed { name: "lan".to_owned() },
                Event::Mac,
                Event::Mtu { before: 1500, now: 9000 },
                Event::Down { is_set_down: false },
            ]
        );
        assert!(compare(&now, &before).contains(&Event::Up));
    }
}
