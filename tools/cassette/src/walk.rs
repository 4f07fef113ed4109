//! Reading records one after the other, over damage too.

use std::io;

use crate::{
    HEAD_OCTETS, Source,
    record::{HEADER_OCTETS, Record, RecordHead},
    recovery::{Damage, Tail},
};

/// Octets that are read at once.
const WINDOW_OCTETS: usize = 256 << 10;

/// Behind damage, checksums of what only looks like a record are computed over so many
/// octets for each octet of the file, and no more: a file made on purpose costs no hours.
const SEARCH_FACTOR: u64 = 16;

/// What stands next.
#[derive(Debug)]
pub enum Step<'a> {
    /// A whole record.
    Record(Record<'a>),
    /// Octets that are no record, with a record behind them.
    Damage(Damage),
    /// The end.
    End(Tail),
}

/// Reads a cassette's records in their order.
#[derive(Debug)]
pub struct Walk<S> {
    source: S,
    id: [u8; 16],
    /// Where the next step begins.
    at: u64,
    /// Octets of the file when the walk began: what comes later is not looked at.
    end: u64,
    /// Octets from `base` on.
    window: Vec<u8>,
    base: u64,
    search_left: u64,
    /// Offset and octets of the record that the last step gave.
    last: Option<(u64, usize)>,
}

impl<S: Source> Walk<S> {
    /// Begins at `at`, a multiple of 8.
    pub(crate) fn new(source: S, id: [u8; 16], at: u64) -> io::Result<Self> {
        let end = source.octets()?;
        let at = at.max(HEAD_OCTETS as u64);
        let search_left = end.saturating_mul(SEARCH_FACTOR);
        Ok(Self { source, id, at, end, window: Vec::new(), base: at, search_left, last: None })
    }

    /// The next record, damage or the end. After the end, the end again.
    ///
    /// # Errors
    ///
    /// What the storage says.
    pub fn step(&mut self) -> io::Result<Step<'_>> {
        if self.at >= self.end {
            return Ok(Step::End(Tail::Clean));
        }
        let from = self.at;
        if let Some(octets) = self.good(from)? {
            self.at = from + octets as u64;
            self.last = Some((from, octets));
            let record = self.last().ok_or(io::ErrorKind::InvalidData)?;
            return Ok(Step::Record(record));
        }
        self.last = None;
        if self.is_zero_from(from)? {
            return Ok(Step::End(Tail::Zeros { from }));
        }
        let mut to = from + 8;
        while to < self.end {
            if self.search_left == 0 {
                let damage = Damage { from, to: self.end };
                self.at = self.end;
                return Ok(Step::Damage(damage));
            }
            if self.good(to)?.is_some() {
                self.at = to;
                return Ok(Step::Damage(Damage { from, to }));
            }
            to += 8;
        }
        Ok(Step::End(Tail::Torn { from }))
    }

    /// Octets of the whole record at an offset, if there is one.
    fn good(&mut self, at: u64) -> io::Result<Option<usize>> {
        if !self.hold(at, HEADER_OCTETS)? {
            return Ok(None);
        }
        let start = self.place(at);
        let head = self.window[start..].first_chunk().and_then(RecordHead::parse);
        let Some((head, _)) = head else { return Ok(None) };
        let octets = head.octets as usize;
        if !self.hold(at, octets)? {
            return Ok(None);
        }
        let start = self.place(at);
        let is_good = Record::parse(&self.window[start..start + octets], &self.id, at).is_some();
        if !is_good {
            self.search_left = self.search_left.saturating_sub(octets as u64);
        }
        Ok(is_good.then_some(octets))
    }

    /// Has `octets` from `at` on in the window; `false` if the file ends before.
    fn hold(&mut self, at: u64, octets: usize) -> io::Result<bool> {
        if at + octets as u64 > self.end {
            return Ok(false);
        }
        let held = self.base + self.window.len() as u64;
        if at >= self.base && at + octets as u64 <= held {
            return Ok(true);
        }
        let left = usize::try_from(self.end - at).unwrap_or(usize::MAX);
        let wanted = octets.max(WINDOW_OCTETS).min(left);
        self.base = at;
        self.window.resize(wanted, 0);
        let read = self.source.read_at(at, &mut self.window);
        if read.is_err() {
            self.window.clear();
        }
        read.map(|()| true)
    }

    fn place(&self, at: u64) -> usize {
        usize::try_from(at - self.base).unwrap_or(usize::MAX)
    }

    fn is_zero_from(&mut self, from: u64) -> io::Result<bool> {
        let mut at = from;
        while at < self.end {
            let left = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            let octets = left.min(WINDOW_OCTETS);
            self.hold(at, octets)?;
            let start = self.place(at);
            if self.window[start..start + octets].iter().any(|octet| *octet != 0) {
                return Ok(false);
            }
            at += octets as u64;
        }
        Ok(true)
    }
}

impl<S> Walk<S> {
    /// The record that the last step gave.
    pub(crate) fn last(&self) -> Option<Record<'_>> {
        let (offset, octets) = self.last?;
        let start = usize::try_from(offset.checked_sub(self.base)?).ok()?;
        let octets = self.window.get(start..start.checked_add(octets)?)?;
        let (head, _) = RecordHead::parse(octets.first_chunk()?)?;
        Some(Record::trusted(octets, head, offset))
    }
}
