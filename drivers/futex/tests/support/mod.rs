//! Child processes that share memory with a test.
#![allow(dead_code, reason = "each test uses its part")]
#![expect(unsafe_code, reason = "maps memory that the child maps as the same type")]

use std::{
    env,
    os::fd::{AsFd, AsRawFd},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::SharedLayout;
use farend_futex::linux::Memory;

/// Says in the environment what a child is to do: role, process, descriptor.
const ROLE: &str = "FAREND_FUTEX_CHILD";

/// Memory of a test that its children map.
pub(crate) struct Arena<T: SharedLayout> {
    memory: Memory,
    pub(crate) value: &'static T,
}

impl<T: SharedLayout> Arena<T> {
    pub(crate) fn new() -> Self {
        let memory = Memory::create::<T>().expect("memory");
        // SAFETY: children map it by `child_value` as the type of their test.
        let value = unsafe { memory.map() }.expect("mapped memory");
        Self { memory, value }
    }

    /// Starts this test's program again as a child that plays `role` in `test`.
    pub(crate) fn spawn(&self, test: &str, role: &str) -> Reaped {
        let fd = self.memory.as_fd().as_raw_fd();
        let child = Command::new(env::current_exe().expect("this program"))
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, format!("{role} {} {fd}", process::id()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("a child");
        Reaped(child)
    }
}

/// A child that does not outlive the test.
pub(crate) struct Reaped(Child);

impl Reaped {
    /// Kills it as `kill -9` does, and leaves what remains as a zombie.
    pub(crate) fn kill_only(&mut self) {
        self.0.kill().expect("a child to kill");
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.kill_only();
        self.0.wait().expect("a child that ended");
    }

    /// Waits until it has ended well.
    pub(crate) fn join(mut self) {
        let end = Instant::now() + Duration::from_mins(1);
        while Instant::now() < end {
            if let Some(status) = self.0.try_wait().expect("a child") {
                assert!(status.success(), "the child failed: {status}");
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("the child hangs");
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// The role and the shared value, if this process is a child of a test.
pub(crate) fn child_value<T: SharedLayout>() -> Option<(String, &'static T)> {
    let wanted = env::var(ROLE).ok()?;
    let mut parts = wanted.split(' ');
    let role = parts.next()?.to_owned();
    let process = parts.next()?.parse().expect("a process");
    let fd = parts.next()?.parse().expect("a descriptor");
    let memory = Memory::open_in(process, fd).expect("the parent's memory");
    // SAFETY: the same test of the same program made it.
    Some((role, unsafe { memory.map() }.expect("mapped memory")))
}

/// Waits until children have counted as far as `wanted`.
pub(crate) fn wait_for_count(count: &AtomicU64, wanted: u64) {
    let end = Instant::now() + Duration::from_secs(20);
    while count.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < end, "the children do not get on");
        thread::yield_now();
    }
}

/// `short`, or `long` if the environment asks for long tests.
pub(crate) fn rounds(short: u32, long: u32) -> u32 {
    if farend_effort::is_long() { long } else { short }
}

/// A small generator of numbers for moments: xorshift.
pub(crate) struct Moments(u64);

impl Moments {
    pub(crate) const fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// A number below `bound`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
