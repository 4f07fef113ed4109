//! One reflector on an interface.
//!
//! A packet socket takes nothing from anybody: beside another reflector it would
//! answer every frame a second time, and a tester would take that for a sound link.
//! So each reflector holds a name for its interface, an abstract socket of the network
//! namespace (`unix(7)`). That needs no privileges, sees reflectors of every tier, and
//! goes with the process, however it ends.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use farend_core::Policy;
use farend_driver::worker::WorkerStatistics;
use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, UCred, accept, bind, connect,
        listen, socket_with, sockopt,
    },
    process::geteuid,
};

use super::{Tier, TierError};
use crate::interface::Interface;

/// Questions that may wait for [`Claim::look_after`]; one more gets no name.
const QUESTIONS_MAX: i32 = 128;

/// Tries to take a name whose holder is just ending.
const TRIES_MAX: usize = 10;

/// The name of an interface, held until this is dropped.
pub(super) struct Claim {
    interface_index: u32,
    /// `None` while it is not to be had.
    socket: Option<OwnedFd>,
}

/// Who holds a name.
enum Holder {
    /// Nobody any more.
    Nobody,
    /// A reflector, or somebody who may stop one anyway.
    Reflector(Option<UCred>),
    /// A user who could hold any name.
    Stranger(UCred),
}

impl Claim {
    /// Takes the name of an interface; if a stranger has it, goes without, and says so.
    ///
    /// # Errors
    ///
    /// Another reflector has it.
    pub(super) fn take(interface: &Interface, notice: fn(&str)) -> Result<Self, TierError> {
        let unknown = |why: &dyn std::fmt::Display| {
            notice(&format!(
                "whether another reflector answers on {} cannot be told: {why}",
                interface.name
            ));
            Self { interface_index: interface.index, socket: None }
        };
        for _ in 0..TRIES_MAX {
            match hold(interface.index) {
                Ok(socket) => {
                    return Ok(Self { interface_index: interface.index, socket: Some(socket) });
                }
                Err(Errno::ADDRINUSE) => {}
                Err(error) => return Ok(unknown(&io::Error::from(error))),
            }
            match holder(interface.index) {
                Holder::Nobody => {}
                Holder::Reflector(who) => return Err(refusal(interface, who)),
                Holder::Stranger(who) => {
                    let uid = who.uid.as_raw();
                    return Ok(unknown(&format!("user {uid} holds its name")));
                }
            }
        }
        Err(refusal(interface, None))
    }

    /// Takes the name now, or as soon as it is free.
    pub(super) fn take_when_free(interface: &Interface) -> Self {
        Self { interface_index: interface.index, socket: hold(interface.index).ok() }
    }

    /// Says whether another reflector has the name, and takes nothing.
    pub(super) fn look(interface: &Interface) -> Option<TierError> {
        match holder(interface.index) {
            Holder::Reflector(who) => Some(refusal(interface, who)),
            Holder::Nobody | Holder::Stranger(_) => None,
        }
    }

    /// Takes the name if it is free meanwhile; lets go of those who asked who holds it.
    fn look_after(&mut self) {
        if self.socket.is_none() {
            self.socket = hold(self.interface_index).ok();
        }
        let Some(socket) = &self.socket else { return };
        while accept(socket).is_ok() {}
    }
}

/// A tier that holds the name of its interface while it is open.
pub(super) struct Claimed<T> {
    tier: T,
    claim: Option<Claim>,
}

impl<T: Tier> Claimed<T> {
    pub(super) const fn new(tier: T, claim: Claim) -> Self {
        Self { tier, claim: Some(claim) }
    }
}

impl<T: Tier> Tier for Claimed<T> {
    fn start(&mut self) -> Result<(), TierError> {
        self.tier.start()
    }

    fn prepare_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        self.tier.prepare_policy(policy)
    }

    fn replace_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        self.tier.replace_policy(policy)
    }

    fn abandon_policy(&mut self) {
        self.tier.abandon_policy();
    }

    fn statistics(&mut self) -> Result<WorkerStatistics, TierError> {
        self.tier.statistics()
    }

    fn failure(&mut self) -> Option<TierError> {
        self.tier.failure()
    }

    fn look_after(&mut self) -> Vec<String> {
        self.claim.iter_mut().for_each(Claim::look_after);
        self.tier.look_after()
    }

    fn stop(&mut self) -> WorkerStatistics {
        let last = self.tier.stop();
        self.claim = None;
        last
    }
}

fn refusal(interface: &Interface, who: Option<UCred>) -> TierError {
    // A process of another pid namespace has no number here.
    let pid = who.map(|who| who.pid.as_raw_nonzero().get()).filter(|pid| *pid > 0);
    let who = pid.map_or_else(String::new, |pid| format!(" (process id {pid})"));
    TierError::new(format!("another reflector answers on {}{who}", interface.name))
        .with_advice("stop it: every frame would be answered twice")
}

fn address(interface_index: u32) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new_abstract_name(format!("farend-reflector-{interface_index}").as_bytes())
}

fn open() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn hold(interface_index: u32) -> Result<OwnedFd, Errno> {
    let socket = open()?;
    bind(&socket, &address(interface_index)?)?;
    listen(&socket, QUESTIONS_MAX)?;
    Ok(socket)
}

fn holder(interface_index: u32) -> Holder {
    let asked = open().and_then(|socket| {
        connect(&socket, &address(interface_index)?)?;
        sockopt::socket_peercred(socket.as_fd())
    });
    match asked {
        Ok(who) if who.uid.is_root() || who.uid == geteuid() => Holder::Reflector(Some(who)),
        Ok(who) => Holder::Stranger(who),
        // Too many have asked lately.
        Err(Errno::AGAIN) => Holder::Reflector(None),
        Err(_) => Holder::Nobody,
    }
}
