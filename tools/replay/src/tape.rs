//! The cassette that is being recorded, shared by all reactors.

use std::{
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use farend_cassette::{
    AppendError, Cassette, FLAG_REDACTED, FileHead, Kind, NewRecord, RULE_SET, Source as _, Writer,
    file::CassetteFile,
};

use crate::settings::Settings;

pub(crate) struct Tape {
    writer: Mutex<Writer<CassetteFile>>,
    /// When the clock below was read, in nanoseconds since the file was made.
    base_ns: u64,
    base: Instant,
    has_ended: AtomicBool,
    connections: AtomicU64,
}

impl Tape {
    /// Makes the cassette, or goes on with it.
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self> {
        let file = CassetteFile::append(path).with_context(|| path.display().to_string())?;
        let now_ns = since_1970_ns();
        let is_new = file.octets()? == 0;
        let (mut writer, created_ns) = if is_new {
            let flags = if settings.redacts { FLAG_REDACTED } else { 0 };
            let id = fastrand::u128(..).to_le_bytes();
            let head = FileHead { flags, id, created_ns: now_ns, rule_set: RULE_SET };
            (Writer::create(file, head)?, now_ns)
        } else {
            let cassette = Cassette::open(file).with_context(|| path.display().to_string())?;
            let created_ns = cassette.head().created_ns;
            (Writer::resume(cassette)?, created_ns)
        };
        let base_ns = now_ns.saturating_sub(created_ns);
        let text = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "mode": settings.mode.name(),
            "redacted": settings.redacts,
        });
        writer.record(&NewRecord {
            kind: Kind::SETTINGS,
            flags: 0,
            connection: 0,
            exchange: 0,
            time_ns: base_ns,
            payload: [text.to_string().as_bytes(), &[]],
        })?;
        writer.flush()?;
        Ok(Self {
            writer: Mutex::new(writer),
            base_ns,
            base: Instant::now(),
            has_ended: AtomicBool::new(false),
            connections: AtomicU64::new(0),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Writer<CassetteFile>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nanoseconds since the file was made.
    pub(crate) fn at_ns(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.base).as_nanos();
        self.base_ns.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    pub(crate) fn next_connection(&self) -> u32 {
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Appends what was added; tells once if the storage refuses. Answers go on.
    pub(crate) fn flush(&self) {
        if self.has_ended.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.lock().flush() {
            self.end(&error);
        }
    }

    /// Notes that something could not be recorded.
    pub(crate) fn failed(&self, error: &AppendError) {
        if !matches!(error, AppendError::TooLong) {
            self.end(error);
        }
    }

    fn end(&self, error: &AppendError) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            crate::say::line(&format!("recording ends: the cassette {error}; answers go on"));
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Ends the file well.
    pub(crate) fn close(self) -> Result<()> {
        let time_ns = self.at_ns(Instant::now());
        let writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        if writer.has_ended() {
            anyhow::bail!("the cassette is not complete: the storage refused");
        }
        writer.close(time_ns)?;
        Ok(())
    }
}

fn since_1970_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
