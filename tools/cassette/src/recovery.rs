//! What a walk over the whole file finds, for a file that was not closed well.

use std::{
    collections::{BTreeSet, HashMap},
    io,
};

use crate::{
    Source,
    chain::Chain,
    index::View,
    payload::Exchange,
    record::{Kind, Record},
    walk::{Step, Walk},
};

/// Octets that are no record, with good records behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The first broken octet's record, in octets from the start of the file.
    pub from: u64,
    /// Where the next good record begins, or the end of the file.
    pub to: u64,
}

/// What stands behind the last whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// Zeros, as a file system leaves them that lost power.
    Zeros {
        /// Where they begin.
        from: u64,
    },
    /// A record that was being written when the writer died, or is being written now.
    Torn {
        /// Where it begins.
        from: u64,
    },
}

/// Whether index records are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Trust {
    /// What an index record covers is looked up in it.
    #[default]
    Indexes,
    /// All is taken from the exchanges themselves.
    Exchanges,
}

/// What there is in a file.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) chain: Chain,
    /// Where the last whole record ends.
    pub(crate) end: u64,
    /// The highest number of an exchange.
    pub(crate) exchanges: u64,
    /// Offsets of exchanges in pieces that have no end.
    pub(crate) unfinished: BTreeSet<u64>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) tail: Tail,
}

/// Walks over all records from `from` on.
pub(crate) fn recover(
    source: &impl Source,
    id: [u8; 16],
    from: u64,
    trust: Trust,
) -> io::Result<Recovered> {
    let mut walk = Walk::new(source, id, from)?;
    let mut found = Finder { trust, ..Finder::default() };
    let mut end = from;
    let mut damage = Vec::new();
    let tail = loop {
        match walk.step()? {
            Step::Record(record) => {
                end = record.end();
                found.take(&record);
            }
            Step::Damage(part) => {
                end = part.to;
                damage.push(part);
            }
            Step::End(tail) => break tail,
        }
    };
    let (chain, exchanges, unfinished) = found.finish();
    Ok(Recovered { chain, end, exchanges, unfinished, damage, tail })
}

#[derive(Default)]
struct Finder {
    chain: Chain,
    exchanges: u64,
    /// Keys and offset of what has no end yet, by exchange.
    open: HashMap<u64, ([u64; 2], u64)>,
    trust: Trust,
}

impl Finder {
    fn take(&mut self, record: &Record<'_>) {
        let exchange = record.head.exchange;
        self.exchanges = self.exchanges.max(exchange);
        match record.head.kind {
            Kind::EXCHANGE | Kind::OPEN => {
                let Some(content) = Exchange::parse(record.payload()) else { return };
                let keys = [content.exact, content.canonical];
                if record.head.kind == Kind::EXCHANGE {
                    self.chain.add(keys, record.offset);
                } else {
                    self.open.insert(exchange, (keys, record.offset));
                }
            }
            Kind::END => {
                if let Some((keys, offset)) = self.open.remove(&exchange) {
                    self.chain.add(keys, offset);
                }
            }
            Kind::INDEX if self.trust == Trust::Indexes => {
                let view = View::parse(record.offset, record.end(), record.payload());
                // One behind damage may cover what only this walk has seen: both are kept
                // only if it continues the chain.
                if view.is_some_and(|view| view.previous == self.chain.last) {
                    self.chain.spilled(record.offset);
                }
            }
            _ => {}
        }
    }

    fn finish(mut self) -> (Chain, u64, BTreeSet<u64>) {
        let unfinished: BTreeSet<u64> = self.open.values().map(|(_, offset)| *offset).collect();
        let mut open: Vec<_> = self.open.into_values().collect();
        open.sort_unstable_by_key(|(_, offset)| *offset);
        for (keys, offset) in open {
            self.chain.add(keys, offset);
        }
        (self.chain, self.exchanges, unfinished)
    }
}
