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
    pub(super) const GET_STRINGS: u32 = 0x1b;
    pub(super) const GET_STATISTICS: u32 = 0x1d;
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

/// Where that says how many statistics there are.
const DRIVER_STATISTICS: usize = 45;

/// Statistics that there is room for. The kernel writes all that the driver has: veth,
/// with 4,096 queues at most each way (`rtnl_create_link`) and nine for each, is far
/// below; others are asked only while they say that they have few.
const STATISTICS_MAX: usize = 1 << 16;

/// Statistics that a driver may say it has: queues may come before it is asked for them.
const STATISTICS_ASKED_MAX: u32 = 1 << 12;

/// `struct ethtool_stats`: the command and how many there are, then 64 bits for each.
const STATISTICS_WORDS: usize = 2 + 2 * STATISTICS_MAX;

/// `struct ethtool_gstrings`: the command, which set and how many, then 32 octets for each.
const NAMES_WORDS: usize = 3 + NAME_WORDS * STATISTICS_MAX;
const NAME_WORDS: usize = 8;

/// `ETH_SS_STATS`: the names of statistics.
const SET_STATISTICS: u32 = 1;

/// The name of the driver.
pub fn driver(interface: &str) -> io::Result<String> {
    let mut information = [0; DRIVER_WORDS];
    information[0] = command::GET_DRIVER;
    ioctl(socket()?.as_fd(), interface, &mut information)?;
    // Command, then 32 octets of text that end with a zero.
    Ok(text(&information[1..9]))
}

/// What the driver counts, by its own names.
pub fn statistics(interface: &str) -> io::Result<Vec<(String, u64)>> {
    let socket = socket()?;
    let mut information = [0; DRIVER_WORDS];
    information[0] = command::GET_DRIVER;
    ioctl(socket.as_fd(), interface, &mut information)?;
    if information[DRIVER_STATISTICS] > STATISTICS_ASKED_MAX {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut names = vec![0; NAMES_WORDS];
    names[..2].copy_from_slice(&[command::GET_STRINGS, SET_STATISTICS]);
    ioctl(socket.as_fd(), interface, &mut names)?;
    let mut values = vec![0; STATISTICS_WORDS];
    values[0] = command::GET_STATISTICS;
    ioctl(socket.as_fd(), interface, &mut values)?;
    if names[2] != values[1] {
        // Queues came or went in between.
        return Err(io::ErrorKind::Interrupted.into());
    }
    let names = names[3..].chunks_exact(NAME_WORDS).map(text);
    let values = values[2..].chunks_exact(2).map(|words| {
        let [low, high] = [words[0], words[1]].map(u32::to_ne_bytes);
        let mut octets = [0; 8];
        octets[..4].copy_from_slice(&low);
        octets[4..].copy_from_slice(&high);
        u64::from_ne_bytes(octets)
    });
    Ok(names.zip(values).take_while(|(name, _)| !name.is_empty()).collect())
}

/// Text that ends with a zero.
fn text(words: &[u32]) -> String {
    let octets = words.iter().flat_map(|word| word.to_ne_bytes());
    let octets: Vec<u8> = octets.take_while(|octet| *octet != 0).collect();
    String::from_utf8_lossy(&octets).into_owned()
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
