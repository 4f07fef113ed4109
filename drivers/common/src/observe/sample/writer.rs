//! The thread that writes the sample.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use farend_capture::{describe, pcapng};

use super::{Counts, QUEUE_FRAMES, SampledFrame, output::Output};

/// How old a frame gets before it is in the file, and how soon a full file is
/// tried again.
const WRITE_INTERVAL: Duration = Duration::from_millis(200);

/// How soon the end of a run is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Writes copies as they come.
#[derive(Debug)]
pub(super) struct Writer {
    output: Output,
    path: PathBuf,
    counts: Arc<Counts>,
    notice: fn(&str),
    is_failing: bool,
    next_write: Instant,
}

impl Writer {
    /// Writes the head.
    ///
    /// # Errors
    ///
    /// The file's.
    pub(super) fn new(
        file: File,
        path: &Path,
        head: Vec<u8>,
        counts: Arc<Counts>,
        notice: fn(&str),
    ) -> io::Result<Self> {
        let mut output = Output::new(file, head);
        output.write()?;
        let path = path.to_owned();
        Ok(Self { output, path, counts, notice, is_failing: false, next_write: Instant::now() })
    }

    /// Writes until it is to end, or the last who could send a copy is gone;
    /// then what is queued, but no more.
    pub(super) fn run(mut self, copies: &Receiver<SampledFrame>, is_ending: &AtomicBool) {
        // Acquire: pairs with the Release in `Sample::finish`.
        while !is_ending.load(Ordering::Acquire) {
            let wait = if self.output.is_empty() {
                WRITE_INTERVAL
            } else {
                self.next_write.saturating_duration_since(Instant::now())
            };
            let wait = wait.min(LOOK_INTERVAL);
            match copies.recv_timeout(wait) {
                Ok(copy) => self.take(copy),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let is_time = !self.output.is_empty() && Instant::now() >= self.next_write;
            if is_time || (self.output.is_large() && !self.is_failing) {
                self.write();
            }
        }
        // What comes meanwhile does not keep us.
        copies.try_iter().take(QUEUE_FRAMES).for_each(|copy| self.take(copy));
        self.finish();
    }

    fn take(&mut self, copy: SampledFrame) {
        if self.output.is_empty() {
            self.next_write = Instant::now() + WRITE_INTERVAL;
        }
        let is_kept = self.output.push(&pcapng::Packet {
            interface: copy.interface,
            time_unix_ns: copy.time_unix_ns,
            octets: &copy.octets,
            whole_octets: copy.whole_octets,
            direction: copy.direction,
            comment: &describe(copy.verdict),
        });
        if !is_kept {
            self.drop_frames(1);
        }
        // Its sampler may be gone.
        let _ = copy.home.try_send(copy.octets);
    }

    fn write(&mut self) {
        self.next_write = Instant::now() + WRITE_INTERVAL;
        match self.output.write() {
            Ok(frames) => {
                // Relaxed: a count, which orders nothing.
                self.counts.written.fetch_add(frames, Ordering::Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    let path = self.path.display();
                    (self.notice)(&format!("{path}: frames are written again"));
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let path = self.path.display();
                    (self.notice)(&format!(
                        "{path}: {error}: sampled frames are dropped until it can be written again"
                    ));
                }
            }
        }
    }

    fn drop_frames(&self, frames: u64) {
        // Relaxed: a count, which orders nothing.
        self.counts.dropped.fetch_add(frames, Ordering::Relaxed);
    }

    /// Leaves a file that ends with a whole block.
    fn finish(mut self) {
        self.write();
        if self.output.is_empty() {
            return;
        }
        let (written, lost, end, file) = self.output.abandon();
        // Relaxed: counts, which order nothing.
        self.counts.written.fetch_add(written, Ordering::Relaxed);
        self.counts.dropped.fetch_add(lost, Ordering::Relaxed);
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            // Without it, the cut block is left to readers.
            let _ = file.set_len(end);
        }
    }
}
