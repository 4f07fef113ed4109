//! The virtual interface.

use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    time::Duration,
};

use farend_core::link::{
    offload::{OFFLOAD_OCTETS, Segmentation},
    segment::PACKET_OCTETS_MAX,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::sys;

/// Octets of the largest packet with its offload header.
pub(crate) const READ_OCTETS_MAX: usize = OFFLOAD_OCTETS + PACKET_OCTETS_MAX;

const TUN: i16 = 0x0001;
const NO_PACKET_INFORMATION: i16 = 0x1000;
const OFFLOAD_HEADER: i16 = 0x4000;

const CHECKSUM: u64 = 0x01;
const TCP_V4: u64 = 0x02;
const TCP_V6: u64 = 0x04;
const UDP_V4: u64 = 0x20;
const UDP_V6: u64 = 0x40;

/// What the host leaves to the link, and takes from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offloads {
    /// Large TCP and UDP packets.
    TcpAndUdp,
    /// Large TCP packets; the kernel is older than 6.2.
    Tcp,
    /// Nothing.
    None,
}

impl Offloads {
    /// Whether the host takes packets that are joined like this.
    pub(crate) const fn takes(self, segmentation: Segmentation) -> bool {
        match segmentation {
            Segmentation::None => true,
            Segmentation::TcpV4 | Segmentation::TcpV6 => !matches!(self, Self::None),
            Segmentation::Udp => matches!(self, Self::TcpAndUdp),
        }
    }
}

/// A queue of a virtual interface for IP packets.
#[derive(Debug)]
pub(crate) struct Device {
    file: File,
    name: String,
    offloads: Offloads,
}

impl Device {
    /// Makes an interface, or attaches to one that exists and is free. An
    /// interface that was made here is gone with this value or the process.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub(crate) fn open(name: &str, wants_offloads: bool) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        let name = sys::attach(file.as_fd(), name, TUN | NO_PACKET_INFORMATION | OFFLOAD_HEADER)?;
        let tcp = CHECKSUM | TCP_V4 | TCP_V6;
        let ladder = [(Offloads::TcpAndUdp, tcp | UDP_V4 | UDP_V6), (Offloads::Tcp, tcp)];
        let probed = ladder
            .into_iter()
            .filter(|_| wants_offloads)
            .find(|(_, bits)| sys::set_offload(file.as_fd(), *bits).is_ok());
        let offloads = if let Some((offloads, _)) = probed {
            offloads
        } else {
            // One that was attached to may still have some.
            sys::set_offload(file.as_fd(), 0)?;
            Offloads::None
        };
        Ok(Self { file, name, offloads })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What the host leaves to the link.
    pub(crate) const fn offloads(&self) -> Offloads {
        self.offloads
    }

    /// Waits until a packet can be read; `false` if none could in that time.
    pub(crate) fn wait(&self, time: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(time).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
        match poll(&mut waiting, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads one packet with its offload header; `None` if none waits.
    pub(crate) fn read(&self, to: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::io::read(&self.file, to) {
            Ok(octets) => Ok(Some(octets)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes one packet in parts; the first part is its offload header.
    pub(crate) fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        rustix::io::writev(&self.file, parts).map(drop).map_err(Into::into)
    }
}
