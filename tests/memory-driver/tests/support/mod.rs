//! The driver as a process, and what tests do with it.
#![allow(dead_code, unreachable_pub, reason = "each test takes a part")]

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use farend_control::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The driver as a process; killed on drop.
pub struct Driver {
    pub child: Child,
    told: Arc<Mutex<String>>,
}

impl Driver {
    pub fn start(arguments: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farend-memory-driver"));
        command.args(arguments.split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().unwrap(), &told);
        collect(child.stdout.take().unwrap(), &told);
        Self { child, told }
    }

    pub fn ready(arguments: &str) -> Self {
        let driver = Self::start(arguments);
        driver.wait_for("ready: ", 1);
        driver
    }

    /// Waits until a text was told so often; gives its last line.
    pub fn wait_for(&self, what: &str, times: usize) -> String {
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

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it; gives its exit code and the `final` line.
    pub fn stop(mut self) -> (Option<i32>, Value) {
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

pub fn json(line: &str) -> Value {
    let start = line.find('{').unwrap();
    serde_json::from_str(&line[start..]).unwrap()
}

pub fn reflected(line: &Value, interface: usize) -> u64 {
    line["interfaces"][interface]["frames"]["reflected"].as_u64().unwrap()
}

/// A file of this test's own, removed on drop.
pub struct File(pub PathBuf);

impl File {
    pub fn new(name: &str, text: &str) -> Self {
        let name = format!("farend-memory-{}-{name}.toml", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    pub fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A driver with a control socket of its own, in a folder of its own.
pub struct Controlled {
    pub driver: Driver,
    pub path: PathBuf,
    folder: PathBuf,
}

impl Controlled {
    pub fn ready(name: &str, arguments: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("farend-mem-{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("s");
        let driver = Driver::ready(&format!("{arguments} --control {}", path.display()));
        Self { driver, path, folder }
    }

    /// One more connection.
    pub fn client(&self) -> Client {
        Client::connect(&self.path, Some(PATIENCE)).unwrap()
    }

    /// Stops it; gives its exit code and the `final` line.
    pub fn stop(self) -> (Option<i32>, Value) {
        let ended = self.driver.stop();
        assert!(!self.path.exists(), "the socket was left behind");
        std::fs::remove_dir(&self.folder).unwrap();
        ended
    }
}
