use std::vec::Vec;

use super::{
    super::{
        Kind, Layout, LayoutError, Owner, SameProcess, SlowReader, broadcast, channel, layout, spsc,
    },
    Looking, Numbers, Played, over, words,
};
use crate::sync::primitive::Ordering;

const CAPACITY: u64 = 256;

fn made() -> Vec<u64> {
    let mut memory = words(Layout::spsc(CAPACITY).unwrap().octets());
    spsc::Ring::create::<Played>(over(&mut memory), CAPACITY, 5).unwrap();
    memory
}

/// Why a ring is refused after one word of 32 bits of its header was changed.
fn refused_with(offset: usize, value: u32) -> LayoutError {
    let mut memory = made();
    over(&mut memory).word32(offset).unwrap().store(value, Ordering::Relaxed);
    spsc::Ring::open(over(&mut memory)).unwrap_err()
}

#[test]
fn a_ring_says_what_it_was_made_for() {
    let mut memory = made();
    let ring = spsc::Ring::open(over(&mut memory)).unwrap();
    assert_eq!(ring.layout(), &Layout::spsc(CAPACITY).unwrap());
    assert_eq!(layout::creator(&over(&mut memory)), Ok((Owner::new(1, 0), 5)));
    let wanted = Layout::broadcast(4, 100, 2, SlowReader::DropNewest).unwrap();
    let mut memory = words(wanted.octets());
    broadcast::Ring::create::<Played>(over(&mut memory), wanted, 0).unwrap();
    let ring = broadcast::Ring::open(over(&mut memory)).unwrap();
    assert_eq!(ring.layout(), &wanted);
}

#[test]
fn a_ring_is_made_once_in_the_same_memory() {
    let mut memory = made();
    let again = spsc::Ring::create::<Played>(over(&mut memory), CAPACITY, 5);
    assert_eq!(again.unwrap_err(), LayoutError::NotBlank);
    // Sides of the first ring go on: nothing was written.
    let other = Layout::broadcast(2, 8, 1, SlowReader::Block).unwrap();
    let mut memory = words(other.octets().max(Layout::spsc(CAPACITY).unwrap().octets()));
    spsc::Ring::create::<Played>(over(&mut memory), CAPACITY, 5).unwrap();
    let before = memory.clone();
    let again = broadcast::Ring::create::<Played>(over(&mut memory), other, 6);
    assert_eq!(again.unwrap_err(), LayoutError::NotBlank);
    assert_eq!(memory, before);
}

#[test]
fn what_is_no_ring_is_refused_with_the_reason() {
    assert_eq!(refused_with(0, 7), LayoutError::Foreign);
    assert_eq!(refused_with(8, 1), LayoutError::Version { found: 1 });
    assert_eq!(refused_with(12, 9), LayoutError::Kind { found: None });
    let creator = Owner::new(1, 0);
    assert_eq!(refused_with(16, layout::INITIALISING), LayoutError::Initialising { creator });
    assert_eq!(refused_with(16, 3), LayoutError::Foreign);
    assert_eq!(refused_with(24, 0), LayoutError::Capacity { found: 0, least: 32 });
    assert_eq!(refused_with(24, 255), LayoutError::Capacity { found: 255, least: 32 });
    assert_eq!(refused_with(32, 1), LayoutError::Foreign);
    assert!(matches!(refused_with(24, 512), LayoutError::Foreign));
}

#[test]
fn memory_that_nobody_made_a_ring_in_is_blank() {
    let mut memory = words(4096);
    assert_eq!(spsc::Ring::open(over(&mut memory)).unwrap_err(), LayoutError::Blank);
    let refused = Layout::read(&over(&mut words(64))).unwrap_err();
    assert_eq!(refused, LayoutError::Truncated { octets: 64, wanted: 128 });
}

#[test]
fn a_ring_that_lost_its_end_is_truncated() {
    let mut memory = made();
    let whole = memory.len() as u64 * 8;
    memory.pop();
    let refused = spsc::Ring::open(over(&mut memory)).unwrap_err();
    assert_eq!(refused, LayoutError::Truncated { octets: whole - 8, wanted: whole });
    let mut memory = words(whole - 8);
    let refused = spsc::Ring::create::<Played>(over(&mut memory), CAPACITY, 0);
    assert_eq!(refused.unwrap_err(), LayoutError::Truncated { octets: whole - 8, wanted: whole });
}

#[test]
fn one_kind_of_ring_is_not_taken_for_another() {
    let mut memory = made();
    let refused = broadcast::Ring::open(over(&mut memory)).unwrap_err();
    assert_eq!(refused, LayoutError::Kind { found: Some(Kind::Spsc) });
    let layout = Layout::spsc(CAPACITY).unwrap();
    let refused = broadcast::Ring::create::<Played>(over(&mut memory), layout, 0).unwrap_err();
    assert_eq!(refused, LayoutError::Kind { found: Some(Kind::Spsc) });
}

#[test]
fn capacities_are_powers_of_two() {
    for capacity in [0, 1, 16, 31, 33, 100, u64::MAX, 1 << 41, 1 << 63] {
        let refused = Layout::spsc(capacity).unwrap_err();
        assert_eq!(refused, LayoutError::Capacity { found: capacity, least: 32 });
    }
    assert!(Layout::spsc(32).is_ok() && Layout::spsc(1 << 40).is_ok());
    let broadcast = |capacity, octets, readers| {
        Layout::broadcast(capacity, octets, readers, SlowReader::Block).map(|_| ())
    };
    for capacity in [0, 1, 3, 6, 1 << 41] {
        let refused = LayoutError::Capacity { found: capacity, least: 2 };
        assert_eq!(broadcast(capacity, 8, 1), Err(refused));
    }
    let most = broadcast::MESSAGE_OCTETS_MAX;
    for octets in [0, most + 1, u64::MAX] {
        let refused = LayoutError::MessageOctets { found: octets, most };
        assert_eq!(broadcast(2, octets, 1), Err(refused));
    }
    for readers in [0, 65, u32::MAX] {
        assert_eq!(broadcast(2, 8, readers), Err(LayoutError::Readers { found: readers }));
    }
    assert!(broadcast(1 << 40, most, 64).is_err());
    assert!(broadcast(2, most, 64).is_ok());
}

#[test]
fn random_headers_are_refused_or_sound() {
    let mut numbers = Numbers(11);
    let mut sound = 0;
    for _ in 0..100_000 {
        let mut memory = made();
        for _ in 0..=numbers.below(3) {
            let index = numbers.below(9);
            memory[index] = if numbers.below(2) == 0 {
                numbers.next()
            } else {
                memory[index] ^ (1 << numbers.below(64))
            };
        }
        if let Ok(ring) = spsc::Ring::open(over(&mut memory)) {
            assert!(ring.layout().octets() <= 640);
            sound += 1;
        }
        if let Ok(ring) = broadcast::Ring::open(over(&mut memory)) {
            assert!(ring.layout().octets() <= 640);
        }
    }
    assert!(sound > 0);
}

#[test]
fn only_one_process_inherits_a_stale_ring() {
    let mut memory = made();
    let memory = over(&mut memory);
    super::become_process(2);
    assert_eq!(layout::inherit::<Played>(&memory, Owner::new(1, 0)), Ok(()));
    super::become_process(3);
    let heir = Owner::new(2, 0);
    assert_eq!(layout::inherit::<Played>(&memory, Owner::new(1, 0)), Err(heir));
    super::become_process(1);
}

/// Takes whatever the memory is said to be, and uses it.
fn use_anything(memory: &mut [u64]) -> bool {
    if let Ok(ring) = spsc::Ring::open(over(memory)) {
        if let (Ok(mut producer), Ok(mut consumer)) =
            (ring.producer::<Looking, SameProcess>(), ring.consumer::<Looking, SameProcess>())
        {
            let _any = (producer.push(&[7; 12]), consumer.read(&mut [0; 64]));
            let _any = (consumer.peek().is_ok(), producer.wait_room(12, 0));
            consumer.release();
        }
        return true;
    }
    if let Ok(ring) = broadcast::Ring::open(over(memory)) {
        if let (Ok(mut writer), Ok(mut reader)) =
            (ring.writer::<Looking, SameProcess>(), ring.reader::<Looking, SameProcess>())
        {
            let _any = (writer.push(&[7; 8]), reader.read(&mut [0; 64]));
            let _any = (reader.wait_message(0), writer.wait_room(0));
        }
        return true;
    }
    if let Ok(channel) = channel::Channel::open(over(memory)) {
        if let (Ok(mut sender), Ok(mut receiver)) =
            (channel.sender::<Looking, SameProcess>(), channel.receiver::<Looking, SameProcess>())
        {
            let _any = (sender.push(&[7; 8]), receiver.read(&mut [0; 64]));
            let _any = (receiver.wait_message(0), sender.wait_room(0));
        }
        return true;
    }
    Layout::data(16, 5).is_ok_and(|layout| layout.open_data(&over(memory), 9).is_ok())
}

fn set_octet(words: &mut [u64], at: usize, value: u8) {
    let mut octets = words[at / 8].to_ne_bytes();
    octets[at % 8] = value;
    words[at / 8] = u64::from_ne_bytes(octets);
}

#[test]
fn every_octet_of_every_header_may_be_anything() {
    let broadcasting = Layout::broadcast(4, 40, 2, SlowReader::Block).unwrap();
    let data = Layout::data(16, 5).unwrap();
    let mut spsc_ring = words(Layout::spsc(256).unwrap().octets());
    spsc::Ring::create::<SameProcess>(over(&mut spsc_ring), 256, 0).unwrap();
    let mut broadcast_ring = words(broadcasting.octets());
    broadcast::Ring::create::<SameProcess>(over(&mut broadcast_ring), broadcasting, 0).unwrap();
    let mut value = words(data.octets());
    data.create_data::<SameProcess>(&over(&mut value), 0, 9).unwrap();
    Layout::publish_data(&over(&mut value)).unwrap();
    assert_eq!(data.open_data(&over(&mut value), 8), Err(LayoutError::Owners));
    let of_many = Layout::channel(2, 8, 2, 1, SlowReader::Overwrite).unwrap();
    let mut channel = words(of_many.octets());
    channel::Channel::create::<SameProcess>(over(&mut channel), of_many, 0).unwrap();
    let (mut used, mut refused) = (0, 0);
    for sound in [spsc_ring, broadcast_ring, value, channel] {
        assert!(use_anything(&mut sound.clone()));
        for at in 0..layout::HEADER_OCTETS {
            for octet in 0..=u8::MAX {
                let mut memory = sound.clone();
                set_octet(&mut memory, at, octet);
                if use_anything(&mut memory) { used += 1 } else { refused += 1 }
            }
        }
        // Any length.
        for length in 0..sound.len() {
            assert!(!use_anything(&mut sound.clone()[..length]), "{length} words are enough");
        }
    }
    assert!(used > 10_000 && refused > 10_000, "{used} used, {refused} refused");
}
