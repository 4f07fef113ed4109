//! The indexes of a cassette, from the newest to the oldest, and what came since.

use std::collections::HashMap;

use crate::{
    ReadError, Source,
    cassette::read_record,
    index::{Entry, View, build},
    record::Kind,
};

/// Where exchanges with one key are.
#[derive(Clone, Debug)]
enum Places {
    One(u64),
    Many(Vec<u64>),
}

/// Finds exchanges by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    /// Where the newest index record begins; 0 if there is none.
    pub(crate) last: u64,
    /// Index records, oldest first; `None` until they are asked for the first time.
    views: Option<Vec<View>>,
    /// What no index record has yet.
    recent: HashMap<u64, Places>,
    /// Exchanges in it.
    pub(crate) recent_exchanges: usize,
}

impl Chain {
    /// Nothing but the index records that end with the one at `last`.
    pub(crate) fn of(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// Adds an exchange under its two keys; 0 is none.
    pub(crate) fn add(&mut self, keys: [u64; 2], offset: u64) {
        let [exact, canonical] = keys;
        self.recent_exchanges += 1;
        self.add_one(exact, offset);
        if canonical != exact {
            self.add_one(canonical, offset);
        }
    }

    fn add_one(&mut self, key: u64, offset: u64) {
        if key == 0 {
            return;
        }
        let places = self.recent.entry(key).or_insert(Places::One(offset));
        match places {
            Places::One(first) if *first == offset => {}
            Places::One(first) => *places = Places::Many(vec![*first, offset]),
            Places::Many(all) => all.push(offset),
        }
    }

    /// The payload of the index record that would begin at `at`.
    pub(crate) fn to_payload(&self, at: u64) -> Vec<u8> {
        let mut entries: Vec<Entry> = Vec::with_capacity(self.recent.len());
        for (key, places) in &self.recent {
            match places {
                Places::One(offset) => entries.push((*key, *offset)),
                Places::Many(all) => entries.extend(all.iter().map(|offset| (*key, *offset))),
            }
        }
        build(self.last, at, &mut entries)
    }

    /// An index record at `at` has all that was recent.
    pub(crate) fn spilled(&mut self, at: u64) {
        self.last = at;
        self.recent = HashMap::new();
        self.recent_exchanges = 0;
        self.views = None;
    }

    /// Adds the offsets of the exchanges with a key, in their recorded order.
    pub(crate) fn find(
        &mut self,
        source: &impl Source,
        id: &[u8; 16],
        key: u64,
        places: &mut Vec<u64>,
    ) -> Result<(), ReadError> {
        if key == 0 {
            return Ok(());
        }
        if self.views.is_none() {
            self.views = Some(load(source, id, self.last)?);
        }
        for view in self.views.iter().flatten() {
            view.find(source, key, places)?;
        }
        match self.recent.get(&key) {
            Some(Places::One(offset)) => places.push(*offset),
            Some(Places::Many(all)) => places.extend_from_slice(all),
            None => {}
        }
        places.sort_unstable();
        places.dedup();
        Ok(())
    }
}

/// Checks every index record and keeps where they are.
fn load(source: &impl Source, id: &[u8; 16], last: u64) -> Result<Vec<View>, ReadError> {
    let mut views = Vec::new();
    let (mut octets, mut at) = (Vec::new(), last);
    while at != 0 {
        let record = read_record(source, id, at, &mut octets)?;
        let wrong = ReadError::Content { offset: at };
        if record.head.kind != Kind::INDEX {
            return Err(wrong);
        }
        let view = View::parse(at, record.end(), record.payload()).ok_or(wrong)?;
        // Falling offsets: a chain never turns in a circle.
        if view.previous >= at {
            return Err(ReadError::Content { offset: at });
        }
        at = view.previous;
        views.push(view);
    }
    views.reverse();
    Ok(views)
}
