//! Cassettes for tests: a small one with every kind of record, and what it must answer.
#![allow(dead_code, reason = "each test uses its own part")]

use farend_cassette::{
    Cassette, FLAG_SERVER, FileHead, Kind, Memory, NewExchange, NewRecord, RULE_SET, Sink, Source,
    Writer, compact,
    payload::{Exchange, How, Protocol, Scheme},
};

pub(crate) const HEAD: FileHead =
    FileHead { flags: 0, id: *b"farend-cassette!", created_ns: 1_000, rule_set: RULE_SET };

/// The content of the exchange with a number, its body as long as asked.
pub(crate) fn content<'a>(head: &'a str, body: &'a [u8], key: u64) -> Exchange<'a> {
    Exchange {
        exact: key,
        canonical: key.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        request_head: head.as_bytes(),
        request_body: b"",
        answer_head: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n",
        answer_body: body,
        status: 200,
        protocol: Protocol::HTTP_11,
        scheme: Scheme::HTTP,
        request_ns: 10,
        first_ns: 20,
        last_ns: 30,
    }
}

pub(crate) fn request(number: u64) -> String {
    format!("GET /{number} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

pub(crate) fn body(number: u64) -> Vec<u8> {
    format!("the body of {number}").into_bytes()
}

/// Adds the whole exchange `number`, with key `number`.
pub(crate) fn add<S: Sink>(writer: &mut Writer<S>, number: u64) {
    let (head, body) = (request(number), body(number));
    let new = NewExchange {
        flags: 0,
        connection: 1,
        exchange: number,
        time_ns: number * 100,
        content: content(&head, &body, number),
    };
    writer.exchange(&new).unwrap();
}

/// Adds a part of exchange `number`.
pub(crate) fn part<S: Sink>(
    writer: &mut Writer<S>,
    number: u64,
    kind: Kind,
    flags: u8,
    payload: &[u8],
) {
    let new = NewRecord {
        kind,
        flags,
        connection: 2,
        exchange: number,
        time_ns: number * 100 + 1,
        payload: [payload, &[]],
    };
    writer.record(&new).unwrap();
}

/// Adds the beginning of exchange `number`, with key `number`.
pub(crate) fn open<S: Sink>(writer: &mut Writer<S>, number: u64) {
    let head = request(number);
    let mut content = content(&head, b"", number);
    (content.answer_head, content.status) = (b"", 0);
    let new =
        NewExchange { flags: 0, connection: 2, exchange: number, time_ns: number * 100, content };
    writer.open(&new).unwrap();
}

/// Twelve exchanges: whole ones, one in pieces among them, a WebSocket, one without end.
/// Runs end after the 6th, so there are two indexes and two closing records.
pub(crate) fn small() -> Memory {
    let mut writer = Writer::create(Memory::default(), HEAD).unwrap();
    part(&mut writer, 0, Kind::SETTINGS, 0, b"{\"version\":\"0.1.0\"}");
    for number in 1..=3 {
        add(&mut writer, number);
    }
    open(&mut writer, 4);
    part(&mut writer, 4, Kind::ANSWER, 0, b"HTTP/1.1 200 OK\r\n\r\n");
    part(&mut writer, 4, Kind::PIECE, FLAG_SERVER, b"first ");
    add(&mut writer, 5);
    part(&mut writer, 4, Kind::PIECE, FLAG_SERVER, b"second");
    let mut end = vec![How::COMPLETE.0];
    end.extend_from_slice(b"Trailer: x\r\n\r\n");
    part(&mut writer, 4, Kind::END, 0, &end);
    add(&mut writer, 6);
    let sink = writer.close(700).unwrap();

    let mut writer = Writer::resume(Cassette::open(sink).unwrap()).unwrap();
    part(&mut writer, 0, Kind::SETTINGS, 0, b"{\"version\":\"0.1.0\",\"run\":2}");
    open(&mut writer, 7);
    part(&mut writer, 7, Kind::ANSWER, 0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    part(&mut writer, 7, Kind::FRAME, 0, b"\x81hello");
    add(&mut writer, 8);
    part(&mut writer, 7, Kind::FRAME, FLAG_SERVER, b"\x82world");
    part(&mut writer, 7, Kind::END, 0, &[How::COMPLETE.0]);
    part(&mut writer, 0, Kind(200), 0, b"from a later version");
    for number in 9..=11 {
        add(&mut writer, number);
    }
    open(&mut writer, 12);
    part(&mut writer, 12, Kind::ANSWER, 0, b"HTTP/1.1 200 OK\r\n\r\n");
    writer.close(1_300).unwrap()
}

/// The small one again, after `compact`, with two equal long bodies in it.
pub(crate) fn compacted() -> Memory {
    let mut writer = Writer::resume(Cassette::open(small()).unwrap()).unwrap();
    let long = vec![b'x'; 5_000];
    for number in 13..=14 {
        let head = request(number);
        let content = content(&head, &long, number);
        let new =
            NewExchange { flags: 0, connection: 3, exchange: number, time_ns: 1_400, content };
        writer.exchange(&new).unwrap();
    }
    let full = writer.close(1_500).unwrap();
    let head = FileHead { id: *b"another id of it", ..HEAD };
    let mut writer = Writer::create(Memory::default(), head).unwrap();
    let done = compact(&Cassette::open(&full).unwrap(), &mut writer).unwrap();
    assert_eq!((done.exchanges, done.bodies_joined, done.damage), (14, 1, 0));
    let small = writer.close(1_600).unwrap();
    assert!(small.0.len() + 4_500 < full.0.len());
    small
}

/// Whether exchange `number` is found and whole. What is found is always compared with
/// what was written: a wrong answer panics.
pub(crate) fn is_there<S: Source>(cassette: &mut Cassette<S>, number: u64) -> bool {
    let mut places = Vec::new();
    if cassette.find(number, &mut places).is_err() {
        return false;
    }
    let mut octets = Vec::new();
    for place in places {
        let Ok(record) = cassette.read(place, &mut octets) else { continue };
        let Some(found) = Exchange::parse(record.payload()) else { continue };
        if found.exact != number {
            continue;
        }
        assert_eq!(found.request_head, request(number).as_bytes());
        if record.head.kind == Kind::EXCHANGE {
            assert_eq!(found.answer_body, body(number));
            return true;
        }
        if let Some(parts) = parts(cassette, place) {
            assert_eq!(parts, expected_parts(number));
            return true;
        }
    }
    false
}

/// Kinds and payloads of an exchange in pieces, if it has its end.
fn parts<S: Source>(cassette: &Cassette<S>, place: u64) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut stream = cassette.stream(place).ok()?;
    let mut parts = Vec::new();
    while let Some(record) = stream.next().ok()? {
        if record.head.kind != Kind::OPEN {
            parts.push((record.head.kind.0, record.payload().to_vec()));
        }
        if record.head.kind == Kind::END {
            return Some(parts);
        }
    }
    None
}

fn expected_parts(number: u64) -> Vec<(u8, Vec<u8>)> {
    let parts: &[(u8, &[u8])] = match number {
        4 => &[
            (5, b"HTTP/1.1 200 OK\r\n\r\n"),
            (4, b"first "),
            (4, b"second"),
            (7, b"\x01Trailer: x\r\n\r\n"),
        ],
        7 => &[
            (5, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            (6, b"\x81hello"),
            (6, b"\x82world"),
            (7, b"\x01"),
        ],
        _ => panic!("exchange {number} has no parts"),
    };
    parts.iter().map(|(kind, payload)| (*kind, payload.to_vec())).collect()
}

/// The numbers of the exchanges of [`small`] that have an end.
pub(crate) const WHOLE: [u64; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
