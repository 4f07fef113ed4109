//! Heads and framing beside a well-kept library, and a corpus of smuggled requests.

use farend_http::{
    AnswerHead, RequestHead,
    chunks::{Chunks, Part},
    framing::{self, Framing},
    parse_answer, parse_request,
};
use proptest::prelude::*;

/// A request, with `{}` where its fields go, is refused by head or framing.
fn is_refused(request: &str) -> bool {
    match parse_request(request.as_bytes()) {
        Err(_) => true,
        Ok(Some(head)) => framing::of_request(&head).is_err(),
        Ok(None) => panic!("not whole: {request:?}"),
    }
}

#[test]
fn smuggling_corpus_is_refused() {
    let host = "POST / HTTP/1.1\r\nHost: a\r\n";
    let fields = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4, 4",
        "Content-Length: 4,5",
        "Content-Length: +4",
        "Content-Length: -4",
        "Content-Length: 0x4",
        "Content-Length: 4 4",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Content-Length : 4",
        "Content-Length\t: 4",
        " Content-Length: 4",
        "X: y\r\n Content-Length: 4",
        "X: y\r\n\tContent-Length: 4",
        "Content-Length: 4\nX: y",
        "Content-Length: 4\rX: y",
        "Content-Length: 4\r\r\nX: y",
        "X: a\0b",
        "X: a\x7Fb",
        "X\0: a",
        ": a",
        "no colon",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \x0Bchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer_Encoding\u{20}: chunked",
        "Host: b",
    ];
    for field in fields {
        assert!(is_refused(&format!("{host}{field}\r\n\r\n")), "{field:?}");
    }
    for request in [
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert!(is_refused(request), "{request:?}");
    }
}

#[test]
fn usual_requests_are_taken() {
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None),
        ("\r\nGET / HTTP/1.0\r\n\r\n", Framing::None),
        ("POST / HTTP/1.1\r\nhost:a\r\ncontent-length: 4 \r\n\r\n", Framing::Length(4)),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked),
    ] {
        let head = parse_request(request.as_bytes()).unwrap().unwrap();
        assert_eq!(framing::of_request(&head), Ok(expected), "{request:?}");
        for end in 0..request.len() {
            assert_eq!(parse_request(&request.as_bytes()[..end]), Ok(None), "{end}");
        }
    }
}

#[test]
fn framing_of_answers_follows_method_and_status() {
    let framing = |text: &str, method: &[u8]| {
        let text = format!("{text}\r\n\r\n");
        framing::of_answer(&parse_answer(text.as_bytes()).unwrap().unwrap(), method)
    };
    assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5", b"GET"), Ok(Framing::Length(5)));
    assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5", b"HEAD"), Ok(Framing::None));
    assert_eq!(
        framing("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", b"GET"),
        Ok(Framing::None)
    );
    assert_eq!(framing("HTTP/1.1 200", b"GET"), Ok(Framing::UntilClose));
    assert_eq!(framing("HTTP/1.1 101 Up", b"GET"), Ok(Framing::Tunnel));
    assert_eq!(framing("HTTP/1.0 200 OK", b"CONNECT"), Ok(Framing::Tunnel));
    assert_eq!(
        framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", b"GET"),
        Ok(Framing::Chunked)
    );
    assert!(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip", b"GET").is_err());
    assert!(
        framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1", b"GET")
            .is_err()
    );
}

/// Octets of a head, and names and values of its fields.
type Read = (usize, Vec<(Vec<u8>, Vec<u8>)>);

/// What a head is to httparse.
fn theirs(octets: &[u8], is_request: bool) -> Option<Read> {
    let mut room = [httparse::EMPTY_HEADER; 300];
    let (length, found) = if is_request {
        let mut request = httparse::Request::new(&mut room);
        (request.parse(octets).ok()?, request.headers)
    } else {
        let mut answer = httparse::Response::new(&mut room);
        (answer.parse(octets).ok()?, answer.headers)
    };
    let httparse::Status::Complete(length) = length else { return None };
    let fields = found.iter().map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec()));
    Some((length, fields.collect()))
}

fn ours(fields: farend_http::Fields<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect()
}

fn never_more_lenient(octets: &[u8]) {
    if let Ok(Some(RequestHead { fields, octets: length, .. })) = parse_request(octets) {
        assert_eq!(theirs(octets, true), Some((length, ours(fields))), "{octets:?}");
    }
    if let Ok(Some(AnswerHead { fields, octets: length, .. })) = parse_answer(octets) {
        assert_eq!(theirs(octets, false), Some((length, ours(fields))), "{octets:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn heads_are_read_as_httparse_reads_them(
        start in prop_oneof![
            Just("GET / HTTP/1.1\r\n"), Just("POST /a?b HTTP/1.0\r\n"), Just("HTTP/1.1 200 OK\r\n"),
            Just("HTTP/1.0 404\r\n"), Just("HTTP/1.1 200 \r\n"), Just("HTTP/1.1 099 x\r\n"), Just("\r\nGET / HTTP/1.1\r\n"),
        ],
        fields in "([A-Za-z\\-!]{1,3}: ?[a-z ,\t\u{80}\u{ff}]{0,6}\r\n){0,4}",
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut octets = format!("{start}{fields}\r\nrest").into_bytes();
        for (place, octet) in changes {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        never_more_lenient(&octets);
    }

    #[test]
    fn chunks_cut_anywhere_are_the_same_body(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        extension in prop_oneof![Just(""), Just(";a=b"), Just(";x")],
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\nTrailer: t\r\n\r\nnext");
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
        ends.push(wire.len());
        ends.sort_unstable();
        let (mut reader, mut at, mut bodies, mut trailers) = (Chunks::default(), 0, Vec::new(), None);
        for end in ends {
            loop {
                let (part, taken) = reader.next(&wire[at..end]).unwrap();
                match part {
                    Part::Begins { octets } if octets > 0 => bodies.push(Vec::new()),
                    Part::Data(data) => bodies.last_mut().unwrap().extend_from_slice(data),
                    Part::Trailers(found) => trailers = Some(found.to_vec()),
                    _ => {}
                }
                if taken == 0 {
                    break;
                }
                at += taken;
            }
        }
        prop_assert!(reader.has_ended());
        prop_assert_eq!(bodies, chunks);
        prop_assert_eq!(trailers.unwrap(), b"Trailer: t\r\n\r\n");
        prop_assert_eq!(&wire[at..], b"next");
    }

    #[test]
    fn chunk_sizes_are_read_as_httparse_reads_them(
        line in "[0-9a-fA-F +x;\t\r\n_]{0,18}",
    ) {
        let wire = format!("{line}\r\nabc");
        if let Ok((Part::Begins { octets }, taken)) = Chunks::default().next(wire.as_bytes()) {
            let theirs = httparse::parse_chunk_size(wire.as_bytes());
            prop_assert_eq!(theirs, Ok(httparse::Status::Complete((taken, octets))), "{:?}", wire);
        }
    }
}

#[test]
fn odd_chunks_are_refused() {
    for wire in [
        "x\r\n",
        "\r\n",
        "-1\r\n",
        "0x1\r\n",
        "1 \r\n",
        "1\n",
        "1\rx",
        "1;a\nb\r\n",
        "10000000000000000\r\n",
        "1\r\naX\r\n",
        "1\r\na\n",
        "0\r\nbad\r\n\r\n",
        "0\r\n a: b\r\n\r\n",
    ] {
        let (mut chunks, mut at) = (Chunks::default(), 0);
        let refused = loop {
            match chunks.next(&wire.as_bytes()[at..]) {
                Err(_) => break true,
                Ok((_, 0)) => break false,
                Ok((_, taken)) => at += taken,
            }
        };
        assert!(refused, "{wire:?}");
    }
}
