//! The commands that read what drivers keep in shared memory, against rings
//! made here.
#![cfg(target_os = "linux")]

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use farend_capture::tap::{Head, Interface};
use farend_core::{Kind, Reason, Verdict};
use farend_shm::{
    SlowReader,
    broadcast::{Options, Publisher, Ring},
};

fn name(of: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("ft{}-{}-{of}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A ring as a driver makes it, but smaller.
fn publisher(name: &str) -> Publisher {
    let options = Options {
        capacity_messages: 16,
        message_octets_max: 9_256,
        subscribers_max: 4,
        slow_reader: SlowReader::Overwrite,
    };
    Ring::create(name, options).unwrap().publisher().unwrap()
}

fn show(publisher: &mut Publisher, verdict: Verdict, number: u8) {
    let head = Head {
        verdict,
        whole_octets: 60,
        time_unix_ns: 1_000_000_000 + u64::from(number),
        interface: Interface::new(2, "eth1"),
    };
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, number, 8, 0];
    frame.extend([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend([0xc3, 0x50, 0x0f, 0x02, 0, 26, 0, 0]);
    frame.resize(60, 0);
    assert!(publisher.push_with_head(head.to_words(), &frame).unwrap());
    publisher.flush();
}

fn farendctl(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farendctl"));
    command.args(arguments.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running farendctl; killed on drop.
struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts it, and waits until the ring has a subscriber more.
    fn start(publisher: &Publisher, arguments: &str) -> Self {
        let before = publisher.subscribers();
        let running = Self::alone(arguments);
        while publisher.subscribers() == before {
            thread::sleep(Duration::from_millis(5));
        }
        running
    }

    fn alone(arguments: &str) -> Self {
        let mut child = farendctl(arguments).spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits for its end: code, the rest of its output, its errors.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut rest, mut errors) = (String::new(), String::new());
        self.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), rest, errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(arguments: &str) -> Output {
    farendctl(arguments).output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn frames_are_told_one_a_line_until_the_count_is_there() {
    let name = name("count");
    let mut ring = publisher(&name);
    let mut running = Running::start(&ring, &format!("tap {name} --count 2"));
    show(&mut ring, Verdict::Reflect(Kind::Latency), 7);
    let line = running.line();
    assert_eq!(
        line,
        "00:00:01.000000007 eth1 reflected: latency 60 02:00:00:00:00:07 > 02:00:00:00:00:01 \
         192.0.2.1:50000 > 192.0.2.2:3842"
    );
    show(&mut ring, Verdict::Refuse(Reason::UdpPort), 8);
    show(&mut ring, Verdict::Refuse(Reason::UdpPort), 9);
    let (code, rest, errors) = running.end();
    assert_eq!((code, rest.lines().count()), (Some(0), 1), "{rest}");
    assert!(errors.contains("2 frames shown, 0 missed"), "{errors}");
}

/// Whether all threads of a process stand still.
fn is_stopped(pid: &str) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap()).all(
        // Behind the name, which may hold blanks.
        |stat| stat.rsplit_once(") ").unwrap().1.starts_with('T'),
    )
}

#[test]
fn a_reader_that_is_too_slow_says_how_much_it_missed() {
    let name = name("slow");
    let mut ring = publisher(&name);
    let running = Running::start(&ring, &format!("tap {name} --json --count 1"));
    // It is stopped while more comes than the ring holds.
    let pid = running.child.id().to_string();
    Command::new("kill").args(["-STOP", &pid]).status().unwrap();
    while !is_stopped(&pid) {
        thread::sleep(Duration::from_millis(1));
    }
    (0..100).for_each(|number| show(&mut ring, Verdict::Reflect(Kind::Any), number));
    Command::new("kill").args(["-CONT", &pid]).status().unwrap();
    let (code, rest, errors) = running.end();
    assert_eq!(code, Some(0), "{errors}");
    let lines: Vec<serde_json::Value> =
        rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{rest}");
    let missed = lines[0]["missed_before"].as_u64().unwrap();
    assert!((84..100).contains(&missed), "{rest}");
    assert_eq!((&lines[0]["schema"], &lines[0]["event"]), (&"farend.tap".into(), &"frame".into()));
    assert_eq!(lines[0]["source_port"], 50_000);
    assert_eq!((&lines[1]["event"], &lines[1]["missed"]), (&"end".into(), &missed.into()));
}

#[test]
fn a_file_is_read_by_tshark() {
    let file = std::env::temp_dir().join(name("file") + ".pcapng");
    let path: PathBuf = file.clone();
    let name = name("write");
    let mut ring = publisher(&name);
    let arguments = format!("tap {name} --count 3 --write {}", path.display());
    let running = Running::start(&ring, &arguments);
    (0..3).for_each(|number| show(&mut ring, Verdict::Reflect(Kind::Y1564), number));
    let (code, rest, errors) = running.end();
    assert_eq!((code, rest.as_str()), (Some(0), ""), "{errors}");
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-r"]).arg(&file).args(["-T", "fields", "-e", "frame.comment"]);
    let told = tshark.args(["-e", "frame.interface_name", "-e", "udp.dstport"]).output();
    std::fs::remove_file(&file).unwrap();
    let Ok(told) = told else {
        farend_effort::skip("tshark is not installed");
        return;
    };
    assert_eq!(String::from_utf8(told.stdout).unwrap(), "reflected: y1564\teth1\t3842\n".repeat(3));
}

#[test]
fn the_next_driver_is_waited_for() {
    let name = name("next");
    let mut ring = publisher(&name);
    let mut running = Running::start(&ring, &format!("tap {name} --count 2"));
    show(&mut ring, Verdict::Reflect(Kind::Any), 1);
    running.line();
    drop(ring);
    thread::sleep(Duration::from_millis(300));
    let mut ring = publisher(&name);
    while ring.subscribers() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    show(&mut ring, Verdict::Reflect(Kind::Any), 2);
    let (code, rest, errors) = running.end();
    assert_eq!((code, rest.lines().count()), (Some(0), 1), "{errors}");
    assert!(errors.contains("the driver has ended; waiting for the next one"), "{errors}");
}

#[test]
fn a_driver_that_is_not_there_is_an_error_or_waited_for() {
    let name = name("later");
    let output = run(&format!("tap {name}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("there is no segment"), "{}", errors(&output));
    let output = run("tap a/b/c");
    assert_eq!(output.status.code(), Some(2));
    let running = Running::alone(&format!("tap {name} --wait --count 1"));
    thread::sleep(Duration::from_millis(300));
    let mut ring = publisher(&name);
    while ring.subscribers() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    show(&mut ring, Verdict::Reflect(Kind::Any), 1);
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn the_time_ends_a_tap_where_nothing_comes() {
    let name = name("time");
    let _ring = publisher(&name);
    let output = run(&format!("tap {name} --duration 0.2"));
    assert_eq!(output.status.code(), Some(0));
    assert!(errors(&output).contains("0 frames shown"), "{}", errors(&output));
}

#[test]
fn counters_are_told_once_or_as_json() {
    let name = name("page");
    let mut ring = publisher(&name);
    let page = r#"{"schema":"farend.statistics","version":1,"elapsed_s":3.0,"interfaces":[
        {"interface":"eth1","tier":"xdp","rates":{"reflected_frames_per_s":10.0},
         "reflected":{"probeot":30},"passed":{"vlan":0}}]}"#;
    ring.try_send(b"{}").unwrap();
    ring.try_send(page.as_bytes()).unwrap();
    let output = run(&format!("counters {name}"));
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "eth1 xdp: 3.0 s, now 10 frames/s reflected\n  reflected 30 (probeot 30)\n"
    );
    let output = run(&format!("counters {name} --json"));
    assert_eq!(output.stdout.strip_suffix(b"\n"), Some(page.as_bytes()));
    for (page, wanted) in [
        ("no page", "no page of counters"),
        (r#"{"schema":"farend.statistics","version":2}"#, "of version 2"),
    ] {
        ring.try_send(page.as_bytes()).unwrap();
        let output = run(&format!("counters {name}"));
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output).contains(wanted), "{}", errors(&output));
    }
}

#[test]
fn a_tap_and_a_page_are_not_taken_for_each_other() {
    let name = name("mixed");
    let mut ring = publisher(&name);
    show(&mut ring, Verdict::Reflect(Kind::Any), 1);
    let output = run(&format!("counters {name}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("no page of counters"), "{}", errors(&output));
    let running = Running::start(&ring, &format!("tap {name}"));
    ring.try_send(br#"{"schema":"farend.statistics","version":1,"event":"statistics"}"#).unwrap();
    let (code, _, errors) = running.end();
    assert_eq!(code, Some(1));
    assert!(errors.contains("no records of a tap"), "{errors}");
}

#[test]
fn a_reader_of_ours_that_goes_away_ends_it_in_order() {
    let name = name("pipe");
    let mut ring = publisher(&name);
    let mut running = Running::start(&ring, &format!("tap {name}"));
    show(&mut ring, Verdict::Reflect(Kind::Any), 1);
    running.line();
    // Nobody reads any more; a child that another test is starting may hold the
    // pipe for a moment longer.
    running.stdout = None;
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Some(status) = running.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it runs on");
        show(&mut ring, Verdict::Reflect(Kind::Any), 2);
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(0));
}

/// Makes a ring in a process that is killed; the ring stays behind.
fn killed_publisher(name: &str, message: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["publisher_that_waits_to_be_killed", "--exact", "--ignored", "--nocapture"])
        .env("FAREND_RING", name)
        .env("FAREND_MESSAGE", message)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("there"))).unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Not a test: what others kill.
#[test]
#[ignore = "a process that other tests start"]
fn publisher_that_waits_to_be_killed() {
    let Ok(name) = std::env::var("FAREND_RING") else { return };
    let mut ring = publisher(&name);
    ring.try_send(std::env::var("FAREND_MESSAGE").unwrap().as_bytes()).unwrap();
    ring.flush();
    println!("there");
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

fn remove(name: &str) {
    let _ = std::fs::remove_file(format!("/dev/shm/{name}"));
}

#[test]
fn counters_of_a_killed_driver_are_told_and_an_error() {
    let name = name("dead");
    let page = r#"{"schema":"farend.statistics","version":1,"elapsed_s":3.0,"interfaces":[]}"#;
    killed_publisher(&name, page);
    let output = run(&format!("counters {name} --json"));
    remove(&name);
    assert_eq!(output.stdout.strip_suffix(b"\n"), Some(page.as_bytes()));
    assert!(errors(&output).contains("was killed or crashed"), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn tap_of_a_killed_driver_ends_or_waits_and_says_so_once() {
    let name = name("slain");
    killed_publisher(&name, "x");
    let output = run(&format!("tap {name} --duration 5"));
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert_eq!(errors(&output).matches("was killed or crashed").count(), 1);
    let output = run(&format!("tap {name} --wait --duration 1"));
    remove(&name);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(errors(&output).matches("was killed or crashed").count(), 1, "{}", errors(&output));
}
