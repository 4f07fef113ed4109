//! The common case of a turn, in one pass: no frame is ever in hand.
//!
//! What [`Port::turn`](farend_core::port::Port::turn) does in three passes over
//! tokens is here done descriptor by descriptor, from rx to tx, while there is
//! room for every answer, each packet is one sound frame, and nobody looks on.
//! The first descriptor of which this does not hold is left to the three
//! passes.

use farend_core::{
    Caller, Counters, Policy,
    frame::window::Fragmented,
    port::{BURST_FRAMES_MAX, Turn},
    reflect,
};

use super::{Held, Kernel, Queue, QueueError, entries, of};
use crate::ring::Slot;

impl<K: Kernel> Queue<K> {
    /// Turns a burst round, up to what is not the common case.
    #[inline(always)]
    pub(super) fn turn_in_one_pass<C: Caller>(
        &mut self,
        policy: &Policy,
        caller: &mut C,
        counters: &mut Counters,
    ) -> Result<(Turn, bool), QueueError<K::Error>> {
        let mut turn = Turn::default();
        if self.is_skipping {
            return Ok((turn, false));
        }
        self.recirculate()?;
        let most = usize::from(self.limits.burst_frames_max).clamp(1, BURST_FRAMES_MAX);
        let ready = self.rx.peek(entries(most)).map_err(of("rx"))?;
        let mut answers = self.tx.reserve(ready.len()).map_err(of("tx"))?;
        if answers.room() < ready.len() {
            return Ok((turn, false));
        }
        let mut books = self.pool.books();
        let mut received = 0_u32;
        let mut is_whole = true;
        let mut beyond_memory = 0_u64;
        while is_whole && received < ready.len() {
            // In rows that neither ring's end cuts.
            let (from, to) = (ready.row(received), answers.row());
            let row = entries(from.len().min(to.len()));
            let (mut answered, mut refused) = (0_u32, 0_u32);
            for (from, to) in from.iter().zip(to) {
                let descriptor = from.read();
                let address = descriptor.address;
                // First the ledger: until then the octets may be the kernel's.
                let Some(()) = books.pass_on(address, descriptor.rest) else { break };
                let held = Held { address, octets: descriptor.octets() };
                let is_answered = if let Some(octets) = self.kernel.octets(&held) {
                    let whole_octets = octets.len();
                    let mut window = Fragmented::new(octets, whole_octets);
                    let verdict = reflect(&mut window, policy, caller);
                    counters.count(verdict, whole_octets);
                    verdict.is_sent()
                } else {
                    // The pool reaches beyond the memory, which its maker got wrong.
                    beyond_memory = beyond_memory.wrapping_add(1);
                    false
                };
                if !is_answered {
                    // The next answer goes where this one does not: new rows.
                    books.complete(address);
                    refused = 1;
                    break;
                }
                to.write(descriptor);
                answered = answered.wrapping_add(1);
            }
            is_whole = answered.wrapping_add(refused) > 0 && (answered == row || refused > 0);
            received = received.wrapping_add(answered).wrapping_add(refused);
            answers.advance(answered);
            turn.transmitted_frames = turn.transmitted_frames.wrapping_add(answered as usize);
        }
        turn.received_frames = received as usize;
        let corrupt = &mut self.losses.corrupt_descriptors;
        *corrupt = corrupt.wrapping_add(beyond_memory);
        answers.submit();
        self.packets = self.packets.wrapping_add(turn.transmitted_frames as u64);
        ready.release(received);
        Ok((turn, is_whole))
    }
}
