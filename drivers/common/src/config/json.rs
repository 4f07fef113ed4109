//! JSON to a document.

use serde_json::{Map, Value as Json};

use super::{
    Fault,
    document::{Node, Table, Value},
};

/// Reads keys with their values.
pub(super) fn table(object: &Map<String, Json>) -> Result<Table, Fault> {
    let mut table = Table::default();
    for (key, value) in object {
        let node = node(key, value)?;
        table.insert(key.clone(), 0, node)?;
    }
    Ok(table)
}

fn node(key: &str, value: &Json) -> Result<Node, Fault> {
    let value = match value {
        Json::Array(values) => {
            let nodes = values.iter().map(|value| match value {
                Json::Array(_) | Json::Object(_) | Json::Null => Err(odd(key)),
                value => node(key, value),
            });
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        Json::Null | Json::Object(_) => return Err(odd(key)),
        Json::String(text) => Value::Scalar(text.clone()),
        scalar @ (Json::Bool(_) | Json::Number(_)) => Value::Scalar(scalar.to_string()),
    };
    Ok(Node { line: 0, value })
}

fn odd(key: &str) -> Fault {
    let message = "expected text, a number, true, false, or a list of these".to_owned();
    Fault { line: None, key: key.to_owned(), message }
}
