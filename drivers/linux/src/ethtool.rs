//! What only an interface's driver knows; see ethtool(8).
//!
//! Each question's and order's error is the driver's refusal, above all `EOPNOTSUPP`.
#![expect(clippy::missing_errors_doc, reason = "one reason for all, said above")]

mod sys;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use sys::ioctl;

/// Commands of `linux/ethtool.h`.
mod command {
    pub(super) const GET_DRIVER: u32 = 0x3;
    pub(super) const GET_TRANSMIT_CHECKSUM: u32 = 0x16;
    pub(super) const SET_TRANSMIT_CHECKSUM: u32 = 0x17;
    pub(super) const SET_GENERIC_SEGMENTATION: u32 = 0x24;
    pub(super) const GET_FLAGS: u32 = 0x25;
    pub(super) const GET_GENERIC_RECEIVE: u32 = 0x2b;
    pub(super) const SET_GENERIC_RECEIVE: u32 = 0x2c;
    pub(super) const GET_CHANNELS: u32 = 0x3c;
}

/// `struct ethtool_channels`; the command stands first.
const CHANNELS_WORDS: usize = 9;

/// `ETH_FLAG_RXVLAN`: received tags are taken out of the frame.
const FLAG_RXVLAN: u32 = 1 << 8;

/// `ETHTOOL_GDRVINFO` fills 196 octets; the command stands first.
const DRIVER_WORDS: usize = 49;

/// The name of the driver.
pub fn driver(interface: &str) -> io::Result<String> {
    let mut information = [0; DRIVER_WORDS];
    information[0] = command::GET_DRIVER;
    ioctl(socket()?.as_fd(), interface, &mut information)?;
    // Command, then 32 octets of text that end with a zero.
    let octets = information[1..9].iter().flat_map(|word| word.to_ne_bytes());
    let octets: Vec<u8> = octets.take_while(|octet| *octet != 0).collect();
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// Whether the interface takes VLAN tags out of received frames.
pub fn hides_tags(interface: &str) -> io::Result<bool> {
    Ok(get(interface, command::GET_FLAGS)? & FLAG_RXVLAN != 0)
}

/// Whether the interface leaves checksums of what it transmits to hardware.
pub fn offloads_checksums(interface: &str) -> io::Result<bool> {
    Ok(get(interface, command::GET_TRANSMIT_CHECKSUM)? != 0)
}

/// Leaves checksums of what is transmitted to hardware, or computes them before.
pub fn set_offloads_checksums(interface: &str, is_on: bool) -> io::Result<()> {
    set(interface, command::SET_TRANSMIT_CHECKSUM, is_on)
}

/// Whether received packets are joined (generic receive offload).
pub fn joins_packets(interface: &str) -> io::Result<bool> {
    Ok(get(interface, command::GET_GENERIC_RECEIVE)? != 0)
}

/// Joins received packets (generic receive offload), or leaves them as they are.
pub fn set_joins_packets(interface: &str, is_on: bool) -> io::Result<()> {
    set(interface, command::SET_GENERIC_RECEIVE, is_on)
}

/// Cuts packets that are transmitted just before the driver (generic segmentation
/// offload), or before.
pub fn set_generic_segmentation(interface: &str, is_on: bool) -> io::Result<()> {
    set(interface, command::SET_GENERIC_SEGMENTATION, is_on)
}

/// Queues that receive now: those that do nothing else, and those that transmit too.
pub fn receive_queues(interface: &str) -> io::Result<u32> {
    let mut channels = [0; CHANNELS_WORDS];
    channels[0] = command::GET_CHANNELS;
    ioctl(socket()?.as_fd(), interface, &mut channels)?;
    // Command, four maxima, then receiving, transmitting, other, combined.
    let [_, _, _, _, _, receiving, _, _, combined] = channels;
    Ok(receiving.saturating_add(combined))
}

/// A socket for questions, of this thread's namespace.
pub(crate) fn socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

fn get(interface: &str, command: u32) -> io::Result<u32> {
    let mut value = [command, 0];
    ioctl(socket()?.as_fd(), interface, &mut value)?;
    Ok(value[1])
}

fn set(interface: &str, command: u32, is_on: bool) -> io::Result<()> {
    ioctl(socket()?.as_fd(), interface, &mut [command, u32::from(is_on)])
}
