//! How soon a thread that sleeps in poll(2) is awake: what the first frame
//! after a pause waits for.

use std::{
    io,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use farend_driver::privileges;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{read, write},
};

use super::queues;

/// Times that it is measured.
pub(super) const ROUNDS: usize = 15;

/// Between two of them: long enough for the CPU to go to sleep.
const PAUSE: Duration = Duration::from_millis(2);

/// Longer than this, and the thread has failed.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Measures the median on this CPU.
pub(super) fn measure(cpu: u32) -> io::Result<Duration> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let (sender, receiver) = mpsc::channel();
    let mut times = thread::scope(|scope| {
        let sleeper = thread::Builder::new().spawn_scoped(scope, || -> io::Result<()> {
            // It needs none; a kernel that refuses leaves them as they are.
            let _ = privileges::drop_of_thread();
            queues::pin(cpu)?;
            for _ in 0..ROUNDS {
                let mut waiting = [PollFd::new(&bell, PollFlags::IN)];
                let rings = poll(&mut waiting, Some(&PATIENCE))?;
                let awake = Instant::now();
                if rings == 0 {
                    break;
                }
                // Before the answer, after which it may ring again.
                read(&bell, &mut [0; 8])?;
                if sender.send(awake).is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            thread::sleep(PAUSE);
            let rung = Instant::now();
            write(&bell, &1_u64.to_ne_bytes())?;
            let Ok(awake) = receiver.recv_timeout(Duration::from_secs(1)) else { break };
            times.push(awake.saturating_duration_since(rung));
        }
        sleeper.join().unwrap_or_else(|_| Err(io::Error::other("the thread failed")))?;
        Ok::<_, io::Error>(times)
    })?;
    times.sort_unstable();
    times.get(times.len() / 2).copied().ok_or_else(|| io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_awake_within_a_tenth_of_a_second() {
        let cpu = queues::cpus(None).unwrap()[0];
        assert!(measure(cpu).unwrap() < Duration::from_millis(100));
    }
}
