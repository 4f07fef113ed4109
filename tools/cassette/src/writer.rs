//! The one writer of a cassette.

use std::{collections::HashMap, io};

use crate::{
    AppendError, Cassette, FileHead, HEAD_OCTETS, ReadError, Sink, Tail,
    build::{self, NewExchange, NewRecord},
    chain::Chain,
    index::INDEX_EXCHANGES_MAX,
    payload::Close,
    record::Kind,
};

/// Collects records and appends them by one write.
///
/// Nothing that was added is in the cassette before [`flush`](Self::flush) has returned.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    head: FileHead,
    /// Octets that are whole in the sink: where `buffer` will begin.
    end: u64,
    buffer: Vec<u8>,
    chain: Chain,
    /// Keys and offsets of exchanges that are in `buffer`.
    waiting: Vec<([u64; 2], u64)>,
    /// Keys and offset of exchanges in pieces that have no end yet.
    open: HashMap<u64, ([u64; 2], u64)>,
    exchanges: u64,
    is_closed: bool,
    has_ended: bool,
}

impl<S: Sink> Writer<S> {
    /// Begins a cassette in an empty sink.
    ///
    /// # Errors
    ///
    /// [`AppendError::Io`], also if the sink is not empty.
    pub fn create(mut sink: S, head: FileHead) -> Result<Self, AppendError> {
        if sink.octets()? != 0 {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
        }
        sink.write_at(0, &head.to_octets())?;
        Ok(Self {
            sink,
            head,
            end: HEAD_OCTETS as u64,
            buffer: Vec::new(),
            chain: Chain::default(),
            waiting: Vec::new(),
            open: HashMap::new(),
            exchanges: 0,
            is_closed: false,
            has_ended: false,
        })
    }

    /// Goes on behind the last whole record. Only a torn tail or zeros are cut; damage
    /// with good records behind it stays as it is.
    ///
    /// # Errors
    ///
    /// [`AppendError::Io`].
    pub fn resume(cassette: Cassette<S>) -> Result<Self, AppendError> {
        let Cassette { source: mut sink, head, chain, end, exchanges, tail, is_closed, .. } =
            cassette;
        let end = match tail {
            Tail::Zeros { from } | Tail::Torn { from } => {
                sink.cut(from)?;
                from
            }
            // Damage up to the end may stop anywhere.
            Tail::Clean => {
                let aligned = end.next_multiple_of(8);
                let missing = usize::try_from(aligned - end).unwrap_or(0);
                if missing != 0 {
                    sink.write_at(end, &[0; 8][..missing])?;
                }
                aligned
            }
        };
        Ok(Self {
            sink,
            head,
            end,
            buffer: Vec::new(),
            chain,
            waiting: Vec::new(),
            open: HashMap::new(),
            exchanges,
            is_closed,
            has_ended: false,
        })
    }

    /// The file's head.
    #[must_use]
    pub fn head(&self) -> &FileHead {
        &self.head
    }

    /// Numbers of exchanges that were given out.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Octets that wait for [`flush`](Self::flush).
    #[must_use]
    pub fn waiting_octets(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the storage refused earlier: nothing is recorded any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The number of the next exchange.
    pub fn next_exchange(&mut self) -> u64 {
        self.exchanges += 1;
        self.exchanges
    }

    /// Adds a whole exchange.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; after `TooLong` others can be added.
    pub fn exchange(&mut self, new: &NewExchange<'_>) -> Result<(), AppendError> {
        let offset = self.add_exchange(Kind::EXCHANGE, new)?;
        self.waiting.push(([new.content.exact, new.content.canonical], offset));
        Ok(())
    }

    /// Adds the beginning of an exchange in pieces.
    ///
    /// # Errors
    ///
    /// Like [`exchange`](Self::exchange).
    pub fn open(&mut self, new: &NewExchange<'_>) -> Result<(), AppendError> {
        let offset = self.add_exchange(Kind::OPEN, new)?;
        self.open.insert(new.exchange, ([new.content.exact, new.content.canonical], offset));
        Ok(())
    }

    /// Adds another record: settings, or a part of an exchange that is open.
    ///
    /// # Errors
    ///
    /// Like [`exchange`](Self::exchange).
    pub fn record(&mut self, new: &NewRecord<'_>) -> Result<u64, AppendError> {
        if self.has_ended {
            return Err(AppendError::Ended);
        }
        let offset = self.next_offset();
        build::record(&mut self.buffer, self.end, &self.head.id, new)
            .ok_or(AppendError::TooLong)?;
        if new.kind == Kind::END
            && let Some(found) = self.open.remove(&new.exchange)
        {
            self.waiting.push(found);
        }
        Ok(offset)
    }

    /// Appends all that was added, by one write.
    ///
    /// # Errors
    ///
    /// [`AppendError::Io`]: what was added since the last time is not in the cassette,
    /// what was whole before is, and nothing is recorded any more.
    pub fn flush(&mut self) -> Result<(), AppendError> {
        if self.has_ended {
            return Err(AppendError::Ended);
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.write()?;
        for (keys, offset) in self.waiting.drain(..) {
            self.chain.add(keys, offset);
        }
        if self.chain.recent_exchanges >= INDEX_EXCHANGES_MAX {
            self.spill()?;
        }
        Ok(())
    }

    /// Writes the index and the record that closes the file, and waits until all of it
    /// survives a loss of power.
    ///
    /// # Errors
    ///
    /// Like [`flush`](Self::flush).
    pub fn close(mut self, time_ns: u64) -> Result<S, AppendError> {
        self.flush()?;
        if !self.is_closed {
            if self.chain.recent_exchanges > 0 {
                self.spill()?;
            }
            let close = Close { last_index: self.chain.last, exchanges: self.exchanges };
            self.add_plain(Kind::CLOSE, time_ns, &close.to_octets())?;
            self.write()?;
        }
        self.sink.sync()?;
        Ok(self.sink)
    }

    /// Waits until what was flushed survives a loss of power.
    ///
    /// # Errors
    ///
    /// What the storage says.
    pub fn sync(&mut self) -> io::Result<()> {
        self.sink.sync()
    }

    /// Adds the offsets of the flushed exchanges with a key, in their recorded order,
    /// like [`Cassette::find`].
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn find(&mut self, key: u64, places: &mut Vec<u64>) -> Result<(), ReadError> {
        self.chain.find(&self.sink, &self.head.id, key, places)
    }

    /// The storage, for readers of what was flushed.
    #[must_use]
    pub fn storage(&self) -> &S {
        &self.sink
    }

    fn next_offset(&self) -> u64 {
        self.end + self.buffer.len() as u64
    }

    fn add_exchange(&mut self, kind: Kind, new: &NewExchange<'_>) -> Result<u64, AppendError> {
        if self.has_ended {
            return Err(AppendError::Ended);
        }
        let offset = self.next_offset();
        build::exchange(&mut self.buffer, self.end, &self.head.id, kind, new)
            .ok_or(AppendError::TooLong)?;
        self.exchanges = self.exchanges.max(new.exchange);
        Ok(offset)
    }

    fn add_plain(&mut self, kind: Kind, time_ns: u64, payload: &[u8]) -> Result<(), AppendError> {
        let new = NewRecord {
            kind,
            flags: 0,
            connection: 0,
            exchange: 0,
            time_ns,
            payload: [payload, &[]],
        };
        build::record(&mut self.buffer, self.end, &self.head.id, &new).ok_or(AppendError::TooLong)
    }

    /// Makes an index record of what is recent. The buffer is empty.
    fn spill(&mut self) -> Result<(), AppendError> {
        let offset = self.next_offset();
        let payload = self.chain.to_payload(offset);
        self.add_plain(Kind::INDEX, 0, &payload)?;
        self.write()?;
        self.chain.spilled(offset);
        Ok(())
    }

    fn write(&mut self) -> Result<(), AppendError> {
        if let Err(error) = self.sink.write_at(self.end, &self.buffer) {
            self.has_ended = true;
            self.buffer = Vec::new();
            // What cannot even be cut is a torn tail, which every reader passes over.
            let _cut = self.sink.cut(self.end);
            return Err(error.into());
        }
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        self.is_closed = false;
        Ok(())
    }
}
