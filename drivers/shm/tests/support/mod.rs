//! Other processes to test with: this test's own program, started again.

// Each test of this crate uses a part.
#![allow(dead_code)]

use std::{
    env,
    io::{BufRead as _, BufReader, Read},
    os::unix::process::ExitStatusExt,
    process::{self, Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Longer than anything here takes, even on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// What a process prints once it has come to its ring.
pub(crate) const THERE: &str = "there";

/// What a process prints at its end, if it was not killed.
pub(crate) const DONE: &str = "done with all";

const ROLE: &str = "FAREND_SHM_ROLE";
const ARGUMENTS: &str = "FAREND_SHM_ARGUMENTS";

/// A name that no other test and no other run uses.
pub(crate) fn fresh_name() -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    format!("/farend-t{}-{}", process::id(), NAMES.fetch_add(1, Ordering::Relaxed))
}

/// How often to kill: 100 times, or 1,000 with `FAREND_LONG=1`.
pub(crate) fn kills() -> u32 {
    if farend_effort::is_long() { 1_000 } else { 100 }
}

/// The entry point of the processes that the tests of a file start: calls a function with
/// the role and the arguments that [`Peer::start`] gave. Not a test, so it is ignored.
macro_rules! peer_process {
    ($play:path) => {
        #[test]
        #[ignore = "a process that other tests start"]
        fn peer_process() {
            if let Some((role, arguments)) = $crate::support::role() {
                $play(&role, &arguments);
            }
        }
    };
}

/// What this process is to do, if it was started by [`Peer::start`].
pub(crate) fn role() -> Option<(String, Vec<String>)> {
    let role = env::var(ROLE).ok()?;
    let arguments = env::var(ARGUMENTS).unwrap_or_default();
    Some((role, arguments.split(' ').map(str::to_owned).collect()))
}

/// Another process. It is killed at the end, if it still runs.
pub(crate) struct Peer(Child);

impl Peer {
    /// The command that starts a process which runs the test `peer_process` in
    /// this role.
    pub(crate) fn command(role: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        Self::prepare(&mut command, role, arguments);
        command
    }

    /// Adds role and arguments to a command that runs this test's program.
    pub(crate) fn prepare(command: &mut Command, role: &str, arguments: &[&str]) {
        command
            .args(["peer_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ARGUMENTS, arguments.join(" "))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// Runs the role in namespaces that `unshare` makes, where this process may. It must
    /// come to its end.
    pub(crate) fn in_namespaces(arguments: &[&str], role: &str, name: &str) {
        if !rustix::process::geteuid().is_root() {
            return farend_effort::skip("only root can make namespaces");
        }
        let mut command = Command::new("unshare");
        command.args(arguments).arg(env::current_exe().unwrap());
        Self::prepare(&mut command, role, &[name]);
        let output = command.output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        // Said by `unshare` itself: root in a container.
        if complaint.starts_with("unshare: unshare failed: Operation not permitted") {
            return farend_effort::skip("this root cannot make namespaces");
        }
        assert!(output.status.success(), "{complaint}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(DONE), "it has not come to its end: {said}{complaint}");
    }

    pub(crate) fn start(role: &str, arguments: &[&str]) -> Self {
        Self(Self::command(role, arguments).spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Kills the process after a while, and says when it was dead. It stays a zombie,
    /// whose id nobody else gets.
    pub(crate) fn kill_after(&self, delay: Duration) -> Killing {
        self.kill(move || thread::sleep(delay))
    }

    /// The same, a while after it has said that it is [there](THERE).
    pub(crate) fn kill_once_there(&mut self, delay: Duration) -> Killing {
        let mut said = self.said();
        self.kill(move || {
            // If it ends before, its end is found by whoever waits for it.
            let _said = said.any(|line| line.contains(THERE));
            thread::sleep(delay);
        })
    }

    /// The lines that the process prints. Once only.
    pub(crate) fn said(&mut self) -> impl Iterator<Item = String> + use<> {
        let output = BufReader::new(self.0.stdout.take().unwrap());
        output.lines().map_while(Result::ok)
    }

    fn kill(&self, wait: impl FnOnce() + Send + 'static) -> Killing {
        let pid = Pid::from_child(&self.0);
        let killing = thread::spawn(move || {
            wait();
            kill_process(pid, Signal::KILL).unwrap();
            // On a busy machine that takes a while.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            // Unless the test has waited for it already.
            let _dead = waitid(WaitId::Pid(pid), options);
            Instant::now()
        });
        Killing::Later(killing)
    }

    /// Waits for the process, which must have done all of its work and found nothing
    /// wrong.
    pub(crate) fn finish(mut self) {
        let said = self.0.stdout.take();
        let (status, complaint) = self.end();
        assert!(status.success(), "{status}: {complaint}");
        let said = std::io::read_to_string(said.expect("nobody has read it")).unwrap();
        assert!(said.contains(DONE), "it has not come to its end: {said}");
    }

    /// Waits for a process that is killed, or was; it must have found nothing wrong.
    pub(crate) fn finish_killed(mut self) {
        let (status, complaint) = self.end();
        assert!(status.signal() == Some(9) || status.success(), "{status}: {complaint}");
    }

    fn end(&mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < LONG, "a process hangs");
            thread::sleep(Duration::from_millis(1));
        };
        let mut complaint = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        assert!(!complaint.contains("panicked"), "{complaint}");
        (status, complaint)
    }
}

/// A process that is being killed.
pub(crate) enum Killing {
    Later(thread::JoinHandle<Instant>),
    Done(Instant),
}

impl Killing {
    /// How long ago the process was killed, if it was.
    pub(crate) fn elapsed(&mut self) -> Option<Duration> {
        if matches!(self, Self::Later(killing) if killing.is_finished()) {
            let Self::Later(killing) = std::mem::replace(self, Self::Done(Instant::now())) else {
                return None;
            };
            *self = Self::Done(killing.join().unwrap());
        }
        match self {
            Self::Later(_) => None,
            Self::Done(at) => Some(at.elapsed()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Random numbers, other ones in each run.
pub(crate) struct Numbers {
    random: fastrand::Rng,
    is_odd: bool,
}

impl Numbers {
    pub(crate) fn new() -> Self {
        Self { random: fastrand::Rng::new(), is_odd: false }
    }

    /// Each time the other of both.
    pub(crate) fn toggle(&mut self) -> bool {
        self.is_odd = !self.is_odd;
        self.is_odd
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.random.u64(..limit)
    }
}

/// Octets of a numbered message at least.
const MESSAGE_OCTETS_MIN: usize = 16;

/// A message that tells its number, has a length that depends on it, and a
/// checksum over all.
pub(crate) fn message(number: u64) -> Vec<u8> {
    let extra = usize::try_from(number * 7 % 200).unwrap();
    let mut message = number.to_le_bytes().to_vec();
    message.extend((0..extra).map(|index| u8::try_from((extra + index) % 256).unwrap()));
    let sum = checksum(&message);
    message.extend(sum.to_le_bytes());
    message
}

/// Octets of the longest of these messages.
pub(crate) const MESSAGE_OCTETS_MAX: usize = MESSAGE_OCTETS_MIN + 199;

/// The number of a message, which must be whole.
pub(crate) fn number_of(message: &[u8]) -> u64 {
    let (body, sum) = message.split_last_chunk().expect("a message without a checksum");
    assert_eq!(checksum(body), u64::from_le_bytes(*sum), "a message that is not whole");
    let number = u64::from_le_bytes(*body.first_chunk().expect("a message without a number"));
    let extra = usize::try_from(number * 7 % 200).unwrap();
    assert_eq!(message.len(), MESSAGE_OCTETS_MIN + extra, "a message of another length");
    number
}

/// Fowler, Noll and Vo's FNV-1a.
fn checksum(octets: &[u8]) -> u64 {
    octets.iter().fold(0xCBF2_9CE4_8422_2325, |sum, octet| {
        (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01B3)
    })
}
