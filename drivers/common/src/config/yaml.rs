//! YAML to a document: one document of mappings, sequences and scalars. What
//! no configuration needs (anchors, tags, several documents) is refused.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{
    Fault,
    document::{DEPTH_MAX, Node, Table, Value},
};

/// Reads YAML text.
pub(super) fn parse(text: &str) -> Result<Table, Fault> {
    let mut events = Events(Parser::new_from_str(text));
    loop {
        let (line, event) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            // Nothing at all is a table without keys.
            Event::StreamEnd => return Ok(Table::default()),
            Event::MappingStart(anchor, tag) => {
                plain(line, anchor, tag.is_some())?;
                let table = events.table(0)?;
                return events.end().map(|()| table);
            }
            // A document without content.
            Event::Scalar(text, ScalarStyle::Plain, ..) if is_nothing(&text) => {
                return events.end().map(|()| Table::default());
            }
            _ => return Err(fault(line, "expected keys with values: \"key: value\"")),
        }
    }
}

struct Events<'text>(Parser<'text, saphyr_parser::StrInput<'text>>);

impl<'text> Events<'text> {
    /// The next event and its line.
    fn next(&mut self) -> Result<(usize, Event<'text>), Fault> {
        match self.0.next() {
            Some(Ok((event, span))) => Ok((line_of(&span), event)),
            Some(Err(error)) => {
                let message = format!("is not YAML: {}", error.info());
                Err(fault(error.marker().line(), message))
            }
            None => Ok((0, Event::StreamEnd)),
        }
    }

    /// The keys and values up to the end of the mapping that has begun.
    fn table(&mut self, depth: usize) -> Result<Table, Fault> {
        let mut table = Table::default();
        loop {
            let (line, event) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(table),
                Event::Scalar(key, _, anchor, tag) => {
                    plain(line, anchor, tag.is_some())?;
                    key.into_owned()
                }
                _ => return Err(fault(line, "expected a key that is plain text")),
            };
            let node = self.node(depth + 1)?;
            table.insert(key, line, node)?;
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Fault> {
        let (line, event) = self.next()?;
        self.node_of(line, event, depth)
    }

    fn node_of(&mut self, line: usize, event: Event<'_>, depth: usize) -> Result<Node, Fault> {
        if depth > DEPTH_MAX {
            return Err(fault(line, "keys stand too deep in one another"));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                plain(line, anchor, tag.is_some())?;
                if style == ScalarStyle::Plain && is_nothing(&text) {
                    Value::Nothing
                } else {
                    Value::Scalar(text.into_owned())
                }
            }
            Event::MappingStart(anchor, tag) => {
                plain(line, anchor, tag.is_some())?;
                Value::Table(self.table(depth)?)
            }
            Event::SequenceStart(anchor, tag) => {
                plain(line, anchor, tag.is_some())?;
                let mut nodes = Vec::new();
                loop {
                    match self.next()? {
                        (_, Event::SequenceEnd) => break,
                        (line, event) => nodes.push(self.node_of(line, event, depth + 1)?),
                    }
                }
                Value::List(nodes)
            }
            Event::Alias(_) => return Err(fault(line, "anchors and aliases are not taken")),
            _ => return Err(fault(line, "expected a value")),
        };
        Ok(Node { line, value })
    }

    /// Refuses a second document.
    fn end(&mut self) -> Result<(), Fault> {
        loop {
            match self.next()? {
                (_, Event::StreamEnd) => return Ok(()),
                (_, Event::DocumentEnd) => {}
                (line, _) => return Err(fault(line, "a second document begins: keep one")),
            }
        }
    }
}

/// Refuses an anchor and a tag.
fn plain(line: usize, anchor: usize, has_tag: bool) -> Result<(), Fault> {
    if anchor != 0 || has_tag {
        return Err(fault(line, "anchors and tags are not taken"));
    }
    Ok(())
}

fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null")
}

fn line_of(span: &Span) -> usize {
    span.start.line()
}

fn fault(line: usize, message: impl Into<String>) -> Fault {
    Fault { line: Some(line), key: String::new(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_configuration_is_an_error_with_its_line() {
        for (text, line) in [
            ("- a\n- b", 1),
            ("a: 1\na: 2", 2),
            ("a: &x 1\nb: *x", 1),
            ("a: *x", 1),
            ("a: !!str 1", 1),
            ("a: 1\n---\nb: 2", 2),
            ("a: [1, 2", 2),
            ("a:\n\t- b", 2),
            ("? [a]\n: b", 1),
            ("a: {b: {c: {d: {e: {f: {g: {h: {i: {j: 1}}}}}}}}}", 1),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, Some(line), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn an_empty_text_has_no_keys() {
        for text in ["", "# nothing", "---", "---\n..."] {
            let flat = parse(text);
            assert!(flat.is_ok_and(|table| table.flat().is_empty()), "{text:?}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        // Pieces that have a meaning in YAML, in every order of four.
        let pieces = [
            "a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", "*", "&", "!", "|", "\"", "'", "?",
            "---", "\t", "é", "%",
        ];
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    for d in pieces {
                        let _ = parse(&[a, b, c, d].concat());
                    }
                }
            }
        }
    }
}
