//! Any file as a cassette: no panic, no record without its checksum, and what a writer
//! adds behind it is found.
#![no_main]

use farend_cassette::{
    Cassette, FileHead, HEAD_OCTETS, Kind, Memory, NewRecord, RULE_SET, Sink as _, Step, Writer,
    payload,
};
use libfuzzer_sys::fuzz_target;

const HEAD: FileHead = FileHead { flags: 0, id: [7; 16], created_ns: 0, rule_set: RULE_SET };

fuzz_target!(|octets: &[u8]| {
    let Some((sort, octets)) = octets.split_first() else { return };
    let mut file = Memory::default();
    let written = if sort % 2 == 0 { file.write_at(0, octets) } else { made(&mut file, octets) };
    assert!(written.is_ok());
    look(&file);
});

/// Records of what the fuzzer wants, with checksums that hold.
fn made(file: &mut Memory, octets: &[u8]) -> std::io::Result<()> {
    let Ok(mut writer) = Writer::create(Memory::default(), HEAD) else { return Ok(()) };
    for part in octets.chunks(60) {
        let [kind, flags, exchange, ..] = *part else { continue };
        let new = NewRecord {
            kind: Kind(kind % 12),
            flags,
            connection: 1,
            exchange: u64::from(exchange),
            time_ns: 0,
            payload: [&part[3..], &[]],
        };
        let _added = writer.record(&new);
    }
    if octets.len() % 3 == 0 {
        if let Ok(closed) = writer.close(1) {
            *file = closed;
        }
    } else if writer.flush().is_ok() {
        *file = writer.storage().clone();
    }
    Ok(())
}

fn look(file: &Memory) {
    let Ok(mut cassette) = Cassette::open(file) else { return };
    let Ok(mut walk) = cassette.walk() else { return };
    let (mut end, mut offsets) = (HEAD_OCTETS as u64, Vec::new());
    loop {
        match walk.step() {
            Ok(Step::Record(record)) => {
                assert_eq!(record.offset, end);
                end = record.end();
                offsets.push(record.offset);
                let _exchange = payload::Exchange::parse(record.payload());
                let _body = payload::parse_body(record.payload());
            }
            Ok(Step::Damage(damage)) => {
                assert_eq!(damage.from, end);
                assert!(damage.to > damage.from);
                end = damage.to;
            }
            Ok(Step::End(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let (mut places, mut octets) = (Vec::new(), Vec::new());
    for key in [1, 7, u64::MAX] {
        let _found = cassette.find(key, &mut places);
    }
    for place in places.into_iter().chain(offsets) {
        let _record = cassette.read(place, &mut octets);
        let Ok(mut stream) = cassette.stream(place) else { continue };
        while let Ok(Some(record)) = stream.next() {
            assert!(record.offset >= place);
        }
    }
    assert!(cassette.check().is_ok());
    let Ok(Ok(writer)) = Cassette::open(file.clone()).map(Writer::resume) else { return };
    let Ok(closed) = writer.close(2) else { return };
    assert!(Cassette::open(closed).is_ok_and(|cassette| cassette.is_closed()));
}
