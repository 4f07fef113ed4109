use std::thread;

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::AtomicUsize,
    time::Instant,
};

use farend_core::{Kind, Reason};

use super::*;

const REFLECT: Verdict = Verdict::Reflect(Kind::Probeot);
const PASS: Verdict = Verdict::Refuse(Reason::UdpPort);

/// A path of this process and test alone; the file goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("farend-{}-{name}.pcapng", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn settings(path: &Path, every: &str, of: SampleOf) -> Settings {
    Settings {
        sample: Some(every.parse().unwrap()),
        sample_file: Some(path.to_owned()),
        sample_of: of,
        ..Settings::default()
    }
}

fn start(settings: &Settings) -> Result<Sample, String> {
    Ok(Sample::start(settings, "test", &["eth1".to_owned()], |_| {})?.unwrap())
}

fn feed(sampler: &mut Sampler, verdict: Verdict, number: u8) {
    sampler.judged(&[number; 60], &[!number; 60], 60, verdict, || u64::from(number) * 1_000);
}

fn finish(sample: Sample) -> (u64, u64) {
    let (counts, is_whole) = sample.finish();
    assert!(is_whole);
    (counts.written.load(Ordering::Relaxed), counts.dropped.load(Ordering::Relaxed))
}

/// What tshark makes of a file: a line of fields for each frame.
fn tshark(path: &Path, fields: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(path).args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let Ok(output) = command.output() else {
        // Not by a macro: the test harness would keep it to itself.
        let _told = writeln!(std::io::stderr(), "skipped: tshark is not installed");
        assert!(std::env::var_os("FAREND_NO_SKIP").is_none_or(|value| value.is_empty()));
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn tshark_reads_every_sampled_frame_with_its_verdict() {
    let scratch = Scratch::new("read");
    let sample = start(&settings(&scratch.0, "1", SampleOf::All)).unwrap();
    let mut sampler = sample.sampler_factory().sampler(0);
    feed(&mut sampler, REFLECT, 1);
    feed(&mut sampler, PASS, 2);
    drop(sampler);
    assert_eq!(finish(sample), (2, 0));
    let fields = ["frame.time_epoch", "frame.len", "frame.comment", "frame.interface_name"];
    if let Some(lines) = tshark(&scratch.0, &fields) {
        assert_eq!(
            lines,
            [
                "0.000001000\t60\treflected: probeot\teth1",
                "0.000002000\t60\tpassed: udp_port\teth1"
            ]
        );
    }
}

#[test]
fn every_nth_frame_of_the_wanted_kind_is_sampled_the_first_one_in() {
    let scratch = Scratch::new("nth");
    let sample = start(&settings(&scratch.0, "3", SampleOf::Refused)).unwrap();
    let mut sampler = sample.sampler_factory().sampler(0);
    for number in 0..20 {
        feed(&mut sampler, if number % 2 == 0 { REFLECT } else { PASS }, number);
    }
    drop(sampler);
    // Of the ten refused ones the first, fourth, seventh and tenth.
    assert_eq!(finish(sample), (4, 0));
    if let Some(lines) = tshark(&scratch.0, &["frame.time_epoch"]) {
        let numbers = [1, 7, 13, 19].map(|number| format!("0.{number:06}000"));
        assert_eq!(lines, numbers);
    }
}

#[test]
fn the_answer_stands_behind_its_frame_if_asked_for() {
    let scratch = Scratch::new("answers");
    let mut settings = settings(&scratch.0, "1", SampleOf::All);
    settings.sample_answers = true;
    settings.sample_octets.0 = 14;
    let sample = start(&settings).unwrap();
    let mut sampler = sample.sampler_factory().sampler(0);
    feed(&mut sampler, REFLECT, 1);
    feed(&mut sampler, PASS, 2);
    drop(sampler);
    assert_eq!(finish(sample), (3, 0));
    let fields = ["frame.packet_flags_direction", "frame.len", "frame.cap_len"];
    if let Some(lines) = tshark(&scratch.0, &fields) {
        let directions = ["0x00000001", "0x00000002", "0x00000001"];
        assert_eq!(lines, directions.map(|direction| format!("{direction}\t60\t14")));
    }
}

#[test]
fn a_full_disk_is_said_once_and_counted_and_stops_nothing() {
    static NOTICES: AtomicUsize = AtomicUsize::new(0);
    let full = Path::new("/dev/full");
    if !full.exists() {
        let _told = writeln!(std::io::stderr(), "skipped: there is no /dev/full here");
        return;
    }
    // A head cannot be written there at all.
    let error = start(&settings(full, "1", SampleOf::All)).unwrap_err();
    assert!(error.starts_with("/dev/full: cannot be written"), "{error}");

    let file = OpenOptions::new().write(true).open(full).unwrap();
    let counts = Arc::new(Counts::default());
    let notice = |_: &str| {
        NOTICES.fetch_add(1, Ordering::Relaxed);
    };
    let writer = Writer::new(file, full, Vec::new(), Arc::clone(&counts), notice).unwrap();
    let (queue, copies) = mpsc::sync_channel(QUEUE_FRAMES);
    let thread = thread::spawn(move || writer.run(&copies, &AtomicBool::new(false)));
    let scratch = Scratch::new("full");
    let sample = start(&settings(&scratch.0, "1", SampleOf::All)).unwrap();
    let mut sampler =
        Sampler { queue, counts: Arc::clone(&counts), ..sample.sampler_factory().sampler(0) };
    let end = Instant::now() + Duration::from_millis(500);
    let mut fed = 0;
    while Instant::now() < end {
        feed(&mut sampler, REFLECT, 1);
        fed += 1;
        thread::sleep(Duration::from_micros(100));
    }
    drop(sampler);
    thread.join().unwrap();
    assert_eq!(counts.written.load(Ordering::Relaxed), 0);
    assert_eq!(counts.dropped.load(Ordering::Relaxed), fed);
    assert_eq!(NOTICES.load(Ordering::Relaxed), 1);
}

#[test]
fn a_worker_never_waits_for_the_file() {
    let scratch = Scratch::new("stuck");
    let sample = start(&settings(&scratch.0, "1", SampleOf::All)).unwrap();
    // Nobody takes copies from this queue.
    let (queue, stuck) = mpsc::sync_channel(8);
    let mut sampler = Sampler { queue, ..sample.sampler_factory().sampler(0) };
    (0..100).for_each(|number| feed(&mut sampler, REFLECT, number));
    assert_eq!(stuck.try_iter().count(), 8);
    assert_eq!(sample.counts().dropped.load(Ordering::Relaxed), 92);
}

#[test]
fn a_file_of_another_kind_is_not_overwritten() {
    let scratch = Scratch::new("other");
    std::fs::write(&scratch.0, "precious").unwrap();
    let error = start(&settings(&scratch.0, "1", SampleOf::All)).unwrap_err();
    assert!(error.contains("no pcapng file: name another"), "{error}");
    assert_eq!(std::fs::read(&scratch.0).unwrap(), b"precious");
    for before in [&b""[..], &[&pcapng::MAGIC[..], b"an earlier sample"].concat()] {
        std::fs::write(&scratch.0, before).unwrap();
        assert_eq!(finish(start(&settings(&scratch.0, "1", SampleOf::All)).unwrap()), (0, 0));
        assert!(tshark(&scratch.0, &["frame.len"]).is_none_or(|lines| lines.is_empty()));
    }
    let error = start(&settings(Path::new("/nonexistent/a"), "1", SampleOf::All)).unwrap_err();
    assert!(error.starts_with("/nonexistent/a: "), "{error}");
}
