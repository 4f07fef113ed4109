//! The common runtime, by a driver that has nothing but wires in memory.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// The driver as a process; killed on drop.
struct Driver {
    child: Child,
    stdin: ChildStdin,
    told: Arc<Mutex<String>>,
}

impl Driver {
    fn start(arguments: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farend-memory-driver"));
        command.args(arguments.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().unwrap(), &told);
        collect(child.stdout.take().unwrap(), &told);
        Self { stdin: child.stdin.take().unwrap(), child, told }
    }

    fn ready(arguments: &str) -> Self {
        let driver = Self::start(arguments);
        driver.wait_for("ready: ", 1);
        driver
    }

    /// Waits until a text was told so often; gives its last line.
    fn wait_for(&self, what: &str, times: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.told.lock().unwrap().clone();
            let lines: Vec<_> = told.lines().filter(|line| line.contains(what)).collect();
            if lines.len() >= times {
                return lines[times - 1].to_owned();
            }
            assert!(Instant::now() < deadline, "no {what:?} in:\n{told}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn call(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it; gives its exit code and the `final` line.
    fn stop(mut self) -> (Option<i32>, Value) {
        self.signal(Signal::TERM);
        let code = self.child.wait().unwrap().code();
        (code, json(&self.wait_for("\"event\":\"final\"", 1)))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            *into.lock().unwrap() += &(line + "\n");
        }
    });
}

fn json(line: &str) -> Value {
    let start = line.find('{').unwrap();
    serde_json::from_str(&line[start..]).unwrap()
}

fn reflected(line: &Value, interface: usize) -> u64 {
    line["interfaces"][interface]["frames"]["reflected"].as_u64().unwrap()
}

/// A file of this test's own, removed on drop.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("farend-memory-{}-{name}.toml", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn driver_reflects_and_its_final_line_has_three_numbers() {
    let driver = Driver::ready("mem0 mem1 --stats json --stats-interval 0.05");
    driver.wait_for("\"event\":\"statistics\"", 3);
    let (code, last) = driver.stop();
    assert_eq!(code, Some(0));
    for (interface, name) in ["mem0", "mem1"].iter().enumerate() {
        let counts = &last["interfaces"][interface];
        assert_eq!((&counts["interface"], &counts["tier"]), (&(*name).into(), &"memory".into()));
        assert!(reflected(&last, interface) > 10, "{last}");
        assert_eq!(counts["sent"], counts["frames"]["reflected"]);
        assert_eq!(counts["lost"], 0);
    }
}

#[test]
fn session_stops_and_starts_in_the_living_process() {
    let mut driver = Driver::ready("mem0 mem1 --stats json --stats-interval 0.05");
    let mut before = 0;
    for round in 1..=20 {
        driver.call("stop mem0");
        driver.wait_for("reply: stop mem0", round);
        driver.call("statistics");
        let stopped = json(&driver.wait_for("reply: epoch 0", 2 * round - 1));
        thread::sleep(Duration::from_millis(10));
        driver.call("statistics");
        let later = json(&driver.wait_for("reply: epoch 0", 2 * round));
        assert_eq!(reflected(&stopped, 0), reflected(&later, 0), "a stopped wire answers");
        assert!(reflected(&stopped, 0) >= before, "counts went back");
        assert!(reflected(&later, 1) > reflected(&stopped, 1), "the other one stopped too");
        before = reflected(&later, 0);
        driver.call("start mem0");
        driver.wait_for("reply: start mem0", round);
        thread::sleep(Duration::from_millis(5));
    }
    driver.call("stop mem9");
    assert!(driver.wait_for("refused", 1).contains("these are: mem0, mem1"));
    let (code, last) = driver.stop();
    assert_eq!(code, Some(0));
    assert!(reflected(&last, 0) > before);
}

#[test]
fn epochs_sum_to_the_counts_since_the_start() {
    let mut driver = Driver::ready("mem0 mem1 --stats json");
    let mut sums = [0; 2];
    for round in 1..=30 {
        driver.call("reset");
        let ended = json(&driver.wait_for(&format!("reply: epoch {round} "), 1));
        assert_eq!(ended["event"], "reset");
        sums[0] += reflected(&ended, 0);
        sums[1] += reflected(&ended, 1);
        thread::sleep(Duration::from_millis(3));
    }
    for name in ["mem0", "mem1"] {
        driver.call(&format!("stop {name}"));
        driver.wait_for(&format!("reply: stop {name}"), 1);
    }
    driver.call("reset");
    let ended = json(&driver.wait_for("reply: epoch 31 ", 1));
    let (_, last) = driver.stop();
    for (interface, sum) in sums.iter().enumerate() {
        assert_eq!(sum + reflected(&ended, interface), reflected(&last, interface));
        assert!(reflected(&last, interface) > 0);
    }
}

#[test]
fn reload_names_what_needs_a_restart() {
    let file = File::new("restart", "max-rate = 1000000\npace = 500\n");
    let driver = Driver::ready(&format!("mem0 --stats json --config {}", file.0.display()));
    file.write("port = 7\npace = 700\nduration = 3\ninterfaces = [\"a\"]\n");
    driver.signal(Signal::HUP);
    let line = driver.wait_for("are in force", 1);
    assert!(line.ends_with("needs a restart: pace, duration") || line.contains("pace, duration\""));
    // The new port is in force: probes go to another.
    driver.wait_for("hint", 1);
    let (_, last) = driver.stop();
    assert!(last["total"]["passed"]["udp_port"].as_u64().unwrap() > 0);
}

#[test]
fn reload_that_one_session_refuses_changes_none() {
    let file = File::new("stubborn", "");
    let arguments = format!("mem0 mem1 --stubborn mem1 --stats json --config {}", file.0.display());
    let driver = Driver::ready(&arguments);
    file.write("port = 7\n");
    driver.signal(Signal::HUP);
    let line = driver.wait_for("reload refused", 1);
    assert!(line.contains("previous settings remain in force: mem1: takes no other"), "{line}");
    thread::sleep(Duration::from_millis(100));
    let (_, last) = driver.stop();
    assert_eq!(last["total"]["passed"]["udp_port"], 0, "one wire has the new policy");
}

#[test]
fn configuration_that_became_a_fifo_blocks_neither_reload_nor_stop() {
    let file = File::new("fifo", "port = 3842\n");
    let driver = Driver::ready(&format!("mem0 --stats json --config {}", file.0.display()));
    std::fs::remove_file(&file.0).unwrap();
    assert!(Command::new("mkfifo").arg(&file.0).status().unwrap().success());
    driver.signal(Signal::HUP);
    driver.wait_for("is no regular file", 1);
    let (code, _) = driver.stop();
    assert_eq!(code, Some(0));
}

#[test]
fn stalled_readers_do_not_keep_it_from_stopping() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farend-memory-driver"));
    command.args("mem0 --stats json --stats-interval 0.001".split(' '));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Long enough for pipe and queue to fill: a line has 3 KiB.
    thread::sleep(Duration::from_secs(2));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it does not hear SIGTERM");
        thread::sleep(Duration::from_millis(10));
    };
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("lines lost so far: nobody reads it"), "{stderr}");
}

#[test]
fn full_disk_does_not_end_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farend-memory-driver"));
    command.args("mem0 --stats json --stats-interval 0.01 --duration 1.5".split(' '));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdin(Stdio::null()).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("No space left"), "{stderr}");
}

#[test]
fn closed_standard_output_is_told() {
    let program = env!("CARGO_BIN_EXE_farend-memory-driver");
    let line = format!("exec {program} mem0 --stats json --duration 0.3 >&-");
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("ready: mem0"), "{stderr}");
    assert!(stderr.contains("lost so far: it is closed"), "{stderr}");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
}

#[test]
fn check_prints_a_file_that_says_the_same() {
    let check = |arguments: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farend-memory-driver"));
        let output = command.args(arguments.split_whitespace()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let first = check("mem0 --check --max-rate 250k --pace 7 --no-residence");
    assert!(first.contains("max-rate = 250000") && first.contains("pace = 7"), "{first}");
    let file = File::new("check", &first);
    assert_eq!(check(&format!("--check --config {}", file.0.display())), first);
}
