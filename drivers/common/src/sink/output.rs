//! One output: a bounded queue, and a thread that writes it.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, Write},
    os::fd::AsFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::start::was_closed;
use crate::privileges;

/// Octets that wait to be written at most.
const QUEUE_OCTETS_MAX: usize = 1 << 20;

/// How soon an output that refuses is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Lines on their way to a descriptor.
#[derive(Clone, Debug)]
pub struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a line, or it is to end.
    work: Condvar,
    /// All is written.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    octets: usize,
    /// Lines that the thread has taken and not written yet.
    writing_lines: u64,
    is_ending: bool,
    lost_lines: u64,
    trouble: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// Standard output. One that was closed at the start of the process loses every
    /// line, and counts it.
    #[must_use]
    pub fn standard_output() -> Self {
        if was_closed() {
            return Self::closed("it is closed");
        }
        Self::start(rustix::stdio::stdout())
    }

    /// Standard error.
    #[must_use]
    pub fn standard_error() -> Self {
        Self::start(rustix::stdio::stderr())
    }

    /// Starts to write to a descriptor.
    #[must_use]
    pub fn start(fd: impl AsFd + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Writer { fd, shared: Arc::clone(&shared) };
        match privileges::spawn("output", move || writer.run()) {
            Ok(_) => Self { shared },
            Err(error) => Self::closed(&format!("cannot start a thread: {error}")),
        }
    }

    /// Loses every line, and counts it.
    fn closed(trouble: &str) -> Self {
        let state =
            State { is_ending: true, trouble: Some(trouble.to_owned()), ..State::default() };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), ..Shared::default() }) }
    }

    /// Queues text and the end of its last line. Never waits for the output:
    /// where there is no room, the oldest lines are lost. Other control characters
    /// are escaped: a terminal would obey them, and a name may hold any.
    pub fn push_line(&self, text: &str) {
        let mut line = escaped(text).into_bytes();
        line.push(b'\n');
        let mut state = self.shared.lock();
        if state.is_ending {
            state.lost_lines += lines_in(&line);
            return;
        }
        while state.octets + line.len() > QUEUE_OCTETS_MAX {
            let Some(oldest) = state.lines.pop_front() else { break };
            state.octets -= oldest.len();
            state.lost_lines += lines_in(&oldest);
        }
        state.octets += line.len();
        state.lines.push_back(line);
        self.shared.work.notify_one();
    }

    /// Lines that were lost so far.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.shared.lock().lost_lines
    }

    /// What the system said last when it refused a line.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.lock().trouble.clone()
    }

    /// Waits, so long at most, until all is written; then takes no more. Gives
    /// the lines that were lost.
    #[must_use]
    pub fn finish(&self, timeout: Duration) -> u64 {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        while !state.lines.is_empty() || state.writing_lines > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            let waited = self.shared.idle.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_ending = true;
        let waiting: u64 = state.lines.iter().map(|line| lines_in(line)).sum();
        let lost = state.lost_lines + waiting + state.writing_lines;
        state.lines.clear();
        state.lost_lines = lost;
        state.writing_lines = 0;
        self.shared.work.notify_one();
        lost
    }
}

/// Writes one line at once, before there is a thread for it.
pub(super) fn write_error_line(line: &str) {
    let line = escaped(&line.replace('\n', " ")) + "\n";
    // A closed standard error is nobody listening, which is no reason to stop.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Text without control characters but ends of lines; those that JSON leaves as they
/// are, DEL and above, become what it reads as the same.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 1);
    for char in text.chars() {
        if char.is_control() && char != '\n' {
            // Writing to a string cannot fail.
            let _ = fmt::Write::write_fmt(&mut escaped, format_args!("\\u{:04x}", u32::from(char)));
        } else {
            escaped.push(char);
        }
    }
    escaped
}

fn lines_in(text: &[u8]) -> u64 {
    text.split_inclusive(|octet| *octet == b'\n').count() as u64
}

/// The thread's side.
struct Writer<F> {
    fd: F,
    shared: Arc<Shared>,
}

impl<F: AsFd> Writer<F> {
    fn run(self) {
        while let Some(line) = self.next() {
            let is_written = self.write(&line);
            let mut state = self.shared.lock();
            // Those of one that gave up are counted already, and there are none then.
            state.lost_lines += std::mem::take(&mut state.writing_lines);
            if is_written {
                state.trouble = None;
            }
            if state.lines.is_empty() {
                self.shared.idle.notify_all();
            }
        }
    }

    /// Waits for a line; `None` once there will be no more.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.shared.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.octets -= line.len();
                state.writing_lines = lines_in(&line);
                return Some(line);
            }
            if state.is_ending {
                return None;
            }
            state = self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes text line by line: what an output took in part is continued where it
    /// stopped, so that no line begins in the middle of another. Whether all was
    /// written.
    fn write(&self, text: &[u8]) -> bool {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| at + 1);
            match rustix::io::write(&self.fd, &rest[..end]) {
                Ok(octets) => {
                    rest = rest.get(octets..).unwrap_or_default();
                    if octets == end && !self.goes_on_with(rest) {
                        return false;
                    }
                }
                Err(Errno::INTR) => {}
                // Somebody made it non-blocking.
                Err(Errno::AGAIN) => self.wait_for_room(),
                Err(error) => {
                    let is_ending = self.tell(error);
                    if is_ending || matches!(error, Errno::PIPE | Errno::BADF) {
                        return false;
                    }
                    std::thread::sleep(RETRY_INTERVAL);
                }
            }
        }
        true
    }

    /// Keeps that these lines are left of a text; whether anybody waits for them.
    fn goes_on_with(&self, rest: &[u8]) -> bool {
        let mut state = self.shared.lock();
        let is_awaited = state.writing_lines > 0;
        state.writing_lines = state.writing_lines.min(lines_in(rest));
        is_awaited
    }

    /// Keeps what the system said; whether it is to end.
    fn tell(&self, error: Errno) -> bool {
        let mut state = self.shared.lock();
        state.trouble = Some(io::Error::from(error).to_string());
        state.is_ending
    }

    fn wait_for_room(&self) {
        let timeout = Timespec::try_from(RETRY_INTERVAL).ok();
        // Whatever it says, the next write tells.
        let _ = poll(&mut [PollFd::new(&self.fd, PollFlags::OUT)], timeout.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{BufRead, BufReader, Read},
        os::unix::net::UnixStream,
    };

    use super::*;

    fn pair() -> (Output, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Output::start(ours), theirs)
    }

    #[test]
    fn lines_arrive_in_order() {
        let (output, reader) = pair();
        (0..100).for_each(|number| output.push_line(&number.to_string()));
        assert_eq!(output.finish(Duration::from_secs(5)), 0);
        drop(output);
        let lines = BufReader::new(reader).lines().map(Result::unwrap).take(100);
        assert!(lines.eq((0..100).map(|number: u32| number.to_string())));
    }

    #[test]
    fn stalled_reader_never_makes_a_writer_wait_and_gets_the_newest() {
        let (output, reader) = pair();
        let started = Instant::now();
        // Ten times what the queue holds.
        let text = "x".repeat(1_023);
        for _ in 0..10_240 {
            output.push_line(&text);
        }
        output.push_line("last");
        assert!(started.elapsed() < Duration::from_secs(5));
        let lost = output.lost_lines();
        assert!(lost > 8_000, "{lost}");
        let lines = BufReader::new(reader).lines().map(Result::unwrap);
        let got = lines.take_while(|line| line != "last").inspect(|line| assert_eq!(*line, text));
        // Each line came whole or was counted.
        assert_eq!(got.count() as u64 + lost, 10_240);
    }

    #[test]
    fn lines_for_a_reader_that_is_gone_are_counted() {
        let (output, reader) = pair();
        drop(reader);
        output.push_line("one\ntwo");
        assert_eq!(output.finish(Duration::from_secs(5)), 2);
        assert!(output.trouble().is_some());
    }

    #[test]
    fn full_disk_is_counted_and_told() {
        let file = File::options().write(true).open("/dev/full").unwrap();
        let output = Output::start(file);
        output.push_line("one");
        output.push_line("two");
        assert_eq!(output.finish(Duration::from_millis(50)), 2);
        assert!(output.trouble().unwrap().contains("No space left"));
    }

    #[test]
    fn lines_of_a_text_that_was_written_in_part_are_counted_each() {
        let (output, mut reader) = pair();
        // Far more than a socket holds, so the thread stops somewhere in it.
        let text = vec!["x".repeat(1_023); 1_000].join("\n");
        output.push_line(&text);
        let mut room = vec![0; 1_024];
        reader.read_exact(&mut room).unwrap();
        let lost = output.finish(Duration::from_millis(50));
        assert!((500..1_000).contains(&lost), "{lost}");
        // The one that was begun comes whole, if its reader takes it.
        let mut lines = 1;
        while lines + lost < 1_000 {
            reader.read_exact(&mut room).unwrap();
            lines += 1;
        }
        reader.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest);
        assert!(rest.len() <= 1_024, "{}", rest.len());
    }

    #[test]
    fn control_characters_are_escaped_and_lines_stay() {
        let (output, reader) = pair();
        output.push_line("a\x1b[2Jb\tc\nd\u{9b}e é");
        assert_eq!(output.finish(Duration::from_secs(5)), 0);
        let lines: Vec<_> = BufReader::new(reader).lines().map(Result::unwrap).take(2).collect();
        assert_eq!(lines, ["a\\u001b[2Jb\\u0009c", "d\\u009be é"]);
    }

    #[test]
    fn json_stays_json_whatever_a_name_holds() {
        let name = "eth\u{7f}\u{9b}\x1b\"\\0";
        let (output, reader) = pair();
        output.push_line(&serde_json::to_string(name).unwrap());
        assert_eq!(output.finish(Duration::from_secs(5)), 0);
        let line = BufReader::new(reader).lines().next().unwrap().unwrap();
        assert!(!line.contains(char::is_control), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), name);
    }
}
