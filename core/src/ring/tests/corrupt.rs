//! A peer that writes anything anywhere: typed errors, no panic, no endless call.

use std::vec::Vec;

use super::{
    super::{Corruption, Error, Layout, Memory, SlowReader, broadcast, spsc},
    Looking, Numbers, Played, over, words,
};
use crate::sync::{Clock, primitive::Ordering};

const ROUNDS: usize = 20_000;

/// Overwrites words of a ring, most of them those of cursors and messages.
fn scribble(memory: Memory<'_>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let place = 128 + 8 * numbers.below(memory.octets() / 8 - 16);
        let word = memory.word64(place).unwrap();
        let value = match numbers.below(4) {
            0 => numbers.next(),
            1 => numbers.next() & 0xFFF8,
            2 => word.load(Ordering::Relaxed) ^ (1 << numbers.below(64)),
            _ => u64::MAX - (numbers.next() & 0xFF),
        };
        word.store(value, Ordering::Relaxed);
    }
}

#[test]
fn no_word_of_a_lying_peer_breaks_an_spsc_ring() {
    let layout = Layout::spsc(256).unwrap();
    let mut numbers = Numbers(5);
    let (mut corrupt, mut sound) = (0, 0);
    for _ in 0..ROUNDS {
        let mut memory = words(layout.octets());
        let memory = over(&mut memory);
        let ring = spsc::Ring::create::<Played>(memory, 256, 0).unwrap();
        let mut producer = ring.producer::<Looking, Played>().unwrap();
        let mut consumer = ring.consumer::<Looking, Played>().unwrap();
        for _ in 0..numbers.below(20) {
            let _full = producer.push(&[1; 20]).unwrap();
            if consumer.peek().unwrap().is_some() {
                consumer.release();
            }
        }
        scribble(memory, &mut numbers);
        for _ in 0..40 {
            let octets = numbers.below(121);
            let results = [
                producer.push(&[2; 120][..octets]).map(|_| ()),
                consumer.peek().map(|record| assert!(record.is_none_or(|r| r.len() <= 120))),
            ];
            consumer.release();
            for result in results {
                match result {
                    Ok(()) => sound += 1,
                    Err(Error::Corrupt(_)) => corrupt += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        let _anything = consumer.wait_record(0);
        let _anything = producer.wait_room(120, 0);
        drop((producer, consumer));
        let _anything = ring.producer::<Looking, Played>();
        let _anything = ring.consumer::<Looking, Played>();
    }
    assert!(corrupt > 0 && sound > 0, "{corrupt} corrupt, {sound} sound");
}

#[test]
fn no_word_of_a_lying_peer_breaks_a_broadcast_ring() {
    let mut numbers = Numbers(6);
    let (mut corrupt, mut sound) = (0, 0);
    for round in 0..ROUNDS {
        let policies = [SlowReader::Block, SlowReader::DropNewest, SlowReader::Overwrite];
        let layout = Layout::broadcast(4, 40, 2, policies[round % 3]).unwrap();
        let mut memory = words(layout.octets());
        let memory = over(&mut memory);
        let ring = broadcast::Ring::create::<Played>(memory, layout, 0).unwrap();
        let mut writer = ring.writer::<Looking, Played>().unwrap();
        let mut readers: Vec<_> =
            (0..2).map(|_| ring.reader::<Looking, Played>().unwrap()).collect();
        for _ in 0..numbers.below(10) {
            let _full = writer.push(&[1; 40]).unwrap();
            let _none = readers[0].read(&mut [0; 40]).unwrap();
        }
        scribble(memory, &mut numbers);
        for _ in 0..20 {
            let mut results = std::vec![writer.push(&[2; 40][..numbers.below(41)]).map(|_| ())];
            for reader in &mut readers {
                results.push(reader.read(&mut [0; 40]).map(|_| ()));
                if reader.is_in_place() {
                    results.push(reader.peek().map(|_| ()));
                    results.push(reader.release());
                }
            }
            for result in results {
                match result {
                    Ok(()) => sound += 1,
                    Err(Error::Corrupt(_)) => corrupt += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        let _anything = readers[0].wait_message(0);
        let _anything = writer.wait_room(0);
    }
    assert!(corrupt > 0 && sound > 0, "{corrupt} corrupt, {sound} sound");
}

#[test]
fn a_cursor_that_is_tampered_with_stops_nobody_else() {
    let layout = Layout::broadcast(4, 8, 2, SlowReader::Block).unwrap();
    let mut memory = words(layout.octets());
    let ring = broadcast::Ring::create::<Played>(over(&mut memory), layout, 0).unwrap();
    let mut writer = ring.writer::<Looking, Played>().unwrap();
    let mut victim = ring.reader::<Looking, Played>().unwrap();
    let mut other = ring.reader::<Looking, Played>().unwrap();
    assert!(writer.push(b"0").unwrap());
    assert_eq!(victim.peek(), Ok(Some(&b"0"[..])));
    victim.tamper(u64::MAX - 5);
    for number in 1..20 {
        writer.wait_room(Looking::now_ns() + 60_000_000_000).unwrap();
        assert!(writer.push(&[number]).unwrap(), "message {number}");
        assert!(other.read(&mut [0; 8]).unwrap().is_some());
    }
    assert_eq!(victim.release(), Err(Error::Corrupt(Corruption::Changed)));
    assert!(matches!(victim.peek(), Err(Error::Corrupt(Corruption::MessageWord(_)))));
}
