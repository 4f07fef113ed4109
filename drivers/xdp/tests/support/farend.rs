//! The program under test, as a process.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// A running program; killed on drop.
pub(crate) struct Farend {
    child: Child,
    stderr: Lines,
    stdout: Lines,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct End {
    /// `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl End {
    /// The last JSON line.
    pub(crate) fn last(&self) -> serde_json::Value {
        serde_json::from_str(self.stdout.lines().last().unwrap_or_default()).unwrap()
    }
}

/// What a stream has given so far.
struct Lines {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = shared.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn now(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.now()
    }
}

/// The command in a namespace, with arguments that hold no blanks.
pub(crate) fn command(namespace: &str, before: &str, arguments: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).args(before.split_whitespace());
    command.arg(env!("CARGO_BIN_EXE_farend-xdp")).args(arguments.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Farend {
    /// Starts it and waits until it reflects.
    pub(crate) fn ready(namespace: &str, arguments: &str) -> Self {
        let farend = Self::start(namespace, "", arguments);
        farend.wait_for("ready: ");
        farend
    }

    /// The same by another program.
    pub(crate) fn ready_by(namespace: &str, before: &str, arguments: &str) -> Self {
        let farend = Self::start(namespace, before, arguments);
        farend.wait_for("ready: ");
        farend
    }

    /// Starts it by another program, such as one that takes privileges away.
    pub(crate) fn start(namespace: &str, before: &str, arguments: &str) -> Self {
        let mut child = command(namespace, before, arguments).spawn().unwrap();
        let stderr = Lines::of(child.stderr.take().unwrap());
        let stdout = Lines::of(child.stdout.take().unwrap());
        Self { child, stderr, stdout }
    }

    /// Runs it to its end.
    pub(crate) fn run(namespace: &str, before: &str, arguments: &str) -> End {
        Self::start(namespace, before, arguments).end()
    }

    /// Waits for text on standard error or output; gives its line.
    pub(crate) fn wait_for(&self, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.stderr.now() + &self.stdout.now();
            if let Some(line) = told.lines().find(|line| line.contains(what)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no {what:?} in:\n{told}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// How often a text was told so far.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.stderr.now().matches(what).count()
    }

    /// Waits until a text was told so often.
    pub(crate) fn wait_for_times(&self, what: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.count(what) < times {
            let told = self.stderr.now();
            assert!(Instant::now() < deadline, "not {times} times {what:?} in:\n{told}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero()));
        let stat = stat.unwrap();
        // Behind the name, which may hold blanks: fields 14 and 15 of proc(5),
        // in hundredths of a second.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// Stops all its threads where they are, until it gets SIGCONT.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.pid().as_raw_nonzero());
        let is_frozen = || {
            std::fs::read_dir(&tasks).unwrap().all(|task| {
                let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
                stat.rsplit_once(") ").unwrap().1.starts_with('T')
            })
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_frozen() {
            assert!(Instant::now() < deadline, "it does not stop");
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Asks it to stop.
    pub(crate) fn stop(self) -> End {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> End {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "runs on:\n{}", self.stderr.now()),
            }
            thread::sleep(Duration::from_millis(5));
        };
        End { code: status.code(), stdout: self.stdout.all(), stderr: self.stderr.all() }
    }
}

impl Drop for Farend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
