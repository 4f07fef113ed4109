use super::*;
use crate::{Kind, reflect::verdict::Verdict};

fn probe(kind: Kind) -> Probe {
    Probe {
        kind,
        sequence: 0x0102_0304,
        timestamp_ns: 0x1122_3344_5566_7788,
        stream: 0x99aa_bbcc,
        flags: Flags::REQUEST_TIMESTAMP,
    }
}

#[test]
fn the_full_form_stands_as_its_table_says() {
    let mut payload = [0xee; 28];
    assert_eq!(probe(Kind::Y1564).write_payload(&mut payload), Ok(Form::Full));
    assert_eq!(&payload[..7], b"Y.1564 ");
    assert_eq!(payload[7..11], [1, 2, 3, 4]);
    assert_eq!(payload[11..19], [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    assert_eq!(payload[19..23], [0x99, 0xaa, 0xbb, 0xcc]);
    assert_eq!(payload[23..], [1, 24, 25, 26, 27]);
}

#[test]
fn the_compact_form_stands_as_its_table_says() {
    let mut payload = [0xee; 20];
    assert_eq!(probe(Kind::Rfc2544).write_payload(&mut payload), Ok(Form::Compact));
    assert_eq!(&payload[..7], b"RFC2544");
    assert_eq!(payload[7..11], [1, 2, 3, 4]);
    assert_eq!(payload[11..15], [0x55, 0x66, 0x77, 0x88]);
    assert_eq!(payload[15..], [0xbb, 0xcc, 0x81, 18, 19]);
}

#[test]
fn the_ito_form_stands_as_its_table_says() {
    let mut payload = [0xee; 18];
    assert_eq!(probe(Kind::DataOt).write_payload(&mut payload), Ok(Form::Ito));
    assert_eq!(payload[..5], [0x55, 0x66, 0x77, 0x88, 0x81]);
    assert_eq!(&payload[5..12], b"DATA:OT");
    assert_eq!(payload[12..], [1, 2, 3, 4, 0xbb, 0xcc]);
}

#[test]
fn what_is_written_is_read_back_for_every_kind_and_length() {
    for kind in Kind::ALL {
        for octets in 0..300 {
            let mut payload = [0xee; 300];
            let payload = &mut payload[..octets];
            let sent = probe(*kind);
            let Ok(form) = sent.write_payload(payload) else {
                let is_built_in = signature::built_in(*kind).is_some();
                assert!(!is_built_in || octets < 18, "{kind:?} {octets}");
                continue;
            };
            let (returned, returned_form) = Probe::parse(payload).unwrap();
            assert_eq!(returned_form, form);
            assert_eq!(returned.sequence, sent.sequence);
            assert_eq!(returned.kind, sent.kind);
            assert_eq!(returned.flags, sent.flags);
            assert_eq!(returned.stream, sent.stream & form.stream_mask());
            assert_eq!(form.elapsed_ns(&returned, sent.timestamp_ns + 123_456_789), 123_456_789);
            assert!(is_padding_intact(payload, form));
        }
    }
}

#[test]
fn damage_to_any_octet_of_the_padding_is_seen() {
    let mut payload = [0; 600];
    let form = probe(Kind::Probeot).write_payload(&mut payload).unwrap();
    for offset in form.octets()..payload.len() {
        payload[offset] ^= 0x10;
        assert!(!is_padding_intact(&payload, form), "offset {offset}");
        payload[offset] ^= 0x10;
    }
    assert!(is_padding_intact(&payload, form));
}

#[test]
fn a_kind_without_a_signature_and_a_short_payload_are_refused() {
    let mut payload = [0; 17];
    assert_eq!(
        probe(Kind::Any).write_payload(&mut payload),
        Err(WriteError::NoSignature { kind: Kind::Any })
    );
    assert_eq!(
        probe(Kind::Probeot).write_payload(&mut payload),
        Err(WriteError::Payload { octets: 17, wanted_octets: 18 })
    );
    assert!(Probe::parse(&payload).is_none());
    assert!(Probe::parse(b"RFC2544.........").is_none());
}

#[test]
fn a_clock_that_seems_to_go_back_gives_no_time_at_all() {
    for kind in [Kind::Rfc2544, Kind::Latency] {
        let sent = Probe { timestamp_ns: 5_000, ..probe(kind) };
        for form in [Form::Full, Form::Compact, Form::Ito] {
            assert_eq!(form.elapsed_ns(&sent, 4_000), 0);
            assert_eq!(form.elapsed_ns(&sent, 5_000 + ELAPSED_NS_MAX), ELAPSED_NS_MAX);
        }
        assert_eq!(Form::Full.elapsed_ns(&sent, 5_000 + (1 << 40)), 1 << 40);
    }
}

#[test]
fn a_reflector_recognises_every_form() {
    for kind in [Kind::Probeot, Kind::DataOt, Kind::Latency, Kind::Rfc2544, Kind::Y1564] {
        let mut octets = [0; 26];
        probe(kind).write_payload(&mut octets[8..]).unwrap();
        let policy = crate::Policy::builder().any_destination().build().unwrap();
        let datagram = crate::Datagram {
            source: "198.18.0.1:40000".parse().unwrap(),
            destination: "198.18.0.2:3842".parse().unwrap(),
            hop_limit: Some(64),
        };
        let verdict = crate::reflect_datagram(&mut octets, &datagram, &policy, &mut ());
        assert_eq!(verdict, Verdict::Reflect(kind));
    }
}
