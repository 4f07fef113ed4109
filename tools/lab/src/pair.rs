//! Two hosts with a wire between them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use farend_core::MacAddress;
use farend_linux::{VethEnd, ethtool};

use crate::{Namespace, link};

/// The interface of the near host, the tester's side.
const NEAR: &str = "near0";
/// The interface of the far host, the reflector's side.
const FAR: &str = "far0";
/// Octets of a network of the lab; RFC 2544 appendix C.2.2.
const IPV4_PREFIX_BITS: u8 = 24;
/// Octets of a network of the lab; RFC 5180 section 8.
const IPV6_PREFIX_BITS: u8 = 64;

/// Wait for one of the first datagrams, in milliseconds.
const FIRST_DATAGRAM_MS: u64 = 20;
/// First datagrams that are tried.
const FIRST_DATAGRAMS_MAX: u32 = 100;

/// What the wire between the two hosts is like.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// Receive and transmit queues of each end.
    pub queues: u32,
    /// Largest packet, in octets: no Ethernet header, no tags, no FCS.
    pub mtu_octets: u32,
}

impl Default for Wire {
    fn default() -> Self {
        Self { queues: 1, mtu_octets: 1500 }
    }
}

/// One host: a namespace with one interface.
#[derive(Debug)]
pub struct Host {
    /// Its network.
    pub namespace: Namespace,
    /// Its interface.
    pub interface: &'static str,
    /// Number of the interface, in its namespace.
    pub interface_index: u32,
    /// Address of the interface.
    pub mac: MacAddress,
    /// Address of the interface, of the RFC 2544 test range.
    pub ipv4: Ipv4Addr,
    /// Address of the interface, of the RFC 5180 test range.
    pub ipv6: Ipv6Addr,
}

impl Host {
    fn new(interface: &'static str, number: u8) -> Result<Self> {
        Ok(Self {
            namespace: Namespace::new()?,
            interface,
            interface_index: 0,
            mac: MacAddress([0x02, 0x00, 0x5e, 0x10, 0x00, number]),
            ipv4: Ipv4Addr::new(198, 18, 0, number),
            ipv6: Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, u16::from(number)),
        })
    }

    fn end(&self, wire: Wire) -> VethEnd<'static> {
        VethEnd {
            name: self.interface,
            mac: self.mac,
            mtu_octets: wire.mtu_octets,
            queues: wire.queues,
        }
    }

    /// Inside the namespace: addresses, neighbour, offloads, up.
    fn bring_up(&self, peer: &Self) -> Result<()> {
        let interface = self.interface;
        // Frames must carry their checksums: nothing on a veth wire fills
        // them in, and XDP sees frames as they are.
        ethtool::set_offloads_checksums(interface, false)
            .context("cannot turn off transmit checksum offload")?;
        ethtool::set_generic_segmentation(interface, false)
            .context("cannot turn off segmentation offload")?;
        link::add_address(interface, IpAddr::V4(self.ipv4), IPV4_PREFIX_BITS)?;
        link::add_address(interface, IpAddr::V6(self.ipv6), IPV6_PREFIX_BITS)?;
        link::set_up(interface)?;
        link::add_neighbour(interface, IpAddr::V4(peer.ipv4), peer.mac)?;
        link::add_neighbour(interface, IpAddr::V6(peer.ipv6), peer.mac)
    }

    /// Changes the MTU of the interface.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, for example because a program is attached that
    /// cannot take frames so large.
    pub fn set_mtu(&self, mtu_octets: u32) -> Result<()> {
        self.namespace.run(|| link::set_mtu(self.interface, mtu_octets))?
    }

    /// Deletes the interface, and so its peer.
    ///
    /// # Errors
    ///
    /// If it is gone already.
    pub fn delete_interface(&self) -> Result<()> {
        self.namespace.run(|| link::delete(self.interface))?
    }
}

/// Two hosts, joined by a veth pair, that know each other.
///
/// Everything goes away when this value is dropped or the process ends.
#[derive(Debug)]
pub struct Lab {
    /// The tester's side.
    pub near: Host,
    /// The reflector's side.
    pub far: Host,
}

impl Lab {
    /// Makes both hosts and returns when frames pass between them.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, above all without root.
    pub fn new(wire: Wire) -> Result<Self> {
        let mut near = Host::new(NEAR, 1)?;
        let mut far = Host::new(FAR, 2)?;
        near.namespace.run(|| {
            link::add_veth(
                &near.end(wire),
                &far.end(wire),
                std::os::fd::AsFd::as_fd(&far.namespace),
            )
        })??;
        near.namespace.run(|| near.bring_up(&far))??;
        far.namespace.run(|| far.bring_up(&near))??;
        for host in [&mut near, &mut far] {
            host.interface_index = host.namespace.run(|| -> Result<u32> {
                link::wait_until_up(host.interface)?;
                link::index(host.interface)
            })??;
        }
        let lab = Self { near, far };
        for (one, other) in [(&lab.near, &lab.far), (&lab.far, &lab.near)] {
            wait_for_datagram(one, one.ipv4.into(), other, other.ipv4.into())?;
            wait_for_datagram(one, one.ipv6.into(), other, other.ipv6.into())?;
        }
        Ok(lab)
    }
}

/// Sends datagrams until one arrives: the kernel says that an interface is up
/// a moment before it passes frames.
fn wait_for_datagram(from: &Host, source: IpAddr, to: &Host, destination: IpAddr) -> Result<()> {
    let sender = from.namespace.run(|| UdpSocket::bind((source, 0)))??;
    let receiver = to.namespace.run(|| UdpSocket::bind((destination, 0)))??;
    receiver.set_read_timeout(Some(Duration::from_millis(FIRST_DATAGRAM_MS)))?;
    let address = receiver.local_addr()?;
    let mut octets = [0; 8];
    for _attempt in 0..FIRST_DATAGRAMS_MAX {
        // A send may be refused for as long as there is no route.
        let _sent = sender.send_to(&[0; 8], address);
        if receiver.recv(&mut octets).is_ok() {
            return Ok(());
        }
    }
    bail!("no datagram passes from {source} to {destination}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::is_skipped_without_root;

    #[test]
    fn two_hosts_reach_each_other_at_once() {
        if is_skipped_without_root() {
            return;
        }
        let lab = Lab::new(Wire { queues: 2, mtu_octets: 9000 }).unwrap();
        for (near, far) in [
            (IpAddr::V4(lab.near.ipv4), IpAddr::V4(lab.far.ipv4)),
            (IpAddr::V6(lab.near.ipv6), IpAddr::V6(lab.far.ipv6)),
        ] {
            let sender = lab.near.namespace.run(|| UdpSocket::bind((near, 0))).unwrap().unwrap();
            let receiver = lab.far.namespace.run(|| UdpSocket::bind((far, 0))).unwrap().unwrap();
            receiver.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            sender.send_to(&[7; 8900], receiver.local_addr().unwrap()).unwrap();
            let mut octets = [0; 9000];
            assert_eq!(receiver.recv(&mut octets).ok(), Some(8900), "to {far}");
        }
    }

    #[test]
    fn a_deleted_interface_takes_its_peer_along() {
        if is_skipped_without_root() {
            return;
        }
        let lab = Lab::new(Wire::default()).unwrap();
        lab.near.delete_interface().unwrap();
        assert!(lab.far.set_mtu(1400).is_err());
    }
}
