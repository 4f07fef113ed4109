//! The lab's interfaces: [`farend_linux`], with words for what failed.
//!
//! Everything happens in the calling thread's network namespace.

use std::{
    net::IpAddr,
    os::fd::BorrowedFd,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use farend_core::MacAddress;
use farend_linux::{Rtnetlink, VethEnd};

/// Longest wait, in seconds, for a new interface to be usable.
const UP_SECONDS_MAX: u64 = 5;

/// Makes a veth pair: one end here, the other in the given namespace.
pub(crate) fn add_veth(
    here: &VethEnd<'_>,
    there: &VethEnd<'_>,
    namespace: BorrowedFd<'_>,
) -> Result<()> {
    Rtnetlink::open()?.add_veth(here, there, namespace).context("cannot make a veth pair")
}

/// Sets an interface up.
pub(crate) fn set_up(interface: &str) -> Result<()> {
    Rtnetlink::open()?
        .set_up(index(interface)?, true)
        .with_context(|| format!("cannot set {interface} up"))
}

/// Sets the MTU of an interface.
pub(crate) fn set_mtu(interface: &str, mtu_octets: u32) -> Result<()> {
    Rtnetlink::open()?
        .set_mtu(index(interface)?, mtu_octets)
        .with_context(|| format!("cannot set the MTU of {interface} to {mtu_octets}"))
}

/// Deletes an interface.
pub(crate) fn delete(interface: &str) -> Result<()> {
    Rtnetlink::open()?
        .delete(index(interface)?)
        .with_context(|| format!("cannot delete {interface}"))
}

/// Waits until frames pass: the kernel starts the queues of an interface a
/// moment after it was set up.
pub(crate) fn wait_until_up(interface: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(UP_SECONDS_MAX);
    let mut rtnetlink = Rtnetlink::open()?;
    let index = index(interface)?;
    while !rtnetlink.by_index(index)?.is_some_and(|now| now.is_operational) {
        if Instant::now() >= deadline {
            bail!("{interface} is not up after {UP_SECONDS_MAX} s");
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Gives an interface an address, usable at once.
pub(crate) fn add_address(interface: &str, address: IpAddr, prefix_bits: u8) -> Result<()> {
    Rtnetlink::open()?
        .add_address(index(interface)?, address, prefix_bits)
        .with_context(|| format!("cannot give {address} to {interface}"))
}

/// Tells for good which MAC address a neighbour has.
pub(crate) fn add_neighbour(interface: &str, address: IpAddr, mac: MacAddress) -> Result<()> {
    Rtnetlink::open()?
        .add_neighbour(index(interface)?, address, mac)
        .with_context(|| format!("cannot tell {interface} who {address} is"))
}

/// The number of an interface.
pub(crate) fn index(interface: &str) -> Result<u32> {
    farend_linux::index_of(interface).with_context(|| format!("no interface {interface}"))
}
