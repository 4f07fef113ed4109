//! The reader in plain Python, made from the document, sees what this crate sees.

mod support;

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path, process::Command};

use farend_cassette::{Cassette, Kind, Memory, Step, payload::Exchange};
use support::{WHOLE, compacted, small};

#[test]
fn second_reader_lists_and_extracts_every_cassette() {
    let mut damaged = small().0;
    let at = damaged.windows(13).position(|part| part == b"the body of 2").unwrap();
    damaged[at] ^= 1;
    let mut torn = small().0;
    torn.truncate(torn.len() - 5);
    for (name, octets) in
        [("small", small().0), ("compacted", compacted().0), ("damaged", damaged), ("torn", torn)]
    {
        let path = env::temp_dir().join(format!("farend-second-{name}-{}", std::process::id()));
        fs::write(&path, &octets).unwrap();
        assert_eq!(python(&path, None).lines().collect::<Vec<_>>(), ours(&octets), "{name}");
        if let Ok(mut cassette) = Cassette::open(Memory(octets.clone()))
            && cassette.is_closed()
        {
            for key in WHOLE.into_iter().chain([99]) {
                let mut places = Vec::new();
                cassette.find(key, &mut places).unwrap();
                assert_eq!(python(&path, Some(key)).trim(), format!("{places:?}"), "{name} {key}");
            }
        }
        fs::remove_file(&path).unwrap();
    }
}

fn python(path: &Path, key: Option<u64>) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_cassette.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(path).args(key.map(|key| key.to_string()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What the script must print, from this crate's own reading.
fn ours(octets: &[u8]) -> Vec<String> {
    let cassette = Cassette::open(Memory(octets.to_vec())).unwrap();
    let mut walk = cassette.walk().unwrap();
    let mut lines = Vec::new();
    loop {
        match walk.step().unwrap() {
            Step::Record(record) => {
                let head = record.head;
                let mut line = format!(
                    "{{\"at\": {}, \"kind\": {}, \"flags\": {}, \"connection\": {}, \"exchange\": {}, \"time\": {}",
                    record.offset,
                    head.kind.0,
                    head.flags,
                    head.connection,
                    head.exchange,
                    head.time_ns
                );
                for (name, value) in content(head.kind, record.payload()) {
                    write!(line, ", \"{name}\": {value}").unwrap();
                }
                lines.push(line + "}");
            }
            Step::Damage(damage) => {
                lines.push(format!("{{\"damage\": [{}, {}]}}", damage.from, damage.to));
            }
            Step::End(_) => return lines,
        }
    }
}

fn content(kind: Kind, payload: &[u8]) -> Vec<(&'static str, String)> {
    let word = |at: usize| u64::from_le_bytes(payload[at..at + 8].try_into().unwrap()).to_string();
    match kind {
        Kind::EXCHANGE | Kind::OPEN => {
            let found = Exchange::parse(payload).unwrap();
            vec![
                ("exact", found.exact.to_string()),
                ("canonical", found.canonical.to_string()),
                ("status", found.status.to_string()),
                ("protocol", found.protocol.0.to_string()),
                ("scheme", found.scheme.0.to_string()),
                ("request_ns", found.request_ns.to_string()),
                ("first_ns", found.first_ns.to_string()),
                ("last_ns", found.last_ns.to_string()),
                ("request_head", hex(found.request_head)),
                ("request_body", hex(found.request_body)),
                ("answer_head", hex(found.answer_head)),
                ("answer_body", hex(found.answer_body)),
            ]
        }
        Kind::INDEX => {
            let counts: BTreeMap<&str, u32> = [("slots", 8), ("used", 12)]
                .map(|(name, at)| {
                    (name, u32::from_le_bytes(payload[at..at + 4].try_into().unwrap()))
                })
                .into();
            vec![
                ("previous", word(0)),
                ("slots", counts["slots"].to_string()),
                ("used", counts["used"].to_string()),
            ]
        }
        Kind::CLOSE => vec![("index", word(0)), ("exchanges", word(8))],
        _ => vec![("payload", hex(payload))],
    }
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::from("\"");
    for octet in octets {
        write!(text, "{octet:02x}").unwrap();
    }
    text + "\""
}
