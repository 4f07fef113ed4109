//! Blocks on their way into a file that may refuse them for a while.

use std::{
    fs::File,
    io::{self, Write},
};

use farend_capture::pcapng;

/// Octets that are kept while the file refuses them.
const KEPT_OCTETS_MAX: usize = 1 << 20;

/// Octets that are worth a write of their own.
const WRITE_OCTETS: usize = 64 << 10;

/// Whole blocks that go into a file in their order. What the file took in part
/// is continued where it stopped, so the file never has a hole.
#[derive(Debug)]
pub(super) struct Output<W = File> {
    file: W,
    /// Whole blocks.
    blocks: Vec<u8>,
    /// Octets of them that are in the file already.
    taken: usize,
    /// How many of them hold a frame.
    frames: u64,
    /// Octets of whole blocks in the file before these.
    before_octets: u64,
}

impl<W: Write> Output<W> {
    /// Starts with the head of a file.
    pub(super) fn new(file: W, head: Vec<u8>) -> Self {
        Self { file, blocks: head, taken: 0, frames: 0, before_octets: 0 }
    }

    /// Adds the block of a frame; whether there was room.
    pub(super) fn push(&mut self, packet: &pcapng::Packet<'_>) -> bool {
        if self.blocks.len() >= KEPT_OCTETS_MAX {
            return false;
        }
        pcapng::write_packet(&mut self.blocks, packet);
        self.frames += 1;
        true
    }

    /// Whether it is time to write, before the blocks are any older.
    pub(super) const fn is_large(&self) -> bool {
        self.blocks.len() >= WRITE_OCTETS
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Writes all blocks; gives how many of them held a frame.
    ///
    /// # Errors
    ///
    /// The file's. The blocks are kept, to be continued.
    pub(super) fn write(&mut self) -> io::Result<u64> {
        while let Some(rest) = self.blocks.get(self.taken..)
            && !rest.is_empty()
        {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(octets) => self.taken += octets,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.before_octets += self.blocks.len() as u64;
        self.blocks.clear();
        self.taken = 0;
        Ok(std::mem::take(&mut self.frames))
    }

    /// Gives up what the file has not taken: the frames of whole blocks that
    /// it has, those that it has not, and where its last whole block ends.
    pub(super) fn abandon(self) -> (u64, u64, u64, W) {
        let (octets, frames) = pcapng::whole_blocks(&self.blocks, self.taken);
        let end = self.before_octets + octets as u64;
        (frames, self.frames.saturating_sub(frames), end, self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many octets, then none until it is given more room.
    #[derive(Default)]
    struct Disk {
        octets: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let taken = octets.len().min(self.room).min(7);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.octets.extend(&octets[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn packet(octets: &[u8]) -> pcapng::Packet<'_> {
        pcapng::Packet {
            interface: 0,
            time_unix_ns: 0,
            octets,
            whole_octets: 60,
            direction: pcapng::Direction::Inbound,
            comment: "",
        }
    }

    #[test]
    fn a_file_that_was_full_goes_on_without_a_hole() {
        let mut output = Output::new(Disk::default(), Vec::new());
        let mut expected = Vec::new();
        let mut written = 0;
        for round in 0..50_usize {
            output.file.room += 45;
            let frame = vec![0xa5; round];
            assert!(output.push(&packet(&frame)));
            pcapng::write_packet(&mut expected, &packet(&frame));
            written += output.write().unwrap_or(0);
        }
        assert!(written < 50);
        output.file.room = usize::MAX;
        written += output.write().unwrap();
        assert_eq!(written, 50);
        assert_eq!(output.file.octets, expected);
    }

    #[test]
    fn what_is_given_up_ends_with_a_whole_block() {
        let mut block = Vec::new();
        pcapng::write_packet(&mut block, &packet(&[1; 60]));
        let block_octets = block.len() as u64;
        for room in 0..400 {
            let mut output = Output::new(Disk { room, ..Disk::default() }, Vec::new());
            (0..3).for_each(|_| assert!(output.push(&packet(&[1; 60]))));
            let is_written = output.write().is_ok();
            let (written, lost, end, disk) = output.abandon();
            assert!(end <= disk.octets.len() as u64);
            if is_written {
                assert_eq!((written, lost, end), (0, 0, disk.octets.len() as u64));
            } else {
                assert_eq!(written + lost, 3);
                assert_eq!((written, 0), (end / block_octets, end % block_octets));
            }
        }
    }

    #[test]
    fn a_full_file_does_not_fill_the_memory() {
        let mut output = Output::new(Disk::default(), Vec::new());
        let pushed = (0..10_000).filter(|_| output.push(&packet(&[0; 1_500]))).count();
        assert!(pushed < 1_000);
        assert!(output.blocks.len() < KEPT_OCTETS_MAX + 2_000);
    }
}
