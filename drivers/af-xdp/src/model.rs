//! Every order of the steps of a queue and a kernel that share four rings.
//!
//! Octets of a frame are stood for by one relaxed number for each chunk, so
//! that one who reads a frame before its turn reads an old number. Two threads with
//! shuttle too: a queue is one thread's, and the kernel is the other side.

use std::{vec, vec::Vec};

use farend_core::{
    port::{Burst, Limits, PoolId, Port},
    seeded::search::{
        FoundBy::{Both, Loom},
        Row, each_is_found,
    },
    sync::{
        model::{Arc, check, thread},
        primitive::{AtomicU32, AtomicU64, Ordering},
    },
};

use crate::{
    queue::{Held, Kernel, Parts, Queue},
    ring::{AddressSlot, Consumer, Descriptor, DescriptorSlot, Producer, RingMemory, Slot},
    seeded::Fault,
};

/// Octets of a chunk.
const CHUNK_OCTETS: u32 = 64;

/// The chunk that begins at `address`.
fn chunk_at(address: u64) -> usize {
    usize::try_from(address / u64::from(CHUNK_OCTETS)).unwrap()
}

struct Ring<S> {
    producer: AtomicU32,
    consumer: AtomicU32,
    flags: AtomicU32,
    slots: Vec<S>,
}

struct Shared<S>(Arc<Ring<S>>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Slot> Shared<S> {
    fn new(slots: Vec<S>) -> Self {
        let word = || AtomicU32::new(0);
        Self(Arc::new(Ring { producer: word(), consumer: word(), flags: word(), slots }))
    }

    /// Puts an entry in, as the kernel does.
    fn put(&self, entry: S::Entry) -> bool {
        let next = self.0.producer.load(Ordering::Relaxed);
        let taken = self.0.consumer.load(Ordering::Acquire);
        if next - taken == self.0.slots.len() as u32 {
            return false;
        }
        self.0.slots[next as usize % self.0.slots.len()].write(entry);
        self.0.producer.store(next + 1, Ordering::Release);
        true
    }

    /// Takes an entry, as the kernel does.
    fn take(&self) -> Option<S::Entry> {
        let next = self.0.consumer.load(Ordering::Relaxed);
        let filled = self.0.producer.load(Ordering::Acquire).wrapping_sub(next);
        if filled == 0 {
            return None;
        }
        assert!(filled <= self.0.slots.len() as u32, "more than the ring holds");
        let entry = self.0.slots[next as usize % self.0.slots.len()].read();
        self.0.consumer.store(next + 1, Ordering::Release);
        Some(entry)
    }
}

impl<S: Slot> RingMemory for Shared<S> {
    type Slot = S;

    fn producer(&self) -> &AtomicU32 {
        &self.0.producer
    }

    fn consumer(&self) -> &AtomicU32 {
        &self.0.consumer
    }

    fn flags(&self) -> &AtomicU32 {
        &self.0.flags
    }

    fn slots(&self) -> &[S] {
        &self.0.slots
    }
}

fn addresses(slots: usize) -> Shared<AddressSlot> {
    Shared::new((0..slots).map(|_| AddressSlot(AtomicU64::new(99))).collect())
}

fn descriptors(slots: usize) -> Shared<DescriptorSlot> {
    let slot = |_| DescriptorSlot { address: AtomicU64::new(99), rest: AtomicU64::new(99) };
    Shared::new((0..slots).map(slot).collect())
}

/// The queue puts three entries into a ring of two.
fn producer() {
    let ring = addresses(2);
    let kernel = ring.clone();
    let taker = thread::spawn(move || {
        for wanted in 0..3 {
            loop {
                if let Some(entry) = kernel.take() {
                    assert_eq!(entry, wanted);
                    break;
                }
                thread::yield_now();
            }
        }
    });
    let mut producer = Producer::new(ring).unwrap();
    let mut next = 0;
    while next < 3 {
        let mut reserved = producer.reserve(2).unwrap();
        while next < 3 && reserved.push(next) {
            next += 1;
        }
        let is_full = reserved.room() == 0;
        reserved.submit();
        if is_full {
            thread::yield_now();
        }
    }
    taker.join().unwrap();
    assert_eq!(producer.untaken(), Ok(0));
}

/// The queue takes three entries out of a ring of two.
fn consumer() {
    let ring = addresses(2);
    let kernel = ring.clone();
    let taker = thread::spawn(move || {
        let mut consumer = Consumer::new(ring).unwrap();
        let mut wanted = 0;
        while wanted < 3 {
            let peeked = consumer.peek(2).unwrap();
            let len = peeked.len();
            for at in 0..len {
                assert_eq!(peeked.get(at), Some(wanted));
                wanted += 1;
            }
            peeked.release(len);
            if len == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(consumer.ready(), Ok(0));
    });
    for entry in 0..3 {
        while !kernel.put(entry) {
            thread::yield_now();
        }
    }
    taker.join().unwrap();
}

/// The other side of the queue: only a place for octets that nobody reads.
struct Nobody(Vec<u8>);

impl Kernel for Nobody {
    type Error = core::convert::Infallible;
    type Addresses = Shared<AddressSlot>;
    type Descriptors = Shared<DescriptorSlot>;
    type Words = Vec<u32>;

    fn octets(&mut self, held: &Held) -> Option<&mut [u8]> {
        self.0.get_mut(..held.octets() as usize)
    }

    fn wake_transmit(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn wake_receive(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Packets that go round.
const PACKETS: u32 = 3;

/// The kernel's thread: receives, and sends what comes back, in any order.
struct Driver {
    fill: Shared<AddressSlot>,
    rx: Shared<DescriptorSlot>,
    tx: Shared<DescriptorSlot>,
    completion: Shared<AddressSlot>,
    contents: Arc<Vec<AtomicU32>>,
}

impl Driver {
    fn run(&self) {
        let mut is_sending = vec![false; self.contents.len()];
        let (mut received, mut sent) = (0, 0);
        while sent < PACKETS {
            let before = (received, sent);
            if received < PACKETS
                && let Some(address) = self.fill.take()
            {
                let chunk = chunk_at(address);
                assert!(!is_sending[chunk], "a chunk with two owners");
                self.contents[chunk].store(received, Ordering::Relaxed);
                assert!(self.rx.put(Descriptor::new(address, 60, 0)));
                received += 1;
            }
            if let Some(descriptor) = self.tx.take() {
                let chunk = chunk_at(descriptor.address);
                let content = self.contents[chunk].load(Ordering::Relaxed);
                assert_eq!(content, 100 + sent, "not the answer, or not in order");
                assert!(!is_sending[chunk], "sent twice");
                is_sending[chunk] = true;
                sent += 1;
                // Received into meanwhile?
                if received < PACKETS
                    && let Some(address) = self.fill.take()
                {
                    let other = chunk_at(address);
                    assert!(!is_sending[other], "a chunk with two owners");
                    self.contents[other].store(received, Ordering::Relaxed);
                    assert!(self.rx.put(Descriptor::new(address, 60, 0)));
                    received += 1;
                }
                is_sending[chunk] = false;
                assert!(self.completion.put(descriptor.address));
            }
            if before == (received, sent) {
                thread::yield_now();
            }
        }
    }
}

/// Packets go round a queue with one chunk.
fn round_of_one() {
    round(1, 1);
}

/// Packets go round a queue with fewer chunks than packets and short rings.
fn round(chunks: usize, slots: usize) {
    let (fill, rx, tx) = (addresses(slots), descriptors(slots), descriptors(slots));
    let completion = addresses(slots);
    let contents: Arc<Vec<_>> = Arc::new((0..chunks).map(|_| AtomicU32::new(99)).collect());
    let driver = Driver {
        fill: fill.clone(),
        rx: rx.clone(),
        tx: tx.clone(),
        completion: completion.clone(),
        contents: Arc::clone(&contents),
    };
    let mut queue = Queue::new(Parts {
        kernel: Nobody(vec![0; 64]),
        fill,
        rx,
        tx,
        completion,
        words: vec![0; chunks],
        pool: PoolId(1),
        base: 0,
        chunk_octets: CHUNK_OCTETS,
        limits: Limits { frame_octets_max: CHUNK_OCTETS, burst_frames_max: 64, is_copying: false },
    })
    .unwrap();
    let kernel = thread::spawn(move || driver.run());
    let (mut burst, mut judged) = (Burst::new(), 0);
    while judged < PACKETS {
        let kept = burst.len();
        queue.receive(&mut burst).unwrap();
        for at in kept..burst.len() {
            let (address, _) = queue.locate(burst.get(at).unwrap()).unwrap();
            let content = &contents[chunk_at(address)];
            assert_eq!(content.load(Ordering::Relaxed), judged, "not the packet, or not in order");
            content.store(100 + judged, Ordering::Relaxed);
            judged += 1;
        }
        let (held, is_idle) = (burst.len(), kept == burst.len());
        queue.transmit(&mut burst).unwrap();
        if is_idle && held == burst.len() {
            thread::yield_now();
        }
    }
    while !burst.is_empty() {
        queue.transmit(&mut burst).unwrap();
        thread::yield_now();
    }
    kernel.join().unwrap();
    assert!(queue.is_drained().unwrap());
    assert_eq!(queue.ledger().unwrap().sum(), chunks as u64);
}

#[test]
fn the_kernel_takes_each_entry_once_and_in_order() {
    check(producer);
}

#[test]
fn each_entry_of_the_kernel_is_taken_once_and_in_order() {
    check(consumer);
}

#[test]
fn packets_go_round_once_each_and_no_chunk_has_two_owners() {
    check(round_of_one);
    check(|| round(2, 2));
}

const PRODUCER: &str = "the_kernel_takes_each_entry_once_and_in_order";
const CONSUMER: &str = "each_entry_of_the_kernel_is_taken_once_and_in_order";
const ROUND: &str = "packets_go_round_once_each_and_no_chunk_has_two_owners";

const ROWS: &[Row<Fault>] = &[
    (Fault::PublishBeforeWrite, PRODUCER, Both),
    (Fault::SubmitRelaxed, PRODUCER, Loom),
    (Fault::StaleConsumer, PRODUCER, Both),
    (Fault::LookRelaxed, CONSUMER, Loom),
    (Fault::NoRelease, CONSUMER, Both),
    (Fault::DoubleReturn, ROUND, Both),
];

#[test]
fn every_seeded_fault_is_found() {
    each_is_found("model", ROWS);
}
