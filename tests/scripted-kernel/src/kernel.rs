//! The kernel and its moods.

use std::{collections::VecDeque, fmt};

use farend_af_xdp::{
    queue::{self, Held, Parts},
    ring::{AddressSlot, Descriptor, DescriptorSlot},
};
use farend_core::port::{Limits, PoolId};

use crate::ring::SharedRing;

/// Descriptors that one call moves at most: what Linux does in copy mode.
pub const CALL_FRAMES_MAX: usize = 32;

/// How many of each there are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Slots of the fill ring.
    pub fill: u32,
    /// Slots of the rx ring.
    pub rx: u32,
    /// Slots of the tx ring.
    pub tx: u32,
    /// Slots of the completion ring.
    pub completion: u32,
    /// Chunks.
    pub chunks: u32,
    /// Octets of a chunk.
    pub chunk_octets: u32,
    /// The address of the first chunk.
    pub base: u64,
    /// Where the words of the rings start.
    pub start: u32,
    /// Frames of a burst at most.
    pub burst_frames_max: u16,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            fill: 512,
            rx: 512,
            tx: 512,
            completion: 512,
            chunks: 1_024,
            chunk_octets: 2_048,
            base: 0,
            start: 0,
            burst_frames_max: 64,
        }
    }
}

/// How the kernel is just now.
#[expect(clippy::struct_excessive_bools, reason = "moods that go together in any way")]
#[derive(Clone, Copy, Debug)]
pub struct Mood {
    /// It works on tx only when it is kicked.
    pub wants_kicks: bool,
    /// It receives only after it was kicked.
    pub wants_fill_kicks: bool,
    /// Frames that one kick sends at most.
    pub call_frames_max: usize,
    /// Kicks are refused (EAGAIN, EBUSY, ENOBUFS).
    pub is_busy: bool,
    /// A sent frame is completed at once.
    pub completes_at_once: bool,
    /// The interface is gone: kicks fail for good.
    pub is_gone: bool,
}

impl Default for Mood {
    fn default() -> Self {
        Self {
            wants_kicks: true,
            wants_fill_kicks: false,
            call_frames_max: CALL_FRAMES_MAX,
            is_busy: false,
            completes_at_once: true,
            is_gone: false,
        }
    }
}

/// The interface is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the interface is gone")
    }
}

impl std::error::Error for Gone {}

/// A wrong that the kernel does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// Receives into an address that it does not hold.
    ReceivedAt(u64),
    /// Receives more octets into a chunk than it has.
    TooLong,
    /// Completes an address that it does not hold.
    Completed(u64),
}

/// The kernel's side of four rings.
#[derive(Debug)]
pub struct ScriptedKernel {
    /// Chunks to be received into.
    pub fill: SharedRing<AddressSlot>,
    /// Received frames.
    pub rx: SharedRing<DescriptorSlot>,
    /// Frames to be sent.
    pub tx: SharedRing<DescriptorSlot>,
    /// Chunks of sent frames.
    pub completion: SharedRing<AddressSlot>,
    /// How it is.
    pub mood: Mood,
    /// Packets that it has sent, in order.
    pub sent: Vec<Vec<u8>>,
    /// Kicks of the tx ring.
    pub kicks: u64,
    /// Chunks that were taken out of fill and not used yet.
    pub(crate) to_receive: VecDeque<u64>,
    /// Addresses that were sent and not completed yet.
    pub(crate) to_complete: VecDeque<u64>,
    partial: Vec<u8>,
    octets: Vec<u8>,
    sizes: Sizes,
    is_fill_kicked: bool,
}

impl ScriptedKernel {
    /// A kernel, and what a queue is made of.
    #[must_use]
    pub fn parts(sizes: Sizes) -> Parts<Self> {
        let kernel = Self {
            fill: SharedRing::new(sizes.fill, sizes.start),
            rx: SharedRing::new(sizes.rx, sizes.start),
            tx: SharedRing::new(sizes.tx, sizes.start),
            completion: SharedRing::new(sizes.completion, sizes.start),
            mood: Mood::default(),
            sent: Vec::new(),
            kicks: 0,
            to_receive: VecDeque::new(),
            to_complete: VecDeque::new(),
            partial: Vec::new(),
            octets: vec![0; sizes.chunks as usize * sizes.chunk_octets as usize],
            sizes,
            is_fill_kicked: false,
        };
        let (fill, rx) = (kernel.fill.clone(), kernel.rx.clone());
        let (tx, completion) = (kernel.tx.clone(), kernel.completion.clone());
        Parts {
            kernel,
            fill,
            rx,
            tx,
            completion,
            words: vec![0; sizes.chunks as usize],
            pool: PoolId(1),
            base: sizes.base,
            chunk_octets: sizes.chunk_octets,
            limits: Limits {
                frame_octets_max: sizes.chunk_octets,
                burst_frames_max: sizes.burst_frames_max,
                is_copying: true,
            },
        }
    }

    /// How many of each there are.
    #[must_use]
    pub const fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Puts the kernel into a mood.
    pub fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
        self.is_fill_kicked = false;
        self.tx.set_needs_wakeup(mood.wants_kicks);
        self.fill.set_needs_wakeup(mood.wants_fill_kicks);
    }

    /// A packet comes in, in pieces of so many octets each but the last. It
    /// starts `headroom` octets into the first chunk. `false` if it is dropped:
    /// there are no chunks, or the rx ring is full.
    ///
    /// # Panics
    ///
    /// If the packet has no octets, or a piece does not fit a chunk.
    pub fn receive(&mut self, packet: &[u8], piece_octets: usize, headroom: u32) -> bool {
        let pieces: Vec<_> = packet.chunks(piece_octets).collect();
        if !self.can_receive(pieces.len()) {
            return false;
        }
        let last = pieces.len() - 1;
        for (at, piece) in pieces.into_iter().enumerate() {
            let chunk = self.to_receive.pop_front().expect("taken above");
            let address = chunk + u64::from(if at == 0 { headroom } else { 0 });
            self.memory(address, piece.len()).copy_from_slice(piece);
            let octets = u32::try_from(piece.len()).expect("pieces are small");
            let options = if at < last { Descriptor::HAS_MORE } else { 0 };
            assert!(self.rx.put(Descriptor::new(address, octets, options)), "there is room");
        }
        true
    }

    /// Takes chunks for so many pieces, and says whether they and the rx ring
    /// are enough.
    pub fn can_receive(&mut self, pieces: usize) -> bool {
        let is_awake = !self.mood.wants_fill_kicks || self.is_fill_kicked;
        while is_awake
            && self.to_receive.len() < pieces
            && let Some(address) = self.fill.take()
        {
            self.to_receive.push_back(address);
        }
        self.to_receive.len() >= pieces && self.rx.room() as usize >= pieces
    }

    /// Does something wrong, if it can.
    pub fn do_wrong(&mut self, wrong: Wrong) {
        let octets = 60;
        match wrong {
            Wrong::ReceivedAt(address) => {
                let _is_full = self.rx.put(Descriptor::new(address, octets, 0));
            }
            Wrong::TooLong => {
                if self.rx.room() > 0
                    && let Some(address) = self.to_receive.pop_front().or_else(|| self.fill.take())
                {
                    let octets = self.sizes.chunk_octets + 1;
                    let _is_full = self.rx.put(Descriptor::new(address, octets, 0));
                }
            }
            Wrong::Completed(address) => {
                let _is_full = self.completion.put(address);
            }
        }
    }

    /// Sends up to so many frames of the tx ring; says how many.
    ///
    /// # Panics
    ///
    /// If the queue submitted what the kernel would refuse and never give back.
    pub fn transmit(&mut self, frames_max: usize) -> usize {
        let mut frames = 0;
        // As Linux: no frame is sent without a place to complete it.
        while frames < frames_max
            && self.to_complete.len() < self.completion.room() as usize
            && let Some(descriptor) = self.tx.take()
        {
            let (address, octets) = (descriptor.address, descriptor.octets());
            assert!(octets > 0, "an empty descriptor");
            let offset = address - self.sizes.base;
            let start = offset % u64::from(self.sizes.chunk_octets);
            assert!(start + u64::from(octets) <= self.sizes.chunk_octets.into(), "past its chunk");
            let piece = self.memory(address, octets as usize).to_vec();
            self.partial.extend(piece);
            if !descriptor.has_more() {
                self.sent.push(std::mem::take(&mut self.partial));
            }
            self.to_complete.push_back(address);
            frames += 1;
        }
        if self.mood.completes_at_once {
            self.complete(usize::MAX);
        }
        frames
    }

    /// Completes up to so many sent frames; says how many.
    pub fn complete(&mut self, frames_max: usize) -> usize {
        let mut frames = 0;
        while frames < frames_max
            && let Some(address) = self.to_complete.front()
            && self.completion.put(*address)
        {
            self.to_complete.pop_front();
            frames += 1;
        }
        frames
    }

    fn memory(&mut self, address: u64, octets: usize) -> &mut [u8] {
        let start = usize::try_from(address - self.sizes.base).expect("an address of the memory");
        &mut self.octets[start..start + octets]
    }
}

impl queue::Kernel for ScriptedKernel {
    type Error = Gone;
    type Addresses = SharedRing<AddressSlot>;
    type Descriptors = SharedRing<DescriptorSlot>;
    type Words = Vec<u32>;

    #[inline]
    fn octets(&mut self, held: &Held) -> Option<&mut [u8]> {
        let start = usize::try_from(held.address().wrapping_sub(self.sizes.base)).ok()?;
        self.octets.get_mut(start..)?.get_mut(..held.octets() as usize)
    }

    fn wake_transmit(&mut self) -> Result<(), Gone> {
        self.kicks += 1;
        if self.mood.is_gone {
            return Err(Gone);
        }
        if !self.mood.is_busy {
            self.transmit(self.mood.call_frames_max);
        }
        Ok(())
    }

    fn wake_receive(&mut self) -> Result<(), Gone> {
        self.is_fill_kicked = true;
        if self.mood.is_gone { Err(Gone) } else { Ok(()) }
    }
}
