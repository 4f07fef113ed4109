//! The interface as the host sees it: addresses, routes, MTU, queue.
//!
//! What belongs to an interface goes with it, however the process ends. Of one
//! that was there before, [`Network`] takes back what it has added.

use std::{fmt::Display, io, net::IpAddr};

use farend_core::link::buffer;
use farend_linux::Rtnetlink;

use crate::options::{LinkSettings, Network as Prefix};

/// The least MTU of an interface with IPv6 (RFC 8200 section 5).
pub(crate) const IPV6_MTU_OCTETS: u32 = 1_280;

/// Looks, one a second, before a queue shrinks.
const LOOKS_BEFORE_SHRINKING: u32 = 20;

/// The host's side of an interface.
#[derive(Debug)]
pub(crate) struct Network {
    rtnetlink: Rtnetlink,
    index: u32,
    addresses: Vec<(IpAddr, u8)>,
    routes: Vec<(IpAddr, u8)>,
    mtu: u32,
    queue: u32,
    /// Looks in a row that found the queue too long.
    too_long: u32,
    is_ours: bool,
}

impl Network {
    /// Gives the interface its addresses and routes and sets it up.
    ///
    /// # Errors
    ///
    /// What the kernel refuses, in words.
    pub(crate) fn configure(
        name: &str,
        is_ours: bool,
        settings: &LinkSettings,
        mtu: u32,
    ) -> Result<Self, String> {
        let rtnetlink = Rtnetlink::open().map_err(|error| told("use rtnetlink", &error))?;
        let index = farend_linux::index_of(name).map_err(|error| told("find it", &error))?;
        let bits_of = |prefix: &Prefix, v6_bits| match (prefix.bits, prefix.address) {
            (Some(bits), _) => bits,
            (None, IpAddr::V4(_)) => settings.tun_netmask.0,
            (None, IpAddr::V6(_)) => v6_bits,
        };
        let addresses = settings.tun_ip.iter().map(|one| (one.address, bits_of(one, 64)));
        let routes = settings.routes.iter().map(|one| {
            let whole = if one.address.is_ipv4() { 32 } else { 128 };
            (one.address, one.bits.unwrap_or(whole))
        });
        let (addresses, routes) = (addresses.collect(), routes.collect());
        let mut network = Self {
            rtnetlink,
            index,
            addresses: Vec::new(),
            routes: Vec::new(),
            mtu: 0,
            queue: 0,
            too_long: 0,
            is_ours,
        };
        let least = u32::try_from(buffer::PACKETS_MIN).unwrap_or(u32::MAX);
        network.set_queue(least).map_err(|error| told("size its queue", &error))?;
        network.set_mtu(mtu).map_err(|error| told("set its MTU", &error))?;
        network.rtnetlink.set_up(index, true).map_err(|error| told("set it up", &error))?;
        network.add_addresses(addresses)?;
        network.add_routes(routes)?;
        Ok(network)
    }

    fn add_addresses(&mut self, addresses: Vec<(IpAddr, u8)>) -> Result<(), String> {
        for (address, bits) in addresses {
            if address.is_ipv6() && self.mtu < IPV6_MTU_OCTETS {
                self.addresses.push((address, bits));
                continue;
            }
            match self.rtnetlink.add_address(self.index, address, bits) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(told(&format!("give it {address}/{bits}"), &error));
                }
                _ => self.addresses.push((address, bits)),
            }
        }
        Ok(())
    }

    fn add_routes(&mut self, routes: Vec<(IpAddr, u8)>) -> Result<(), String> {
        for (address, bits) in routes {
            match self.rtnetlink.add_route(self.index, address, bits) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(told(&format!("route {address}/{bits} to it"), &error));
                }
                _ => self.routes.push((address, bits)),
            }
        }
        Ok(())
    }

    /// The MTU as it was set last.
    pub(crate) const fn mtu(&self) -> u32 {
        self.mtu
    }

    /// Whether it has an IPv6 address, or is to have one.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.addresses.iter().chain(&self.routes).any(|(address, _)| address.is_ipv6())
    }

    /// Sets the MTU. The kernel takes IPv6 from an interface that is too small
    /// for it; it is given back when the interface has grown.
    pub(crate) fn set_mtu(&mut self, octets: u32) -> io::Result<()> {
        if octets == self.mtu {
            return Ok(());
        }
        self.rtnetlink.set_mtu(self.index, octets)?;
        let is_back = self.mtu < IPV6_MTU_OCTETS && octets >= IPV6_MTU_OCTETS;
        self.mtu = octets;
        if is_back {
            let v6 = |list: &[(IpAddr, u8)]| -> Vec<_> {
                list.iter().copied().filter(|(address, _)| address.is_ipv6()).collect()
            };
            for (address, bits) in v6(&self.addresses) {
                self.rtnetlink.add_address(self.index, address, bits)?;
            }
            for (address, bits) in v6(&self.routes) {
                self.rtnetlink.add_route(self.index, address, bits)?;
            }
        }
        Ok(())
    }

    /// Sets how many packets may wait for the link: the power of two up to this.
    ///
    /// The kernel empties a queue that gets another length, so it grows at once
    /// and shrinks only when it was too long for a while.
    pub(crate) fn set_queue(&mut self, packets: u32) -> io::Result<()> {
        let wanted = packets.checked_ilog2().map_or(1, |power| 1 << power);
        if wanted >= self.queue {
            self.too_long = 0;
        } else {
            self.too_long += 1;
        }
        if wanted > self.queue || self.too_long >= LOOKS_BEFORE_SHRINKING {
            self.rtnetlink.set_queue_length(self.index, wanted)?;
            (self.queue, self.too_long) = (wanted, 0);
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.is_ours {
            return;
        }
        // The interface stays: what was added to it must not.
        for (address, bits) in &self.routes {
            let _ = self.rtnetlink.delete_route(self.index, *address, *bits);
        }
        for (address, bits) in &self.addresses {
            let _ = self.rtnetlink.delete_address(self.index, *address, *bits);
        }
    }
}

fn told(what: &str, error: &dyn Display) -> String {
    format!("cannot {what}: {error}")
}
