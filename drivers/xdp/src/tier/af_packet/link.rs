//! The state of the interface: up, down, or gone.

use std::os::fd::AsFd;

use rustix::net::netdevice::index_to_name;

use super::{error::RunError, sys};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Up,
    NoCarrier,
    Down,
}

/// Looks in a row, one each poll interval, at which the carrier must be
/// missing before the user is told: the kernel itself takes up to a second to
/// see it after an interface came up.
const NO_CARRIER_LOOKS: u32 = 20;

/// Watches an interface and tells the user about changes.
#[derive(Debug)]
pub(super) struct Link {
    index: u32,
    /// As it was called when last seen.
    name: String,
    /// What the user was told last.
    told: State,
    /// What was seen last, and how often in a row.
    seen: State,
    looks: u32,
    notice: fn(&str),
}

impl Link {
    pub(super) fn new(index: u32, name: &str, notice: fn(&str)) -> Self {
        let name = name.to_owned();
        Self { index, name, told: State::Up, seen: State::Up, looks: 0, notice }
    }

    /// Looks at the interface.
    ///
    /// # Errors
    ///
    /// [`RunError::InterfaceGone`]. An interface that is down is waited for.
    pub(super) fn check(&mut self, socket: impl AsFd) -> Result<(), RunError> {
        let gone = || RunError::InterfaceGone { name: self.name.clone() };
        let name = index_to_name(&socket, self.index).map_err(|_| gone())?;
        let flags = sys::interface_flags(socket.as_fd(), &name).map_err(|_| gone())?;
        self.name = name;
        let state = if flags & libc::IFF_UP == 0 {
            State::Down
        } else if flags & libc::IFF_RUNNING == 0 {
            State::NoCarrier
        } else {
            State::Up
        };
        self.looks = if state == self.seen { self.looks.saturating_add(1) } else { 1 };
        self.seen = state;
        let looks_wanted = if state == State::NoCarrier { NO_CARRIER_LOOKS } else { 1 };
        if state != self.told && self.looks >= looks_wanted {
            self.told = state;
            let what = match state {
                State::Up => "is up again: reflecting",
                State::NoCarrier => "has no carrier: waiting until it is back; check the cable",
                State::Down => "is down: waiting until it is up again (ip link set ... up)",
            };
            (self.notice)(&format!("{} {what}", self.name));
        }
        Ok(())
    }
}
