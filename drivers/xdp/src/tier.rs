//! The ways to reflect, best first, behind one small trait.
//!
//! Every tier is opened with all privileges, may lose them, is started, and
//! from then on answers questions until it is stopped. A tier in user space is
//! a worker with a `run` loop; [`Threaded`] makes a tier of it.

#[cfg(target_os = "linux")]
pub mod af_packet;
#[cfg(target_os = "linux")]
pub mod af_xdp;
mod open;
#[cfg(target_os = "linux")]
mod queues;
mod threaded;
#[cfg(target_os = "linux")]
pub mod xdp;

use std::fmt;

use clap::ValueEnum;
use farend_core::Policy;
use farend_driver::worker::WorkerStatistics;

pub(crate) use open::notice;
pub use open::{Opened, PolicyRefusal, check_policy, open, policy, rehearse};
pub use threaded::Threaded;

/// What reflects on one interface, or on some addresses.
pub trait Tier {
    /// Begins to answer, if opening did not.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    fn start(&mut self) -> Result<(), TierError>;

    /// Puts another policy in force without losing a frame.
    ///
    /// # Errors
    ///
    /// Why it cannot; the policy before stays in force.
    fn replace_policy(&mut self, policy: &Policy) -> Result<(), TierError>;

    /// What it has done so far.
    ///
    /// # Errors
    ///
    /// The kernel does not give the counters.
    fn statistics(&mut self) -> Result<WorkerStatistics, TierError>;

    /// Why it stopped by itself, if it did.
    fn failure(&mut self) -> Option<TierError>;

    /// Looks after itself; called about once a second. Gives what a person
    /// should know, each thing once.
    fn look_after(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Answers what it holds, lets go of the interface, and gives the final
    /// counts.
    fn stop(&mut self) -> WorkerStatistics;
}

/// The tiers that `--tier` names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum TierChoice {
    /// The best one that works here
    Auto,
    /// In the kernel, by the interface's driver
    Xdp,
    /// In the kernel, after the driver: any interface, about a third as fast
    XdpGeneric,
    /// In user space, by AF_XDP sockets: where frames must be seen there
    AfXdp,
    /// In user space, by a packet socket
    AfPacket,
    /// In user space, by UDP sockets: no root, no interface needed
    Udp,
}

impl TierChoice {
    /// The name in options, files and statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Xdp => "xdp",
            Self::XdpGeneric => "xdp-generic",
            Self::AfXdp => "af-xdp",
            Self::AfPacket => "af-packet",
            Self::Udp => "udp",
        }
    }
}

/// Why a tier does not work, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TierError {
    reason: String,
    advice: Option<String>,
}

impl TierError {
    /// A reason that nothing is to be done about here.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), advice: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for TierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl std::error::Error for TierError {}
