//! Ports: the queue over the four rings, the wire in memory, and what wraps a
//! port.
#![expect(unsafe_code, reason = "exports")]

use core::convert::Infallible;

use farend_af_xdp::{
    queue::{Held, Kernel, Ledger, Parts, Progress, Queue, StuckRing, Watch},
    ring::{AddressSlot, DescriptorSlot, RingMemory, Slot},
};
use farend_core::{
    Counters, Policy, RateLimit,
    port::{
        Burst, Frame, Observer, Port, Turn,
        layers::{Event, Faulty, Record, Recorded, Traced},
        memory::MemoryPort,
    },
    sync::primitive::AtomicU32,
};

/// Memory of a ring, wherever it is.
pub struct Ring<S: 'static> {
    words: &'static [AtomicU32; 3],
    slots: &'static [S],
}

impl<S: Slot> RingMemory for Ring<S> {
    type Slot = S;

    fn producer(&self) -> &AtomicU32 {
        &self.words[0]
    }

    fn consumer(&self) -> &AtomicU32 {
        &self.words[1]
    }

    fn flags(&self) -> &AtomicU32 {
        &self.words[2]
    }

    fn slots(&self) -> &[S] {
        self.slots
    }
}

/// A kernel with memory somewhere, whose calls are somebody else's.
pub struct Somewhere {
    octets: &'static mut [u8],
    wake: fn(),
}

impl Kernel for Somewhere {
    type Error = Infallible;
    type Addresses = Ring<AddressSlot>;
    type Descriptors = Ring<DescriptorSlot>;
    type Words = &'static mut [u32];

    fn octets(&mut self, held: &Held) -> Option<&mut [u8]> {
        let start = usize::try_from(held.address()).ok()?;
        self.octets.get_mut(start..)?.get_mut(..held.octets() as usize)
    }

    fn wake_transmit(&mut self) -> Result<(), Infallible> {
        (self.wake)();
        Ok(())
    }

    fn wake_receive(&mut self) -> Result<(), Infallible> {
        (self.wake)();
        Ok(())
    }
}

/// Looks on without a word.
pub struct Silent(u64);

impl Observer for Silent {
    fn burst_transmitted(&mut self, packets: usize) {
        self.0 = self.0.wrapping_add(packets as u64);
    }
}

impl Record for Silent {
    fn frame(
        &mut self,
        _direction: farend_core::port::layers::Direction,
        octets: &[u8],
        _has_more: bool,
    ) {
        self.0 = self.0.wrapping_add(octets.len() as u64);
    }

    fn packet_ends(&mut self, _is_kept: bool) {}
}

type Memory = MemoryPort<'static, 64, 2048>;

fn turn<P: Port>(
    port: &mut P,
    policy: &Policy,
    limit: &mut RateLimit,
    counters: &mut Counters,
    pending: &mut Burst,
) -> Option<Turn> {
    port.turn(policy, limit, counters, &mut Silent(0), pending).ok()
}

entries! {
    fn entry_queue_new(parts: Parts<Somewhere>) -> Option<Queue<Somewhere>> {
        Queue::new(parts).ok()
    }

    fn entry_queue_turn(
        queue: &mut Queue<Somewhere>,
        policy: &Policy,
        limit: &mut RateLimit,
        counters: &mut Counters,
        pending: &mut Burst
    ) -> Option<Turn> {
        queue.turn(policy, limit, counters, &mut (), pending).ok()
    }

    fn entry_queue_turn_in_steps(
        queue: &mut Queue<Somewhere>,
        policy: &Policy,
        limit: &mut RateLimit,
        counters: &mut Counters,
        pending: &mut Burst
    ) -> Option<Turn> {
        turn(queue, policy, limit, counters, pending)
    }

    fn entry_queue_lend(queue: &mut Queue<Somewhere>, burst: &mut Burst) -> () {
        queue.reserve(burst);
        queue.recycle(burst);
    }

    fn entry_queue_books(queue: &mut Queue<Somewhere>) -> Option<(Ledger, Progress, bool)> {
        Some((queue.ledger().ok()?, queue.progress().ok()?, queue.is_drained().ok()?))
    }

    fn entry_queue_watch(
        watch: &mut Watch,
        progress: Progress,
        starved_frames: u64,
        now_tick: u64
    ) -> Option<StuckRing> {
        watch.look(progress, starved_frames, now_tick)
    }

    fn entry_burst(burst: &mut Burst, other: &mut Burst, at: usize, octets: usize) -> Option<Frame> {
        burst.append(other);
        let (_, whole_octets) = burst.packet_at(at);
        if let Some(frame) = burst.get_mut(at) {
            frame.truncate(octets);
            frame.set_more(whole_octets > octets);
        }
        burst.pop_back().or_else(|| burst.drain().next())
    }

    fn entry_memory_turn(
        port: &mut Memory,
        policy: &Policy,
        limit: &mut RateLimit,
        counters: &mut Counters,
        pending: &mut Burst
    ) -> Option<Turn> {
        turn(port, policy, limit, counters, pending)
    }

    fn entry_layers_turn(
        port: &mut Traced<Recorded<Faulty<Memory>, Silent>, fn(Event)>,
        policy: &Policy,
        limit: &mut RateLimit,
        counters: &mut Counters,
        pending: &mut Burst
    ) -> Option<Turn> {
        turn(port, policy, limit, counters, pending)
    }
}
