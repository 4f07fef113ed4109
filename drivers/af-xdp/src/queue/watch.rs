//! Noticing that the kernel has stopped working on a ring.

use super::{Kernel, Queue, QueueError, of};

/// How far both sides of the rings have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Chunks that the kernel has not taken out of the fill ring.
    pub fill_untaken: u32,
    /// Chunks that the kernel ever took out of it, modulo 2^32.
    pub fill_taken: u32,
    /// Frames that the kernel has not taken out of the tx ring.
    pub tx_untaken: u32,
    /// Frames that the kernel ever took out of it, modulo 2^32.
    pub tx_taken: u32,
    /// Frames that the kernel has taken and not completed.
    pub uncompleted: u32,
    /// Frames that were ever completed, modulo 2^32.
    pub completed: u32,
}

/// A ring that the kernel does not work on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum StuckRing {
    /// The kernel drops frames for want of chunks to receive into, and takes
    /// none: there are none because none came back, or it does not look.
    Fill,
    /// Frames to be sent are not taken.
    Tx,
    /// Frames that were taken are not completed.
    Completion,
}

impl StuckRing {
    /// The ring's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Tx => "tx",
            Self::Completion => "completion",
        }
    }
}

impl<K: Kernel> Queue<K> {
    /// Looks how far the kernel has come.
    ///
    /// # Errors
    ///
    /// A ring is broken.
    pub fn progress(&mut self) -> Result<Progress, QueueError<K::Error>> {
        self.reap()?;
        let fill_untaken = self.fill.untaken().map_err(of("fill"))?;
        let tx_untaken = self.tx.untaken().map_err(of("tx"))?;
        let completed = self.completion.released();
        Ok(Progress {
            fill_untaken,
            fill_taken: self.fill.taken(),
            tx_untaken,
            tx_taken: self.tx.taken(),
            uncompleted: self.tx.taken().wrapping_sub(completed),
            completed,
        })
    }
}

/// Looks at a queue now and then, and knows which ring has stood still for too
/// long.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    patience_ticks: u64,
    last: Option<Progress>,
    starved_frames: u64,
    /// When each ring was last seen well: fill, tx, completion.
    well_ticks: [u64; 3],
    told: Option<StuckRing>,
}

impl Watch {
    /// Makes a watch that finds a ring stuck after so many ticks of the
    /// caller's clock.
    #[must_use]
    pub const fn new(patience_ticks: u64) -> Self {
        Self { patience_ticks, last: None, starved_frames: 0, well_ticks: [0; 3], told: None }
    }

    /// Looks; tells a ring that got stuck once, until all is well again.
    ///
    /// `starved_frames` is the kernel's own count of frames that it dropped
    /// for want of a chunk. An empty fill ring alone says nothing: a driver may
    /// take all chunks into a ring of its own.
    pub fn look(
        &mut self,
        progress: Progress,
        starved_frames: u64,
        now_tick: u64,
    ) -> Option<StuckRing> {
        let Some(last) = self.last.replace(progress) else {
            self.starved_frames = starved_frames;
            self.well_ticks = [now_tick; 3];
            return None;
        };
        let is_starving = starved_frames != self.starved_frames;
        self.starved_frames = starved_frames;
        let is_well = [
            progress.fill_taken != last.fill_taken || !is_starving,
            progress.tx_taken != last.tx_taken || progress.tx_untaken == 0,
            progress.completed != last.completed || progress.uncompleted == 0,
        ];
        let mut stuck = None;
        let rings = [StuckRing::Fill, StuckRing::Tx, StuckRing::Completion];
        for ((since_tick, is_well), ring) in self.well_ticks.iter_mut().zip(is_well).zip(rings) {
            if is_well {
                *since_tick = now_tick;
            } else if now_tick.saturating_sub(*since_tick) >= self.patience_ticks {
                // A later ring's trouble is the cause of an earlier one's.
                stuck = Some(ring);
            }
        }
        let news = stuck.filter(|ring| self.told != Some(*ring));
        self.told = stuck;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOING: Progress = Progress {
        fill_untaken: 10,
        fill_taken: 5,
        tx_untaken: 0,
        tx_taken: 5,
        uncompleted: 0,
        completed: 5,
    };

    #[test]
    fn a_quiet_queue_is_not_stuck() {
        let mut watch = Watch::new(100);
        for tick in (0..10_000).step_by(50) {
            assert_eq!(watch.look(GOING, 3, tick), None);
        }
    }

    #[test]
    fn the_ring_that_stands_still_is_named_once_until_it_moves() {
        let cases = [
            (Progress { tx_untaken: 4, ..GOING }, StuckRing::Tx),
            (Progress { uncompleted: 4, ..GOING }, StuckRing::Completion),
        ];
        for (stuck, ring) in cases {
            let mut watch = Watch::new(100);
            assert_eq!(watch.look(GOING, 0, 0), None);
            assert_eq!(watch.look(stuck, 0, 50), None);
            assert_eq!(watch.look(stuck, 0, 99), None);
            assert_eq!(watch.look(stuck, 0, 110), Some(ring));
            assert_eq!(watch.look(stuck, 0, 500), None);
            assert_eq!(watch.look(GOING, 0, 600), None);
            assert_eq!(watch.look(stuck, 0, 650), None);
            assert_eq!(watch.look(stuck, 0, 750), Some(ring));
        }
    }

    #[test]
    fn a_kernel_that_starves_is_noticed_and_an_empty_ring_alone_is_not() {
        let empty = Progress { fill_untaken: 0, ..GOING };
        for (progress, step, stuck) in
            [(GOING, 1, Some(StuckRing::Fill)), (empty, 1, Some(StuckRing::Fill)), (empty, 0, None)]
        {
            let mut watch = Watch::new(100);
            let mut told = None;
            for (look, tick) in (0..).zip((0..500).step_by(50)) {
                told = told.or(watch.look(progress, look * step, tick));
            }
            assert_eq!(told, stuck);
        }
    }

    #[test]
    fn a_slow_kernel_is_not_a_stuck_one() {
        let mut watch = Watch::new(100);
        for step in 0..100 {
            let slow = Progress { tx_untaken: 4, tx_taken: step, ..GOING };
            assert_eq!(watch.look(slow, 0, u64::from(step) * 99), None);
        }
    }
}
