//! How frames leave and arrive.

use std::io;

use farend_core::measure::probe::Tag;

use crate::burst::Burst;

#[cfg(target_os = "linux")]
pub mod packet;
#[cfg(target_os = "linux")]
pub mod resolve;
#[cfg(target_os = "linux")]
mod ring;
pub mod udp;

/// One arrival, as the path hands it over.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'octets> {
    /// UDP payload, or frame without FCS, depending on the path.
    pub octets: &'octets [u8],
    /// Octets that it had before it was cut to a buffer.
    pub whole_octets: usize,
    /// When, by the clock of [`clock::now_ns`](crate::clock::now_ns).
    pub time_ns: u64,
    /// A VLAN tag that the kernel took out of the frame.
    pub outer_tag: Option<Tag>,
    /// Whether the sending machine left the checksum to hardware that was
    /// never reached.
    pub is_checksum_unfinished: bool,
}

/// Who stamped the arrivals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeSource {
    /// The kernel, when the frame reached its network stack.
    Kernel,
    /// The tester, when it read the frame: later, and by how much depends on
    /// the load.
    User,
}

impl TimeSource {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::User => "user",
        }
    }
}

/// The sending side of a path.
pub trait Transmit: Send {
    /// Sends some slots of a burst, in order; fewer if the kernel refuses one
    /// for now.
    ///
    /// # Errors
    ///
    /// What will not pass by itself, or tells of an earlier send:
    /// `ConnectionRefused`, `HostUnreachable`, `NetworkUnreachable`.
    fn transmit(&mut self, burst: &Burst, slots: std::ops::Range<usize>) -> io::Result<usize>;
}

/// The receiving side of a path.
pub trait Receive: Send {
    /// Hands over what has arrived, after waiting at most `wait_ms` for the
    /// first. Returns how many that were.
    ///
    /// # Errors
    ///
    /// As [`Transmit::transmit`].
    fn receive(&mut self, wait_ms: u16, sink: &mut impl FnMut(Arrival<'_>)) -> io::Result<usize>;

    /// Arrivals that were lost here because nobody read fast enough, since
    /// the path was opened; `None` where the system does not tell.
    fn overflows(&mut self) -> Option<u64>;

    /// Arrivals of any kind that the interface dropped before anybody could
    /// see them, since it exists; `None` where that is not known.
    fn interface_drops(&self) -> Option<u64> {
        None
    }

    /// Who stamps the arrivals.
    fn time_source(&self) -> TimeSource;
}
