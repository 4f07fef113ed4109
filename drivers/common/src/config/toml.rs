//! TOML to a document.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Fault,
    document::{DEPTH_MAX, Node, Table, Value},
};

/// Reads TOML text.
pub(super) fn parse(text: &str) -> Result<Table, Fault> {
    let document = DeTable::parse(text).map_err(|error| Fault {
        line: error.span().map(|span| line_of(text, span.start)),
        key: String::new(),
        message: format!("is not TOML: {}", error.message().replace('\n', ", ")),
    })?;
    table(text, document.get_ref(), 0)
}

fn table(text: &str, from: &DeTable<'_>, depth: usize) -> Result<Table, Fault> {
    let mut entries: Vec<_> = from.iter().collect();
    // The order of the file, so that the first of two errors is told.
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut to = Table::default();
    for (key, value) in entries {
        let line = line_of(text, key.span().start);
        to.insert(key.get_ref().to_string(), line, node(text, value, depth)?)?;
    }
    Ok(to)
}

fn node(text: &str, from: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Fault> {
    let line = line_of(text, from.span().start);
    if depth >= DEPTH_MAX {
        let message = "tables stand too deep in one another".to_owned();
        return Err(Fault { line: Some(line), key: String::new(), message });
    }
    let value = match from.get_ref() {
        DeValue::String(text) => Value::Scalar(text.to_string()),
        DeValue::Integer(number) => Value::Scalar(number.to_string()),
        DeValue::Float(number) => Value::Scalar(number.to_string()),
        DeValue::Boolean(flag) => Value::Scalar(flag.to_string()),
        DeValue::Datetime(time) => Value::Scalar(time.to_string()),
        DeValue::Array(array) => {
            let nodes = array.iter().map(|value| node(text, value, depth + 1));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::Table(inner) => Value::Table(table(text, inner, depth + 1)?),
    };
    Ok(Node { line, value })
}

/// The line, from 1, of the octet at this offset.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|octet| *octet == b'\n').count()
}
