//! Octets as heads, chunks, frames, JSON, forms and targets: no panic, and what is read
//! twice is read alike.
#![no_main]

use farend_http::{
    Origin, Scheme, Target,
    canonical::{self, Request, Rules},
    chunks::Chunks,
    framing, json, parse_answer, parse_request, redact, score, without_hops, ws,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Some((sort, octets)) = octets.split_first() else { return };
    match sort % 6 {
        0 => request(octets),
        1 => answer(octets),
        2 => chunks(octets),
        3 => frames(octets),
        4 => json_text(octets),
        _ => target(octets),
    }
});

fn request(octets: &[u8]) {
    let Ok(Some(head)) = parse_request(octets) else { return };
    let body = &octets[head.octets..];
    let _framing = framing::of_request(&head);
    let Some(origin) = Origin::parse(Scheme::Http, b"a") else { return };
    let path = head.target;
    let request = Request { method: head.method, origin: &origin, path, fields: head.fields, body };
    let rules = Rules::default();
    let (mut text, mut again) = (Vec::new(), Vec::new());
    canonical::write(&request, &rules, &mut text);
    canonical::write(&request, &rules, &mut again);
    assert_eq!(text, again);
    assert!(canonical::exact_key(&request, &rules) != 0 && canonical::key(&text) != 0);
    assert!(score::compare(&request, &request, &rules).differences.is_empty());
    let mut clean = Vec::new();
    for field in without_hops(&head.fields) {
        let _changed = redact::field(&field, &mut clean);
    }
}

fn answer(octets: &[u8]) {
    if let Ok(Some(head)) = parse_answer(octets) {
        let _framing = framing::of_answer(&head, b"GET");
        assert!(head.octets <= octets.len() && (100..1000).contains(&head.status));
    }
}

fn chunks(octets: &[u8]) {
    let (mut whole, mut at) = (Chunks::default(), 0);
    while let Ok((_, taken @ 1..)) = whole.next(&octets[at..]) {
        at += taken;
    }
    assert!(at <= octets.len());
}

fn frames(octets: &[u8]) {
    for is_from_client in [true, false] {
        if let Ok(Some(header)) = ws::Header::parse(octets, is_from_client, 0) {
            assert!(header.header_octets <= ws::HEADER_OCTETS_MAX);
            let mut payload = octets[header.header_octets..].to_vec();
            let before = payload.clone();
            let key = header.mask.unwrap_or([1, 2, 3, 4]);
            ws::mask(&mut payload, key, 3);
            ws::mask(&mut payload, key, 3);
            assert_eq!(payload, before);
        }
    }
}

fn json_text(octets: &[u8]) {
    let mut text = Vec::new();
    let is_json = json::canonical(octets, &[], &mut text).is_some();
    assert_eq!(
        json::leaves(octets, &mut |_, place| assert!(place.end <= octets.len())).is_some(),
        is_json
    );
    if is_json {
        let mut again = Vec::new();
        assert!(json::canonical(&text, &[], &mut again).is_some());
        assert_eq!(text, again);
    }
    for kind in [&b"application/json"[..], b"application/x-www-form-urlencoded"] {
        if let Some(clean) = redact::body(kind, octets) {
            // What was redacted once stays.
            assert!(redact::body(kind, &clean).is_none_or(|again| again == clean));
        }
    }
}

fn target(octets: &[u8]) {
    let _target = Target::parse(b"GET", octets);
    let _connect = Target::parse(b"CONNECT", octets);
    let _clean = redact::path(octets);
    if let Some((origin, _)) = Origin::parse_url(octets) {
        assert_eq!(Origin::parse(origin.scheme, origin.authority().as_bytes()), Some(origin));
    }
}
