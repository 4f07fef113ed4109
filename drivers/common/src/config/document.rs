//! A document of either form: tables, lists and scalars, each with its line.

use std::str::FromStr;

use super::Fault;
use crate::values::Expected;

/// Tables and lists in one another at most.
pub(super) const DEPTH_MAX: usize = 8;

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value. Scalars stay text: what they mean depends on the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Scalar(String),
    List(Vec<Node>),
    Table(Table),
    /// A key without a value, as YAML has it.
    Nothing,
}

/// Keys with their values, in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
}

/// A key, with the tables it stands in and dots between, and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

impl Table {
    /// Adds a key, which must be new.
    pub(super) fn insert(&mut self, key: String, line: usize, node: Node) -> Result<(), Fault> {
        if let Some(before) = self.entries.iter().find(|entry| entry.key == key) {
            let message = format!("stands in line {} already: remove one", before.line);
            return Err(Fault { line: Some(line), key, message });
        }
        self.entries.push(Entry { key, line, node });
        Ok(())
    }

    /// All keys: those of tables follow their table, named `table.key`.
    pub(super) fn flat(&self) -> Vec<Entry> {
        let mut flat = Vec::new();
        for entry in &self.entries {
            flat.push(entry.clone());
            if let Value::Table(table) = &entry.node.value {
                for mut inner in table.flat() {
                    inner.key = format!("{}.{}", entry.key, inner.key);
                    flat.push(inner);
                }
            }
        }
        flat
    }
}

impl Entry {
    /// The key, with the tables it stands in and dots between.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// An error about this key's value.
    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { line: Some(self.node.line), key: self.key.clone(), message: message.into() }
    }

    /// The value's text.
    pub(crate) fn text(&self) -> Result<&str, Fault> {
        match &self.node.value {
            Value::Scalar(text) => Ok(text),
            _ => Err(self.fault("expected one value, no list and no table")),
        }
    }

    /// The value, as whatever is read from text.
    pub(crate) fn parse<T: FromStr<Err = Expected>>(&self) -> Result<T, Fault> {
        self.parse_with(str::parse)
    }

    /// As [`parse`](Self::parse), with a reader that is given.
    pub(crate) fn parse_with<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, Expected>,
    ) -> Result<T, Fault> {
        let text = self.text()?;
        parse(text).map_err(|expected| self.fault(format!("{text:?}: {expected}")))
    }

    /// The texts of a list, or of one value as a list of one.
    pub(crate) fn texts(&self) -> Result<Vec<&str>, Fault> {
        match &self.node.value {
            Value::Scalar(text) => Ok(vec![text]),
            Value::List(nodes) => nodes.iter().map(|node| self.text_of(node)).collect(),
            _ => Err(self.fault("expected a list of values")),
        }
    }

    /// The values of a list.
    pub(crate) fn list<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, Expected>,
    ) -> Result<Vec<T>, Fault> {
        let read = |line: usize, text: &str| {
            parse(text).map_err(|expected| Fault {
                line: Some(line),
                key: self.key.clone(),
                message: format!("{text:?}: {expected}"),
            })
        };
        match &self.node.value {
            Value::List(nodes) => {
                nodes.iter().map(|node| read(node.line, self.text_of(node)?)).collect()
            }
            _ => self.texts()?.into_iter().map(|text| read(self.node.line, text)).collect(),
        }
    }

    fn text_of<'node>(&self, node: &'node Node) -> Result<&'node str, Fault> {
        match &node.value {
            Value::Scalar(text) => Ok(text),
            _ => Err(Fault {
                line: Some(node.line),
                key: self.key.clone(),
                message: "expected a list of plain values".to_owned(),
            }),
        }
    }
}
