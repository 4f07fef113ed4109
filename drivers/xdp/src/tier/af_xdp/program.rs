//! The kernel program that hands frames to sockets, and what it counted.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use aya::maps::{Map, MapData, PerCpuArray, RingBuf, XskMap};
use farend_core::{Counters, Policy};
use farend_driver::observe::RefusedSample;

use super::refused::Copies;
use crate::tier::{
    TierError,
    xdp::program::{Program, REFUSED, Source, incomplete, load_error},
};

/// One socket for each receive queue.
const SOCKETS: &str = "SOCKETS";

/// What each CPU handed over.
const REDIRECTED: &str = "REDIRECTED";

/// How copying refused frames stands on each CPU.
const REFUSED_STATE: &str = "REFUSED_STATE";

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
    /// `None` if nobody asked for them, or they were taken.
    copies: Option<Copies>,
}

impl Redirect {
    /// Loads it with this policy. No frame goes to user space before sockets
    /// are [given](Self::give), but copies of refused ones.
    pub(super) fn load(policy: &Policy, refused: Option<RefusedSample>) -> Result<Self, TierError> {
        let mut program = Program::load(Source::Redirect(refused), policy)?;
        let sockets = match program.take_map(SOCKETS)? {
            map @ Map::XskMap(_) => XskMap::try_from(map).map_err(|error| load_error(&error)),
            _ => Err(incomplete(SOCKETS)),
        }?;
        let handed_over = pairs_of_cpus(&mut program, REDIRECTED)?;
        let copies = match refused {
            None => None,
            Some(_) => Some(copies(&mut program)?),
        };
        Ok(Self { program, sockets, handed_over, copies })
    }

    /// What it copies of refused frames, once, if it does.
    pub(super) fn take_copies(&mut self) -> Option<Copies> {
        self.copies.take()
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

/// A map with two numbers for each CPU.
fn pairs_of_cpus(
    program: &mut Program,
    name: &str,
) -> Result<PerCpuArray<MapData, [u64; 2]>, TierError> {
    match program.take_map(name)? {
        map @ Map::PerCpuArray(_) => PerCpuArray::try_from(map).map_err(|error| load_error(&error)),
        _ => Err(incomplete(name)),
    }
}

fn copies(program: &mut Program) -> Result<Copies, TierError> {
    let ring = match program.take_map(REFUSED)? {
        map @ Map::RingBuf(_) => RingBuf::try_from(map).map_err(|error| load_error(&error)),
        _ => Err(incomplete(REFUSED)),
    }?;
    Ok(Copies::new(ring, pairs_of_cpus(program, REFUSED_STATE)?))
}
