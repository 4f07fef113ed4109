//! Samples of frames that are not answered, by the tier `af-xdp`, which leaves
//! them in the kernel. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use serde_json::Value;
use support::{
    PATIENCE,
    farend::{End, Farend},
    frame::{Ip, answer, echo_request, number, probe},
    namespace::{Pair, enter, inside},
    pcapng::{self, Sampled},
    queues::{pair_with_queues, set_queues_to_far},
    raw::Raw,
};

const LONG: Duration = Duration::from_secs(2);

/// Octets that the kernel program copies of a frame.
const KEPT_OCTETS: usize = 2_048;

/// Files of this process and test alone; they go with their owner.
struct Files {
    sample: PathBuf,
    config: PathBuf,
}

impl Files {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("farend-refused-{}-{id}", std::process::id());
        let files = Self {
            sample: std::env::temp_dir().join(name.clone() + ".pcapng"),
            config: std::env::temp_dir().join(name + ".toml"),
        };
        files.allow("198.18.0.0/15");
        files
    }

    /// Puts another policy into the file, at once.
    fn allow(&self, prefix: &str) {
        let new = self.config.with_extension("new");
        std::fs::write(&new, format!("port = 3842\nallow = [\"{prefix}\"]\n")).unwrap();
        std::fs::rename(new, &self.config).unwrap();
    }

    fn ready(&self, pair: &Pair, options: &str) -> Farend {
        let (sample, config) = (self.sample.display(), self.config.display());
        let files = format!("--sample-file {sample} --config {config}");
        Farend::ready(&pair.far, &format!("far --tier af-xdp --stats json {files} {options}"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for file in [&self.sample, &self.config] {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Frames that nobody answers, each another, with what is said of them.
fn unanswered() -> Vec<(&'static str, Vec<u8>)> {
    let changed = |octets, change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = probe(Ip::V4, &[], octets, 0);
        change(&mut frame);
        frame
    };
    let tagged = |tci| probe(Ip::V4, &[(0x8100, tci)], 100, 1);
    let wrong_port = |octets| changed(octets, &|frame| frame[37] ^= 1);
    vec![
        ("passed: foreign_destination_mac", changed(60, &|frame| frame[5] ^= 0x10)),
        ("passed: group_destination_mac", changed(61, &|frame| frame[..6].fill(0xff))),
        ("passed: udp_port", wrong_port(62)),
        ("passed: signature", changed(63, &|frame| frame[50] ^= 1)),
        ("passed: ip_protocol", echo_request()),
        ("malformed: ipv4_checksum", changed(64, &|frame| frame[24] ^= 1)),
        ("malformed: ipv4_truncated", changed(60, &|frame| frame.truncate(14))),
        ("passed: vlan", tagged(7)),
        ("passed: udp_port", wrong_port(KEPT_OCTETS)),
        ("passed: udp_port", wrong_port(KEPT_OCTETS + 1)),
        ("passed: udp_port", wrong_port(9_000)),
    ]
}

fn count(end: &End, group: &str, name: &str) -> u64 {
    end.last()[group][name].as_u64().unwrap()
}

/// Frames that were left to the host.
fn refused(end: &End) -> u64 {
    let frames: &Value = &end.last()["total"]["frames"];
    frames["passed"].as_u64().unwrap() + frames["malformed"].as_u64().unwrap()
}

fn now_unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

#[test]
fn each_frame_is_in_the_sample_once_and_refused_ones_reach_the_host_unchanged() {
    let Some(pair) = Pair::without_addresses(9_000) else { return };
    let files = Files::new();
    let start_unix_ns = now_unix_ns();
    let farend = files.ready(&pair, "--vlan 5 --vlan 0 --sample 1 --sample-of all");
    let host = inside(&pair.far, || Raw::open("far"));
    let near = inside(&pair.near, || Raw::open("near"));
    let answered: Vec<_> = (0..5).map(|n| probe(Ip::V4, &[], 96, n)).collect();
    for frame in &answered {
        assert!(near.send(frame));
        assert_eq!(near.receive_probe(PATIENCE), Some(answer(Ip::V4, &[], frame)));
    }
    for (comment, frame) in unanswered() {
        assert!(near.send(&frame), "{comment}");
        assert_eq!(host.receive(PATIENCE), Some(frame), "{comment}");
    }
    let end = farend.stop();
    assert_eq!(end.code, Some(0), "{end:?}");

    let wanted = answered.into_iter().map(|frame| ("reflected: probeot", frame));
    let wanted: Vec<_> = wanted.chain(unanswered()).collect();
    let sampled = pcapng::read(&files.sample);
    for (comment, frame) in &wanted {
        let kept = &frame[..frame.len().min(KEPT_OCTETS)];
        let is_it = |one: &&Sampled| one.octets == kept && one.whole_octets as usize == frame.len();
        let found: Vec<_> = sampled.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{comment}: {end:?}");
        assert_eq!(found[0].comment, *comment);
        assert!((start_unix_ns..now_unix_ns()).contains(&found[0].time_unix_ns), "{comment}");
    }
    assert_eq!(sampled.len(), wanted.len());
    assert_eq!(count(&end, "sample", "written_frames"), wanted.len() as u64);
    assert_eq!(count(&end, "sample", "dropped_frames"), 0);
}

/// A numbered frame to another port.
fn unasked(number: u32) -> Vec<u8> {
    let mut frame = probe(Ip::V4, &[], 60, number);
    frame[37] ^= 1;
    frame
}

/// Sends such frames, 4 a millisecond, while `work` goes on; how many.
fn bother(pair: &Pair, work: impl FnOnce()) -> u32 {
    /// Ends the sender, also where `work` fails.
    struct Over<'flag>(&'flag AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            enter(&pair.near);
            let near = Raw::open("near");
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                (sent..sent + 4).for_each(|number| assert!(near.send(&unasked(number))));
                sent += 4;
                thread::sleep(Duration::from_millis(1));
            }
            sent
        });
        let over = Over(&is_over);
        work();
        drop(over);
        sender.join().unwrap()
    })
}

/// Puts another policy in force, which takes another program.
fn reload(farend: &Farend, files: &Files, times: Range<usize>) {
    for time in times {
        files.allow(["198.18.0.0/15", "198.18.0.2"][time % 2]);
        farend.signal(Signal::HUP);
        // A busy machine takes its time until no CPU runs the program before.
        let deadline = Instant::now() + Duration::from_secs(20);
        while farend.count("are in force") < time {
            assert_eq!(farend.count("reload refused"), 0);
            assert!(Instant::now() < deadline, "no reload {time}");
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The numbers of those in the sample, each of which must be whole. Hosts with
/// addresses have something to say too.
fn numbers(files: &Files) -> Vec<u32> {
    let sampled = pcapng::read(&files.sample);
    let ours = sampled.iter().filter(|one| one.comment == "passed: udp_port");
    let numbers = ours.map(|one| {
        let number = number(&one.octets);
        assert_eq!(one.octets, unasked(number));
        number
    });
    numbers.collect()
}

#[test]
fn reloads_and_new_queues_lose_no_refused_frame_and_sample_none_twice() {
    let Some(pair) = pair_with_queues(1) else { return };
    let files = Files::new();
    let farend = files.ready(&pair, "--sample 1 --sample-of refused");
    let sent = bother(&pair, || {
        reload(&farend, &files, 1..6);
        set_queues_to_far(&pair, 2);
        farend.wait_for("there are more queues now");
        reload(&farend, &files, 6..8);
    });
    let end = farend.stop();
    assert!(sent > 1_000, "{sent}");
    let (written, dropped) =
        (count(&end, "sample", "written_frames"), count(&end, "sample", "dropped_frames"));
    assert_eq!(written + dropped, refused(&end), "{end:?}");
    let passed = end.last()["total"]["passed"]["udp_port"].as_u64().unwrap();
    let mut numbers = numbers(&files);
    let sampled = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), sampled, "none twice");
    assert!(numbers.iter().all(|number| *number < sent));
    if dropped == 0 {
        assert_eq!(sampled as u64, passed, "{end:?}");
    }
}

#[test]
fn every_nth_refused_frame_of_a_cpu_is_sampled_and_cut_where_asked_for() {
    let Some(pair) = Pair::without_addresses(1_500) else { return };
    let files = Files::new();
    let farend = files.ready(&pair, "--sample 10 --sample-of refused --sample-octets 50");
    bother(&pair, || thread::sleep(LONG));
    let end = farend.stop();
    let due = count(&end, "sample", "written_frames") + count(&end, "sample", "dropped_frames");
    let refused = refused(&end);
    let cpus = thread::available_parallelism().unwrap().get() as u64;
    assert!(refused > 1_000, "{end:?}");
    assert!((refused.div_ceil(10)..=refused / 10 + cpus).contains(&due), "{due} of {refused}");
    let sampled = pcapng::read(&files.sample);
    assert_eq!(sampled.len() as u64, count(&end, "sample", "written_frames"));
    for one in sampled {
        assert_eq!((one.whole_octets, one.octets.as_slice()), (60, &unasked(0)[..50]));
    }
}

#[test]
fn a_ring_that_nobody_empties_drops_copies_and_counts_them_and_the_host_gets_all() {
    let Some(pair) = Pair::without_addresses(1_500) else { return };
    let files = Files::new();
    let farend = files.ready(&pair, "--sample 1 --sample-of refused");
    let host = inside(&pair.far, || Raw::open("far"));
    let near = inside(&pair.near, || Raw::open("near"));
    farend.freeze();
    for number in 0..2_000 {
        assert!(near.send(&unasked(number)));
        assert_eq!(host.receive(PATIENCE), Some(unasked(number)));
    }
    farend.signal(Signal::CONT);
    let end = farend.stop();
    let (written, dropped) =
        (count(&end, "sample", "written_frames"), count(&end, "sample", "dropped_frames"));
    assert_eq!((written + dropped, refused(&end)), (2_000, 2_000), "{end:?}");
    assert!(dropped > 500, "{end:?}");
    // Those that came first.
    let numbers = numbers(&files);
    assert!(written > 100 && numbers.iter().copied().eq((0..).take(numbers.len())), "{numbers:?}");
}

#[test]
fn auto_takes_af_xdp_for_refused_frames_and_says_why() {
    let Some(pair) = Pair::new(1_500) else { return };
    let files = Files::new();
    let sample = format!("--sample 1 --sample-of all --sample-file {}", files.sample.display());
    let end = Farend::run(&pair.far, "", &format!("far --duration 0.2 --stats json {sample}"));
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(end.last()["interfaces"][0]["tier"], "af-xdp");
    assert!(end.stderr.contains("tier xdp skipped on far: --sample needs frames in user space"));
}
