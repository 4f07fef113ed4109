//! Network interfaces, as the kernel and their drivers describe them.

use std::{fmt, io};

use farend_core::MacAddress;
use rustix::net::netdevice::{index_to_name, name_to_index};

use crate::{Rtnetlink, ethtool};

/// One network interface of this network namespace.
#[expect(clippy::struct_excessive_bools, reason = "flags of the kernel, each on its own")]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Its number, the same until it is deleted.
    pub index: u32,
    /// Its name, which may change.
    pub name: String,
    /// Its own address; `None` if it is not an Ethernet one.
    pub mac: Option<MacAddress>,
    /// Most octets of an IP packet.
    pub mtu_octets: u32,
    /// Whether it was set up.
    pub is_up: bool,
    /// Whether it has a carrier.
    pub is_running: bool,
    /// Whether the kernel passes frames: some time after it has a carrier.
    pub is_operational: bool,
    /// Whether it takes in frames to other stations.
    pub is_promiscuous: bool,
    /// Whether it is the loopback interface.
    pub is_loopback: bool,
    /// Kind of a virtual interface: `veth`, `bond`, ...
    pub kind: Option<String>,
    /// Queues that receive.
    pub receive_queues: u32,
    /// The bridge or bond that it is a port of.
    pub controller: Option<u32>,
    /// The other end of a veth pair.
    pub peer: Option<Peer>,
    /// XDP programs attached to it.
    pub xdp: XdpPrograms,
    /// Frames that it has lost since it exists.
    pub drops: Drops,
}

/// The other end of a veth pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its number there.
    pub index: u32,
    /// Whether it is in another network namespace.
    pub is_elsewhere: bool,
    /// The number that this namespace has for that one; `None` if it has none.
    pub namespace_id: Option<i32>,
}

/// The numbers of the XDP programs on an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct XdpPrograms {
    /// Run by the driver.
    pub native: Option<u32>,
    /// Run by the kernel after the driver.
    pub generic: Option<u32>,
    /// Run by the hardware.
    pub hardware: Option<u32>,
}

/// Where the kernel runs an XDP program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum XdpMode {
    /// In the interface's driver.
    Native,
    /// After the driver.
    Generic,
    /// In the hardware.
    Hardware,
}

impl XdpMode {
    /// `XDP_FLAGS_SKB_MODE`, `XDP_FLAGS_DRV_MODE`, `XDP_FLAGS_HW_MODE` of
    /// `linux/if_link.h`.
    pub(crate) const fn flags(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Native => 1 << 2,
            Self::Hardware => 1 << 3,
        }
    }
}

impl XdpPrograms {
    /// One of them and where it runs, if there is any.
    #[must_use]
    pub fn first(&self) -> Option<(u32, XdpMode)> {
        let native = self.native.map(|id| (id, XdpMode::Native));
        let generic = self.generic.map(|id| (id, XdpMode::Generic));
        native.or(generic).or(self.hardware.map(|id| (id, XdpMode::Hardware)))
    }

    /// One of them, if there is any.
    #[must_use]
    pub fn any(&self) -> Option<u32> {
        self.native.or(self.generic).or(self.hardware)
    }
}

/// Frames that an interface has lost, as `ip -s link` counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "named as in struct rtnl_link_stats64")]
pub struct Drops {
    pub rx_dropped: u64,
    pub rx_missed_errors: u64,
    pub rx_over_errors: u64,
    pub rx_fifo_errors: u64,
    pub rx_errors: u64,
    pub tx_dropped: u64,
    pub tx_errors: u64,
}

impl Drops {
    /// What was lost since `earlier`, by name.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Vec<(&'static str, u64)> {
        [
            ("rx_dropped", self.rx_dropped, earlier.rx_dropped),
            ("rx_missed_errors", self.rx_missed_errors, earlier.rx_missed_errors),
            ("rx_over_errors", self.rx_over_errors, earlier.rx_over_errors),
            ("rx_fifo_errors", self.rx_fifo_errors, earlier.rx_fifo_errors),
            ("rx_errors", self.rx_errors, earlier.rx_errors),
            ("tx_dropped", self.tx_dropped, earlier.tx_dropped),
            ("tx_errors", self.tx_errors, earlier.tx_errors),
        ]
        .into_iter()
        .map(|(name, now, before)| (name, now.saturating_sub(before)))
        .collect()
    }
}

/// No interface has this name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    name: String,
    existing: Vec<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no interface {:?}; there are: {}", self.name, self.existing.join(", "))
    }
}

impl Interface {
    /// Finds an interface by name; the inner error lists those that exist.
    ///
    /// # Errors
    ///
    /// The kernel does not answer.
    pub fn find(rtnetlink: &mut Rtnetlink, name: &str) -> io::Result<Result<Self, Unknown>> {
        let mut all = rtnetlink.all()?;
        if let Some(at) = all.iter().position(|interface| interface.name == name) {
            return Ok(Ok(all.swap_remove(at)));
        }
        let existing = all.into_iter().map(|interface| interface.name).collect();
        Ok(Err(Unknown { name: name.to_owned(), existing }))
    }

    /// The name of the driver, if it tells one.
    #[must_use]
    pub fn driver(&self) -> Option<String> {
        self.ask(ethtool::driver).filter(|name| !name.is_empty())
    }

    /// Whether tags are taken out of received frames before XDP sees them.
    #[must_use]
    pub fn hides_tags(&self) -> bool {
        self.ask(ethtool::hides_tags).unwrap_or(false)
    }

    /// Whether frames leave without the checksums that hardware is to compute.
    #[must_use]
    pub fn offloads_checksums(&self) -> bool {
        self.ask(ethtool::offloads_checksums).unwrap_or(false)
    }

    /// Whether received packets are joined (generic receive offload).
    #[must_use]
    pub fn joins_packets(&self) -> bool {
        self.ask(ethtool::joins_packets).unwrap_or(false)
    }

    /// Receive queues in use now; 1 where the driver does not tell.
    #[must_use]
    pub fn active_receive_queues(&self) -> u32 {
        self.ask(ethtool::receive_queues).unwrap_or(1).max(1)
    }

    /// Asks its driver, by the name that it has now.
    fn ask<T>(&self, question: fn(&str) -> io::Result<T>) -> Option<T> {
        let name = index_to_name(ethtool::socket().ok()?, self.index).ok()?;
        question(&name).ok()
    }

    /// Whether it is a virtual interface of this kind.
    #[must_use]
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }
}

/// The number of the interface with this name.
///
/// # Errors
///
/// There is none.
pub fn index_of(name: &str) -> io::Result<u32> {
    Ok(name_to_index(ethtool::socket()?, name)?)
}
