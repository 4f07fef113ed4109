//! The receive ring of the tester's packet socket.

use std::{io, os::fd::AsFd};

use farend_linux::packet::{Cursor, Descriptor, RingLayout, RingMemory};

/// Blocks that each hold several jumbo frames, or thousands of small ones; 16 MiB
/// together. A block is handed over soon even if it is not full: arrivals are stamped
/// before.
const LAYOUT: RingLayout = RingLayout { block_octets: 1 << 18, blocks: 64, retire_interval_ms: 1 };

/// The ring of one socket.
#[derive(Debug)]
pub(super) struct Ring {
    memory: RingMemory,
    next_block: usize,
}

impl Ring {
    /// Gives a packet socket a ring. Do this before binding, or frames of
    /// every interface come first.
    pub(super) fn new(socket: impl AsFd) -> io::Result<Self> {
        RingLayout::set_version(&socket)?;
        Ok(Self { memory: RingMemory::new(&socket, &LAYOUT)?, next_block: 0 })
    }

    /// Hands over the frames of the next block, if the kernel is done with it.
    /// Returns how many, or `None` if no block is ready.
    pub(super) fn take_block(
        &mut self,
        sink: &mut impl FnMut(&Descriptor, &[u8]),
    ) -> Option<usize> {
        let index = self.next_block;
        if !self.memory.claim(index) {
            return None;
        }
        let mut frames = 0;
        if let Some(block) = self.memory.octets_mut(index) {
            let mut cursor = Cursor::new(block, 0);
            // What is corrupt ends the block.
            while let Some(Ok(descriptor)) = cursor.next(block) {
                let Some(octets) = block.get(descriptor.octets.clone()) else { break };
                sink(&descriptor, octets);
                frames += 1;
            }
        }
        self.memory.give_back(index);
        self.next_block = (index + 1) % self.memory.blocks();
        Some(frames)
    }
}
