//! What readers are given of frames: records of a tap, copies of refused frames, and
//! sample files that are continued.
#![no_main]

use farend_capture::{pcapng, tap::Head};
use farend_core::reflect::refused;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Some((sort, octets)) = octets.split_first() else { return };
    match sort % 3 {
        0 => tap_record(octets),
        1 => refused_copy(octets),
        _ => sample_file(octets),
    }
});

fn tap_record(octets: &[u8]) {
    let Ok((head, frame)) = Head::parse(octets) else { return };
    assert!(octets.ends_with(frame));
    let _name = head.interface.name();
    // What was read is what would be written.
    let again: Vec<u8> = head.to_words().iter().flat_map(|word| word.to_ne_bytes()).collect();
    assert_eq!(Head::parse(&again).map(|(head, _)| head), Ok(head));
}

fn refused_copy(octets: &[u8]) {
    let Some(copy) = refused::RefusedFrame::parse(octets) else { return };
    assert!(copy.octets.len() <= copy.whole_octets as usize);
    assert!(!copy.verdict.is_sent());
}

fn sample_file(octets: &[u8]) {
    let (end, frames) = pcapng::whole_blocks(octets, octets.len());
    assert!(end <= octets.len() && frames as usize <= octets.len());
    // What is whole stays whole, and nothing behind it was.
    assert_eq!(pcapng::whole_blocks(&octets[..end], end), (end, frames));
}
