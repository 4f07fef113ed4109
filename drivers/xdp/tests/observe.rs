//! Looking on while frames are answered: samples, the tap, testers, residence
//! times, the counters page. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use farend_capture::tap::Head;
use farend_shm::{Deadline, RingError, broadcast};
use rustix::process::Signal;
use serde_json::Value;
use support::{
    PATIENCE,
    farend::{End, Farend},
    frame::{Ip, NEAR, answer, echo_request, number, probe},
    namespace::{Pair, inside},
    raw::Raw,
    stream::Stream,
};

/// The tiers that see frames.
const TIERS: [&str; 2] = ["af-packet", "af-xdp"];

/// A name of this process's own, for files and segments.
fn name(of: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("fe{}-{}-{of}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A file that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(of: &str) -> Self {
        Self(std::env::temp_dir().join(name(of) + ".pcapng"))
    }

    fn options(&self, every: u32) -> String {
        format!("--sample {every} --sample-file {}", self.0.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn ready(pair: &Pair, tier: &str, options: &str) -> Farend {
    Farend::ready(&pair.far, &format!("far --tier {tier} --stats json {options}"))
}

/// Sends probes of these numbers one by one; each must come back.
fn ask(pair: &Pair, numbers: std::ops::Range<u32>) {
    inside(&pair.near, || {
        let raw = Raw::open("near");
        for number in numbers {
            let frame = probe(Ip::V4, &[], 96, number);
            assert!(raw.send(&frame));
            assert_eq!(raw.receive_probe(PATIENCE), Some(answer(Ip::V4, &[], &frame)));
        }
    });
}

/// Sends frames that nobody answers here.
fn bother(pair: &Pair, frames: u32) {
    inside(&pair.near, || {
        let raw = Raw::open("near");
        (0..frames).for_each(|_| assert!(raw.send(&echo_request())));
    });
}

/// What tshark makes of a file: for each frame its direction, octets,
/// comment, and UDP source port. A block that is cut off ends it.
fn frames(path: &Path) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(path).args(["-T", "fields", "-E", "separator=,"]);
    for field in ["frame.packet_flags_direction", "frame.len", "frame.comment", "udp.srcport"] {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || errors.contains("cut short"), "{errors}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Whether tshark is there; says so if not.
fn has_tshark() -> bool {
    let is_there = Command::new("tshark").arg("-v").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        farend_effort::skip("tshark is not installed");
    }
    is_there
}

fn total(end: &End) -> Value {
    end.last()["total"].clone()
}

#[test]
fn everything_asked_for_is_learned_and_every_frame_answered() {
    let Some(pair) = Pair::new(1_500) else { return };
    for tier in TIERS {
        let scratch = Scratch::new("all");
        let options = format!("{} --testers 8 --residence", scratch.options(3));
        let farend = ready(&pair, tier, &options);
        ask(&pair, 0..20);
        bother(&pair, 5);
        let end = farend.stop();
        assert_eq!(end.code, Some(0), "{end:?}");
        let total = total(&end);
        let probeot = &total["residence_ns"]["probeot"];
        assert_eq!(probeot["frames"], 20, "{tier}: {total}");
        let time = |name: &str| probeot[name].as_u64().unwrap();
        assert!(0 < time("min") && time("min") <= time("p50") && time("p50") <= time("max"));
        assert!(time("max") < 1_000_000_000, "{probeot}");
        let testers = &total["testers"];
        assert_eq!(testers["known"].as_array().unwrap().len(), 1, "{testers}");
        let tester = &testers["known"][0];
        assert_eq!((&tester["address"], &tester["mac"]), (&"198.18.0.2".into(), &mac(NEAR)));
        assert_eq!(tester["reflected_frames"], 20);
        assert_eq!(tester["reflected_octets"], 20 * 96);
        // The first of them, and then every third.
        assert_eq!(end.last()["sample"]["written_frames"], 7, "{end:?}");
        assert_eq!(end.last()["sample"]["dropped_frames"], 0);
        if has_tshark() {
            assert_eq!(frames(&scratch.0), ["0x00000001,96,reflected: probeot,40000"; 7]);
        }
    }
}

fn mac(octets: [u8; 6]) -> Value {
    farend_core::MacAddress(octets).to_string().into()
}

#[test]
fn refused_frames_and_answers_are_sampled_where_asked_for() {
    let Some(pair) = Pair::new(1_500) else { return };
    let scratch = Scratch::new("of");
    let options =
        format!("{} --sample-of all --sample-answers --stats-interval 0.05", scratch.options(1));
    let farend = ready(&pair, "af-packet", &options);
    ask(&pair, 0..2);
    bother(&pair, 1);
    // Nothing comes back that says that it was seen; the statistics do.
    farend.wait_for("\"ip_protocol\":1");
    let end = farend.stop();
    if !has_tshark() {
        return;
    }
    let frames = frames(&scratch.0);
    let count = |wanted: &str| frames.iter().filter(|line| line.as_str() == wanted).count();
    assert_eq!(count("0x00000001,96,reflected: probeot,40000"), 2, "{frames:?}");
    assert_eq!(count("0x00000002,96,reflected: probeot,3842"), 2, "{frames:?}");
    assert_eq!(count("0x00000001,60,passed: ip_protocol,"), 1, "{frames:?}");
    assert_eq!(end.last()["sample"]["written_frames"], frames.len());
}

#[test]
fn a_kill_leaves_a_file_that_is_whole_up_to_its_last_block() {
    let Some(pair) = Pair::new(1_500) else { return };
    let scratch = Scratch::new("kill");
    let farend = ready(&pair, "af-packet", &scratch.options(1));
    let stream = Stream::start(&pair.near, "near", 5);
    thread::sleep(Duration::from_secs(1));
    farend.signal(Signal::KILL);
    farend.end();
    stream.finish();
    if has_tshark() {
        let frames = frames(&scratch.0);
        assert!(frames.len() > 500, "{}", frames.len());
        assert!(frames.iter().all(|line| line == "0x00000001,60,reflected: probeot,40000"));
    }
}

#[test]
fn a_full_disk_stops_the_sample_and_nothing_else() {
    let Some(pair) = Pair::new(1_500) else { return };
    let folder = std::env::temp_dir().join(name("disk"));
    std::fs::create_dir(&folder).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=64k", "none"];
    assert!(Command::new("mount").args(mount).arg(&folder).status().unwrap().success());
    let file = folder.join("full.pcapng");
    let options = format!("--sample 1 --sample-file {}", file.display());
    let farend = ready(&pair, "af-packet", &options);
    ask(&pair, 0..1_500);
    let end = farend.stop();
    let read = has_tshark().then(|| frames(&file).len());
    assert!(Command::new("umount").arg(&folder).status().unwrap().success());
    std::fs::remove_dir(&folder).unwrap();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(total(&end)["reflected"]["probeot"], 1_500);
    let sample = &end.last()["sample"];
    let count = |name: &str| sample[name].as_u64().unwrap();
    assert_eq!(count("written_frames") + count("dropped_frames"), 1_500, "{sample}");
    assert!(count("dropped_frames") > 0, "{sample}");
    assert_eq!(end.stderr.matches("frames are dropped until").count(), 1, "{}", end.stderr);
    if let Some(read) = read {
        assert_eq!(read as u64, count("written_frames"));
    }
}

/// Reads a tap in a process of its own, as long as it lives.
#[test]
#[ignore = "a process that other tests start"]
fn reader_process() {
    let Some(tap) = std::env::var_os("FAREND_TEST_TAP") else { return };
    let tap = tap.into_string().unwrap();
    let mut reader = broadcast::Ring::attach(&tap).unwrap().subscriber().unwrap();
    let mut buffer = vec![0; reader.message_octets_max()];
    println!("reading");
    while reader.receive(&mut buffer, Deadline::NEVER).is_ok() {}
}

/// Starts such a reader, and waits until it reads.
fn start_reader(tap: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "reader_process", "--ignored", "--nocapture"])
        .env("FAREND_TEST_TAP", tap);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut told = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("reading") {
        line.clear();
        let octets = std::io::BufRead::read_line(&mut told, &mut line).unwrap();
        assert_ne!(octets, 0, "the reader has ended");
    }
    child
}

#[test]
fn readers_of_the_tap_that_are_killed_cost_no_answer() {
    let Some(pair) = Pair::new(1_500) else { return };
    for tier in TIERS {
        let tap = name("tap");
        let farend = ready(&pair, tier, &format!("--tap {tap}"));
        let mut mine = broadcast::Ring::attach(&tap).unwrap().subscriber().unwrap();
        let stream = Stream::start(&pair.near, "near", 2);
        for round in 0..50 {
            let mut reader = start_reader(&tap);
            // Each at another moment of its work.
            thread::sleep(Duration::from_micros(997 * round % 20_000));
            reader.kill().unwrap();
            reader.wait().unwrap();
        }
        let (sent, received) = stream.finish();
        let end = farend.stop();
        assert_eq!(received.probes, sent, "{tier}: {received:?}, {end:?}");
        let shown = &end.last()["tap"];
        // The hosts say something now and then, which af-packet shows too.
        let written = shown["written_frames"].as_u64().unwrap();
        assert!(written >= u64::from(sent), "{tier}: {shown}");
        assert_eq!(shown["dropped_frames"], 0, "{tier}");
        // One that lives has seen or missed each of them, whole.
        let mut buffer = vec![0; mine.message_octets_max()];
        let (mut read, mut missed, mut last) = (0, 0, None);
        let ended = loop {
            match mine.receive(&mut buffer, Deadline::NOW) {
                Ok(message) => {
                    let (head, frame) = Head::parse(&buffer[..message.octets]).unwrap();
                    assert_eq!(head.interface.name(), "far");
                    if head.verdict.is_sent() {
                        assert_eq!((head.whole_octets, head.verdict.name()), (60, "probeot"));
                        assert!(last < Some(number(frame)), "{last:?}, {}", number(frame));
                        last = Some(number(frame));
                    }
                    read += 1;
                    missed += message.lost;
                }
                Err(ended) => break ended,
            }
        };
        assert_eq!(ended, RingError::PeerLeft);
        // Of the hosts' own frames some may have come before it attached.
        let known = read + missed;
        assert!((u64::from(sent)..=written).contains(&known), "{tier}: {known} of {written}");
    }
}

/// The latest line of a counters page.
fn page(reader: &mut broadcast::Subscriber) -> Option<Value> {
    let mut buffer = vec![0; reader.message_octets_max()];
    let mut latest = None;
    while let Ok(message) = reader.receive(&mut buffer, Deadline::NOW) {
        latest = Some(serde_json::from_slice(&buffer[..message.octets]).unwrap());
    }
    latest
}

#[test]
fn the_counters_page_is_kept_by_tiers_of_both_kinds_and_found_again_after_a_kill() {
    let Some(pair) = Pair::new(1_500) else { return };
    for tier in ["af-packet", "xdp-generic"] {
        let name = name("page");
        for is_killed in [true, false] {
            // After a kill, the same name is to be had again.
            let farend = ready(&pair, tier, &format!("--counters-page {name}"));
            let mut reader = broadcast::Ring::attach(&name).unwrap().subscriber().unwrap();
            ask(&pair, 0..3);
            let deadline = Instant::now() + PATIENCE;
            let mut told = Value::Null;
            while told["total"]["reflected"]["probeot"] != 3 {
                assert!(Instant::now() < deadline, "{tier}: {told}");
                thread::sleep(Duration::from_millis(20));
                told = page(&mut reader).unwrap_or(told);
            }
            assert_eq!(
                (&told["schema"], &told["version"]),
                (&"farend.statistics".into(), &1.into())
            );
            assert_eq!(told["interfaces"][0]["tier"], tier);
            if is_killed {
                farend.signal(Signal::KILL);
                farend.end();
                let died = loop {
                    match reader.receive(&mut vec![0; reader.message_octets_max()], Deadline::NOW) {
                        Ok(_) => {}
                        Err(error) => break error,
                    }
                };
                assert!(matches!(died, RingError::PeerDied(_)), "{died:?}");
            } else {
                farend.stop();
                assert_eq!(page(&mut reader).unwrap()["event"], "final");
            }
        }
        assert!(broadcast::Ring::attach(&name).is_err());
    }
}

#[test]
fn what_cannot_be_opened_is_one_line() {
    let Some(pair) = Pair::new(1_500) else { return };
    let taken = name("taken");
    let holder = ready(&pair, "af-packet", &format!("--tap {taken}"));
    let other = std::env::temp_dir().join(name("other"));
    std::fs::write(&other, "precious").unwrap();
    let path = other.display();
    for (options, code, wanted) in [
        (format!("--tap {taken}"), 1, format!("--tap {taken}: segment /{taken} is in use by")),
        (format!("--sample 1 --sample-file {path}"), 1, "is there and no pcapng file".to_owned()),
        ("--sample 1 --sample-file /nonexistent/a".to_owned(), 1, "/nonexistent/a: ".to_owned()),
        ("--sample 1".to_owned(), 2, "--sample needs --sample-file FILE".to_owned()),
        ("--tier udp --residence".to_owned(), 2, "--residence needs".to_owned()),
        ("--tier xdp --tap a".to_owned(), 2, "--tap needs frames in user space".to_owned()),
        ("--tap a/b".to_owned(), 2, "letters, digits".to_owned()),
        ("--testers 99999".to_owned(), 2, "1 to 16384".to_owned()),
    ] {
        let tier = if options.contains("--tier") { "" } else { "--tier af-packet " };
        let end = Farend::run(&pair.far, "", &format!("far {tier}{options}"));
        assert_eq!(end.code, Some(code), "{options}: {end:?}");
        let lines: Vec<_> = end.stderr.lines().filter(|one| one.contains(&wanted)).collect();
        assert_eq!(lines.len(), 1, "{options}: {end:?}");
    }
    assert_eq!(std::fs::read(&other).unwrap(), b"precious");
    std::fs::remove_file(&other).unwrap();
    holder.stop();
}
