//! A link's datagrams and large packets: frames are refused or read, packets are
//! joined only into what is cut into the same again.
#![no_main]

use farend_core::link::{
    coalesce::Run,
    header::{HEADER_OCTETS, Header},
    offload::{OFFLOAD_OCTETS, Offload},
    packet::Packet,
    segment::{Checksums, HEADERS_OCTETS_MAX, Segmenter, complete_checksum},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Some((sort, octets)) = octets.split_first() else { return };
    match sort % 3 {
        0 => {
            if let Ok(header) = Header::parse(octets) {
                assert_eq!(header.to_octets()[..], octets[..HEADER_OCTETS]);
            }
        }
        1 => cut(octets),
        _ => join(octets),
    }
});

/// Whatever a host asks for, each piece is a packet or there is none.
fn cut(octets: &[u8]) {
    let Some((header, packet)) = octets.split_first_chunk::<OFFLOAD_OCTETS>() else { return };
    let Some(offload) = Offload::parse(header) else { return };
    let mut copy = packet.to_vec();
    let _ = complete_checksum(&offload, &mut copy);
    let Ok(segmenter) = Segmenter::new(&offload, packet) else { return };
    let mut payload_octets = 0;
    for at in 0..segmenter.count() {
        let mut headers = [0; HEADERS_OCTETS_MAX];
        let piece = segmenter.piece(at, Checksums::Whole, &mut headers).unwrap();
        payload_octets += piece.payload.len();
        assert!(piece.header_octets + piece.payload.len() <= segmenter.piece_octets());
    }
    assert!(payload_octets <= packet.len());
}

/// The input is cut at a length that it chooses; what joins must come back.
fn join(octets: &[u8]) {
    let Some((step, octets)) = octets.split_first() else { return };
    let step = usize::from(*step).max(20);
    let mut open: Option<(Run, Vec<u8>, Vec<Vec<u8>>)> = None;
    for octets in octets.chunks(step) {
        let Some(packet) = Packet::inspect(octets) else { continue };
        if !packet.has_sound_checksum(octets) {
            continue;
        }
        let payload = &octets[usize::from(packet.payload_offset)..];
        if let Some((run, payloads, packets)) = &mut open
            && run.join(&packet, octets)
        {
            payloads.extend_from_slice(payload);
            packets.push(octets.to_vec());
            continue;
        }
        check(open.take());
        let Some(run) = Run::begin(&packet, octets) else { continue };
        open = Some((run, payload.to_vec(), vec![octets.to_vec()]));
    }
    check(open);
}

fn check(open: Option<(Run, Vec<u8>, Vec<Vec<u8>>)>) {
    let Some((mut run, payloads, packets)) = open else { return };
    let (offload, headers) = run.finish();
    let mut whole = [headers, &payloads].concat();
    if packets.len() == 1 {
        assert!(complete_checksum(&offload, &mut whole));
        return assert_alike(&whole, &packets[0]);
    }
    let segmenter = Segmenter::new(&offload, &whole).unwrap();
    assert_eq!(segmenter.count(), packets.len());
    for (at, packet) in packets.iter().enumerate() {
        let mut headers = [0; HEADERS_OCTETS_MAX];
        let piece = segmenter.piece(at, Checksums::Whole, &mut headers).unwrap();
        let back = [&headers[..piece.header_octets], piece.payload].concat();
        assert_alike(&back, packet);
    }
}

/// Equal but for the two ways in which one's complement writes zero.
fn assert_alike(back: &[u8], packet: &[u8]) {
    assert_eq!(back.len(), packet.len());
    let words = back.chunks(2).zip(packet.chunks(2));
    for (back, packet) in words.filter(|(back, packet)| back != packet) {
        assert!(matches!((back, packet), ([0, 0], [255, 255]) | ([255, 255], [0, 0])));
    }
}
