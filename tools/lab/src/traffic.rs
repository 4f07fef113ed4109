//! Traffic at the rate of the wire, made and counted inside the kernel.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use aya::programs::XdpMode;

use crate::{
    Host, Lab,
    kernel::{Attached, Program},
};

/// Longest wait for frames that are still under way, in milliseconds.
const STRAGGLERS_MS: u64 = 200;

/// Sends copies of one frame.
#[derive(Debug)]
pub struct Source {
    program: Program,
    frame: Vec<u8>,
}

impl Source {
    /// Makes a source of copies of this frame.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, or the frame is shorter than 56 octets.
    pub fn new(frame: &[u8]) -> Result<Self> {
        let program = Program::traffic("farend_source", frame, frame)?;
        Ok(Self { program, frame: frame.to_vec() })
    }

    /// Sends so many copies out of a host's interface, as fast as it goes.
    /// Returns when the kernel took the last one.
    ///
    /// Each call costs milliseconds: make few long ones.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn send(&self, host: &Host, frames: u32) -> Result<()> {
        self.program.send_live(host, &self.frame, frames)
    }
}

/// Sends frames of one flow from the near host and counts there what comes
/// back as expected.
#[derive(Debug)]
pub struct Traffic<'lab> {
    lab: &'lab Lab,
    source: Source,
    counter: Attached,
}

/// What became of the frames of one call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tally {
    /// Frames that the near host sent.
    pub sent: u64,
    /// Frames that came back as expected.
    pub returned: u64,
    /// Those of them that came before `duration` had passed.
    pub returned_in_time: u64,
    /// Other frames that came.
    pub others: u64,
    /// From the first frame sent until the last one was taken by the wire.
    pub duration: Duration,
}

impl Tally {
    /// Frames that came back as expected, in a second: stragglers are not among
    /// them, because the clock has stopped when they come.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
    pub fn returned_per_second(&self) -> f64 {
        self.returned_in_time as f64 / self.duration.as_secs_f64()
    }
}

impl<'lab> Traffic<'lab> {
    /// Makes source and counter; the counter is attached to the near host.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, or a frame is shorter than 56 octets.
    pub fn new(lab: &'lab Lab, sent: &[u8], expected: &[u8]) -> Result<Self> {
        let source = Source::new(sent)?;
        let counter = Program::traffic("farend_count", sent, expected)?;
        let counter = counter.attach(&lab.near, XdpMode::Driver)?;
        Ok(Self { lab, source, counter })
    }

    /// Sends so many frames as fast as it goes and counts what comes back.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn send(&self, frames: u32) -> Result<Tally> {
        let [returned_before, others_before] = self.counter.program().counts()?;
        let start = Instant::now();
        self.source.send(&self.lab.near, frames)?;
        // Counted before the clock is read: what comes between is in neither.
        let in_time = self.counter.program().counts()?;
        let duration = start.elapsed();
        let mut counts = in_time;
        loop {
            thread::sleep(Duration::from_millis(STRAGGLERS_MS / 10));
            let now = self.counter.program().counts()?;
            if now == counts || start.elapsed() > duration + Duration::from_millis(STRAGGLERS_MS) {
                counts = now;
                break;
            }
            counts = now;
        }
        let [returned, others] = counts;
        Ok(Tally {
            sent: u64::from(frames),
            returned: returned - returned_before,
            returned_in_time: in_time[0] - returned_before,
            others: others - others_before,
            duration,
        })
    }
}

#[cfg(test)]
mod tests {
    use farend_core::{Policy, reflect};

    use super::*;
    use crate::{Wire, frames::Flow, is_skipped_without_root};

    #[test]
    fn every_frame_sent_in_the_kernel_comes_back_reflected() {
        if is_skipped_without_root() {
            return;
        }
        let lab = Lab::new(Wire::default()).unwrap();
        let policy = Policy::builder().own_mac(lab.far.mac).build().unwrap();
        let reflector = Program::reflect(&policy).unwrap();
        let reflector = reflector.attach(&lab.far, XdpMode::Driver).unwrap();
        let sent = Flow::ipv4(lab.near.mac, lab.far.mac).frame(64);
        let mut expected = sent.clone();
        let _reflected = reflect(&mut expected[..], &policy, &mut ());
        let traffic = Traffic::new(&lab, &sent, &expected).unwrap();
        // A busy machine may let the ring between the hosts overflow.
        let attempts = (0..5).map(|_| traffic.send(100_000).unwrap());
        let attempts = attempts.inspect(|tally| assert!(tally.returned_in_time <= tally.returned));
        let whole = attempts.take_while(|tally| tally.returned < tally.sent).count() < 5;
        assert!(whole, "frames were lost in each of five attempts");
        assert!(reflector.program().counters().unwrap().reflected() >= 100_000);
    }
}
