//! A link's frames, windows and packets.
#![expect(unsafe_code, reason = "exports")]

use farend_core::link::{
    arrivals::Arrivals,
    buffer,
    coalesce::Run,
    header::{Header, NotAFrame},
    mtu::{Outcome, PathMtu},
    offload::Offload,
    packet::Packet,
    replay::{ReplayWindow, Sighting},
    rtt::RttEstimator,
    segment::{Checksums, Segmenter, complete_checksum},
};

entries! {
    fn entry_link_parse(frame: &[u8]) -> Result<Header, NotAFrame> {
        Header::parse(frame)
    }

    fn entry_link_write(header: &Header) -> [u8; 19] {
        header.to_octets()
    }

    fn entry_link_window(
        window: &mut ReplayWindow,
        arrivals: &mut Arrivals,
        sequence: u64
    ) -> Sighting {
        let passed = window.passed_by(sequence);
        let sighting = window.mark(sequence);
        arrivals.count(sighting, passed);
        sighting
    }

    fn entry_link_lost(arrivals: &Arrivals) -> u64 {
        arrivals.lost()
    }

    fn entry_link_rtt(rtt: &mut RttEstimator, sample_ns: u64) -> u64 {
        rtt.record(sample_ns);
        rtt.timeout_ns()
    }

    fn entry_link_buffer(bits_per_s: u64, rtt_ns: u64, octets: u64) -> u64 {
        buffer::packets(bits_per_s, rtt_ns, octets)
    }

    fn entry_link_offload(octets: &[u8; 10]) -> Option<Offload> {
        Offload::parse(octets)
    }

    fn entry_link_offload_write(offload: &Offload) -> [u8; 10] {
        offload.to_octets()
    }

    fn entry_link_segment(
        offload: &Offload,
        packet: &[u8],
        at: usize,
        checksums: Checksums,
        to: &mut [u8],
        count: &mut usize
    ) -> Option<(usize, usize)> {
        let segmenter = Segmenter::new(offload, packet).ok()?;
        *count = segmenter.count().min(segmenter.piece_octets());
        let piece = segmenter.piece(at, checksums, to)?;
        Some((piece.header_octets, piece.payload.len()))
    }

    fn entry_link_checksum(offload: &Offload, packet: &mut [u8]) -> bool {
        complete_checksum(offload, packet)
    }

    fn entry_link_inspect(octets: &[u8]) -> Option<(Packet, bool, bool)> {
        let packet = Packet::inspect(octets)?;
        let is_partial = packet.has_partial_checksum(octets);
        Some((packet, packet.has_sound_checksum(octets), is_partial))
    }

    fn entry_link_begin(packet: &Packet, octets: &[u8]) -> Option<Run> {
        Run::begin(packet, octets)
    }

    fn entry_link_join(run: &mut Run, packet: &Packet, octets: &[u8]) -> bool {
        run.join(packet, octets)
    }

    fn entry_link_finish(run: &mut Run) -> (Offload, &[u8]) {
        run.finish()
    }

    fn entry_link_mtu(mtu: &mut PathMtu, octets: u16, fate: u8) -> Outcome {
        match fate {
            0 => mtu.confirmed(octets),
            1 => mtu.unanswered(octets),
            2 => mtu.refused(octets),
            _ => {
                *mtu = PathMtu::new(octets);
                mtu.try_larger();
                Outcome::Same
            }
        }
    }
}
