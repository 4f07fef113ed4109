//! The kernel program that hands frames to sockets, and what it counted.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use aya::maps::{Map, MapData, PerCpuArray, XskMap};
use farend_core::{Counters, Policy};

use crate::tier::{
    TierError,
    xdp::program::{Program, Source, incomplete, load_error},
};

/// One socket for each receive queue.
const SOCKETS: &str = "SOCKETS";

/// What each CPU handed over.
const REDIRECTED: &str = "REDIRECTED";

/// Queues that the program serves at most: the entries of its map.
pub(super) const QUEUES_MAX: u32 = 256;

/// Frames to answer, as the program saw them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct HandedOver {
    /// Given to a socket, which may have no room.
    pub(super) redirected: u64,
    /// Left to the host, because no socket serves their queue.
    pub(super) unclaimed: u64,
}

impl HandedOver {
    pub(super) fn merge(&mut self, other: Self) {
        self.redirected = self.redirected.wrapping_add(other.redirected);
        self.unclaimed = self.unclaimed.wrapping_add(other.unclaimed);
    }
}

/// The loaded program.
pub(super) struct Redirect {
    program: Program,
    sockets: XskMap<MapData>,
    handed_over: PerCpuArray<MapData, [u64; 2]>,
}

impl Redirect {
    /// Loads it with this policy. No frame goes to user space before sockets
    /// are [given](Self::give).
    pub(super) fn load(policy: &Policy) -> Result<Self, TierError> {
        let mut program = Program::load(Source::Redirect, policy)?;
        let sockets = match program.take_map(SOCKETS)? {
            map @ Map::XskMap(_) => XskMap::try_from(map).map_err(|error| load_error(&error)),
            _ => Err(incomplete(SOCKETS)),
        }?;
        let handed_over = match program.take_map(REDIRECTED)? {
            map @ Map::PerCpuArray(_) => {
                PerCpuArray::try_from(map).map_err(|error| load_error(&error))
            }
            _ => Err(incomplete(REDIRECTED)),
        }?;
        Ok(Self { program, sockets, handed_over })
    }

    /// Hands the frames of a queue to its socket from now on.
    pub(super) fn give(&mut self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), TierError> {
        self.sockets.set(queue, socket.as_raw_fd(), 0).map_err(|error| {
            TierError::new(format!("cannot hand frames of queue {queue} over: {error}"))
        })
    }

    /// What became of the frames that stayed in the kernel.
    pub(super) fn counters(&self) -> Result<Counters, TierError> {
        self.program.counters()
    }

    /// What was handed over, by all CPUs.
    pub(super) fn handed_over(&self) -> Result<HandedOver, TierError> {
        let entries = self
            .handed_over
            .get(&0, 0)
            .map_err(|error| TierError::new(format!("cannot read the counters: {error}")))?;
        let mut sum = HandedOver::default();
        for [redirected, unclaimed] in entries.iter().copied() {
            sum.merge(HandedOver { redirected, unclaimed });
        }
        Ok(sum)
    }
}

impl AsFd for Redirect {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}
