//! The ways to reflect on Linux, best first.

#[cfg(target_os = "linux")]
pub mod af_packet;
#[cfg(target_os = "linux")]
pub mod af_xdp;
#[cfg(target_os = "linux")]
mod claim;
mod open;
#[cfg(target_os = "linux")]
mod queues;
#[cfg(target_os = "linux")]
pub mod xdp;

use std::{fmt, str::FromStr};

use farend_driver::{option_values, tier::TierName, values::Expected};

pub use farend_driver::{
    threaded::Threaded,
    tier::{Tier, TierError},
};
#[cfg(target_os = "linux")]
pub(crate) use open::forecast;
pub(crate) use open::{check_af_xdp, open, policy, rehearse, unfit};

/// The tiers that `--tier` names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

impl TierName for TierChoice {
    const LADDER: &'static [Self] =
        &[Self::Xdp, Self::XdpGeneric, Self::AfXdp, Self::AfPacket, Self::Udp];

    fn name(self) -> &'static str {
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

impl FromStr for TierChoice {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let mut all = [Self::Auto].iter().chain(Self::LADDER);
        all.find(|tier| tier.name() == text)
            .copied()
            .ok_or_else(|| Expected::new("one of auto, xdp, xdp-generic, af-xdp, af-packet, udp"))
    }
}

impl fmt::Display for TierChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

option_values!(TierChoice);
