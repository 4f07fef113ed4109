//! The common runtime, by a driver that has nothing but wires in memory.

mod support;

use std::{
    io::Read,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use support::{Driver, File, PATIENCE, reflected};

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
