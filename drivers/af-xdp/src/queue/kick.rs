//! Telling the kernel, until it has taken everything.

use super::{Kernel, Queue, QueueError, of};

/// Calls without effect after which the kernel is left alone until the next
/// turn.
const IDLE_CALLS_MAX: u32 = 2;

impl<K: Kernel> Queue<K> {
    /// Calls the kernel for each ring that asks for it.
    ///
    /// Bounded: a call either moves at least one of a ring's descriptors, or
    /// is one of [`IDLE_CALLS_MAX`] without effect.
    #[inline]
    pub(super) fn kick_until_drained(&mut self) -> Result<(), QueueError<K::Error>> {
        if self.fill.needs_wakeup() {
            self.wake_receive()?;
        }
        let untaken = self.tx.untaken().map_err(of("tx"))?;
        if untaken > 0 && self.tx.needs_wakeup() {
            self.wake_transmit(untaken)?;
        }
        Ok(())
    }

    fn wake_receive(&mut self) -> Result<(), QueueError<K::Error>> {
        self.recirculate()?;
        if self.fill.untaken().map_err(of("fill"))? == 0 {
            // There is nothing to look at.
            return Ok(());
        }
        self.kernel.wake_receive().map_err(QueueError::Kernel)
    }

    fn wake_transmit(&mut self, mut untaken: u32) -> Result<(), QueueError<K::Error>> {
        let mut idle_calls = 0;
        while untaken > 0 && idle_calls < IDLE_CALLS_MAX && self.tx.needs_wakeup() {
            let completed = self.completion.released();
            self.kernel.wake_transmit().map_err(QueueError::Kernel)?;
            let left = self.tx.untaken().map_err(of("tx"))?;
            // Room in the completion ring is what a busy kernel may wait for.
            self.reap()?;
            let has_moved = left != untaken || completed != self.completion.released();
            idle_calls = if has_moved { 0 } else { idle_calls.wrapping_add(1) };
            untaken = left;
        }
        Ok(())
    }
}
