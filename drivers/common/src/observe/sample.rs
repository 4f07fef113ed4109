//! Every Nth frame, to a pcapng file.
//!
//! Workers put copies into a queue of bounded size; one thread writes them. A
//! worker never waits for it: where the queue is full or its copies have not
//! come back, the frame is not sampled, which is counted.

mod output;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    time::Duration,
};

use farend_capture::pcapng::{self, Direction};
use farend_core::Verdict;

use self::writer::Writer;
use super::Settings;
use crate::{privileges, values::SampleOf};

/// Frames that wait to be written at most, of all workers.
const QUEUE_FRAMES: usize = 1_024;

/// Copies that one worker has under way at most. With whole frames of 64 KiB
/// that is 16 MiB, with those of an Ethernet less than half a MiB.
const COPIES_MAX: usize = 256;

/// How long the end of a run waits for the file, which may be on a disk that
/// does not answer.
const FINISH_TIMEOUT: Duration = Duration::from_secs(3);

/// What became of sampled frames, over all workers.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Frames in the file.
    pub(super) written: AtomicU64,
    /// Frames that were due and did not get there.
    pub(super) dropped: AtomicU64,
}

/// One frame on its way to the file.
#[derive(Debug)]
struct SampledFrame {
    /// Place of the interface in the file.
    interface: u32,
    time_unix_ns: u64,
    verdict: Verdict,
    direction: Direction,
    whole_octets: u32,
    octets: Vec<u8>,
    /// Where the memory goes afterwards.
    home: SyncSender<Vec<u8>>,
}

/// The file and its thread.
#[derive(Debug)]
pub(super) struct Sample {
    sampler_factory: SamplerFactory,
    is_ending: Arc<AtomicBool>,
    finished: Receiver<()>,
}

/// Makes the sampler of each worker.
#[derive(Clone, Debug)]
pub(super) struct SamplerFactory {
    queue: SyncSender<SampledFrame>,
    counts: Arc<Counts>,
    every: u32,
    of: SampleOf,
    has_answers: bool,
    octets_max: usize,
}

impl Sample {
    /// Opens the file and writes its head; a sample must be asked for.
    ///
    /// # Errors
    ///
    /// One line on what is wrong with the file.
    pub(super) fn start(
        settings: &Settings,
        application: &str,
        interfaces: &[String],
        notice: fn(&str),
    ) -> Result<Option<Self>, String> {
        let (Some(every), Some(path)) = (settings.sample, &settings.sample_file) else {
            return Ok(None);
        };
        let file = farend_capture::create_file(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let mut head = Vec::new();
        pcapng::write_section(&mut head, application);
        for interface in interfaces {
            pcapng::write_interface(&mut head, interface, settings.sample_octets.0);
        }
        let counts = Arc::new(Counts::default());
        let (queue, copies) = mpsc::sync_channel(QUEUE_FRAMES);
        let (finish, finished) = mpsc::sync_channel(1);
        let writer =
            Writer::new(file, path, head, Arc::clone(&counts), notice).map_err(|error| {
                format!("{}: cannot be written: {error}; name another file", path.display())
            })?;
        let is_ending = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_ending);
        let spawned = privileges::spawn("sample", move || {
            writer.run(&copies, &asked);
            // Nobody may be there to hear it any more.
            let _ = finish.try_send(());
        });
        spawned.map_err(|error| format!("cannot start a thread: {error}"))?;
        let sampler_factory = SamplerFactory {
            queue,
            counts,
            every: every.0.get(),
            of: settings.sample_of,
            has_answers: settings.sample_answers,
            octets_max: settings.sample_octets.0 as usize,
        };
        Ok(Some(Self { sampler_factory, is_ending, finished }))
    }

    /// Makes the sampler of each worker.
    pub(super) const fn sampler_factory(&self) -> &SamplerFactory {
        &self.sampler_factory
    }

    /// What became of the frames so far.
    pub(super) fn counts(&self) -> &Counts {
        &self.sampler_factory.counts
    }

    /// Writes what is queued and closes the file; no more is sampled by then.
    /// Gives whether it came to that.
    pub(super) fn finish(self) -> (Arc<Counts>, bool) {
        let Self { sampler_factory, is_ending, finished } = self;
        // Release: pairs with the Acquire in `Writer::run`.
        is_ending.store(true, Ordering::Release);
        let outcome = finished.recv_timeout(FINISH_TIMEOUT);
        (sampler_factory.counts, outcome != Err(RecvTimeoutError::Timeout))
    }
}

impl SamplerFactory {
    /// What one worker samples with.
    pub(super) fn sampler(&self, interface: u32) -> Sampler {
        // As large as there are copies, so one that comes home never waits.
        let (home, blank) = mpsc::sync_channel(COPIES_MAX);
        Sampler {
            queue: self.queue.clone(),
            home,
            blank,
            spare: None,
            made: 0,
            counts: Arc::clone(&self.counts),
            interface,
            every: self.every,
            skip: 0,
            of: self.of,
            has_answers: self.has_answers,
            octets_max: self.octets_max,
        }
    }
}

/// One worker's share in the sample.
#[derive(Debug)]
pub(super) struct Sampler {
    queue: SyncSender<SampledFrame>,
    home: SyncSender<Vec<u8>>,
    blank: Receiver<Vec<u8>>,
    /// Memory that was looked for and not yet used.
    spare: Option<Vec<u8>>,
    /// Copies made so far.
    made: usize,
    counts: Arc<Counts>,
    interface: u32,
    every: u32,
    /// Frames that are still left out.
    skip: u32,
    of: SampleOf,
    has_answers: bool,
    pub(super) octets_max: usize,
}

impl Sampler {
    /// Whether the next frame of the wanted kind is sampled.
    #[inline]
    pub(super) const fn is_due(&self) -> bool {
        self.skip == 0
    }

    /// Takes a frame that was judged: `received` is what it was before, if it
    /// was due, and `sent` what it is now.
    #[inline]
    pub(super) fn judged(
        &mut self,
        received: &[u8],
        sent: &[u8],
        whole_octets: usize,
        verdict: Verdict,
        time_unix_ns: impl FnOnce() -> u64,
    ) {
        if !self.of.has(verdict) {
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.skip = self.every - 1;
        let time_unix_ns = time_unix_ns();
        self.put(received, whole_octets, verdict, time_unix_ns, Direction::Inbound);
        if self.has_answers && verdict.is_sent() {
            self.put(sent, whole_octets, verdict, time_unix_ns, Direction::Outbound);
        }
    }

    /// Takes a frame that somebody else has chosen.
    pub(super) fn chosen(
        &mut self,
        octets: &[u8],
        whole_octets: u32,
        verdict: Verdict,
        time_unix_ns: u64,
    ) {
        let whole_octets = whole_octets as usize;
        self.put(octets, whole_octets, verdict, time_unix_ns, Direction::Inbound);
    }

    /// Whether there is memory for a copy.
    pub(super) fn has_room(&mut self) -> bool {
        if self.spare.is_none() {
            self.spare = self.blank();
        }
        self.spare.is_some()
    }

    /// Counts frames that were due and not sampled.
    pub(super) fn lose(&self, frames: u64) {
        // Relaxed: a count, which orders nothing.
        self.counts.dropped.fetch_add(frames, Ordering::Relaxed);
    }

    fn put(
        &mut self,
        octets: &[u8],
        whole_octets: usize,
        verdict: Verdict,
        time_unix_ns: u64,
        direction: Direction,
    ) {
        let Some(mut copy) = self.blank() else {
            self.lose(1);
            return;
        };
        copy.clear();
        copy.extend_from_slice(octets.get(..self.octets_max).unwrap_or(octets));
        let copy = SampledFrame {
            interface: self.interface,
            time_unix_ns,
            verdict,
            direction,
            whole_octets: u32::try_from(whole_octets).unwrap_or(u32::MAX),
            octets: copy,
            home: self.home.clone(),
        };
        if let Err(TrySendError::Full(copy) | TrySendError::Disconnected(copy)) =
            self.queue.try_send(copy)
        {
            // There is room for every copy there is.
            let _ = self.home.try_send(copy.octets);
            self.lose(1);
        }
    }

    /// Memory for a copy, if not all of it is under way.
    fn blank(&mut self) -> Option<Vec<u8>> {
        if let Some(spare) = self.spare.take() {
            return Some(spare);
        }
        if let Ok(blank) = self.blank.try_recv() {
            return Some(blank);
        }
        if self.made == COPIES_MAX {
            return None;
        }
        self.made += 1;
        Some(Vec::new())
    }
}

#[cfg(test)]
mod tests;
