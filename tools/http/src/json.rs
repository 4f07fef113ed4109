//! JSON as far as requests are compared by it: sorted names, no spaces, numbers as their
//! text, so that no two identifiers beyond 2^53 become one.

use std::ops::Range;

/// Deeper nesting is not read as JSON.
const DEPTH_MAX: usize = 128;

/// One step from the root to a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member's name, its escapes decoded where they can be.
    Name(Vec<u8>),
    /// An element.
    Index(usize),
}

/// Which leaves are left out, such as `$.items[*].nonce`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Name(Vec<u8>),
    AnyName,
    Index(usize),
    AnyIndex,
}

impl Path {
    /// Reads `$`, then `.name`, `.*`, `[3]` or `[*]`, as often as wanted. `None` if it is
    /// none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut patterns = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                patterns.push(match name {
                    "" => return None,
                    "*" => Pattern::AnyName,
                    _ => Pattern::Name(name.as_bytes().to_vec()),
                });
                rest = after;
            } else {
                let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
                patterns.push(match index {
                    "*" => Pattern::AnyIndex,
                    _ => Pattern::Index(index.parse().ok()?),
                });
                rest = after;
            }
        }
        (!patterns.is_empty()).then_some(Self(patterns))
    }

    fn is(&self, steps: &[Step]) -> bool {
        let fits = |(pattern, step): (&Pattern, &Step)| match (pattern, step) {
            (Pattern::Name(wanted), Step::Name(name)) => wanted == name,
            (Pattern::AnyName, Step::Name(_)) | (Pattern::AnyIndex, Step::Index(_)) => true,
            (Pattern::Index(wanted), Step::Index(index)) => wanted == index,
            _ => false,
        };
        self.0.len() == steps.len() && self.0.iter().zip(steps).all(fits)
    }
}

/// Adds the canonical text of a JSON document, without what is ignored. `None`, with
/// nothing added, if it is no JSON.
#[must_use]
pub fn canonical(text: &[u8], ignored: &[Path], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let mut reader = Reader { text, at: 0, steps: Vec::new() };
    let written = reader.write_value(ignored, out).and_then(|()| reader.end());
    if written.is_none() {
        out.truncate(start);
    }
    written
}

/// Calls `visit` with each leaf's steps and place in the text. `None` if it is no JSON.
#[must_use]
pub fn leaves(text: &[u8], visit: &mut impl FnMut(&[Step], Range<usize>)) -> Option<()> {
    let mut reader = Reader { text, at: 0, steps: Vec::new() };
    reader.visit_value(visit)?;
    reader.end()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    steps: Vec<Step>,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        while let Some(octet) = self.text.get(self.at) {
            if !matches!(octet, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(*octet);
            }
            self.at += 1;
        }
        None
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Goes into an object or array; `each` reads one member or element.
    fn list(
        &mut self,
        close: u8,
        mut each: impl FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        self.at += 1;
        if self.steps.len() >= DEPTH_MAX {
            return None;
        }
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        for index in 0.. {
            each(self, index)?;
            match self.peek()? {
                b',' => self.at += 1,
                octet if octet == close => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
        None
    }

    /// A member's name and the colon.
    fn name(&mut self) -> Option<Vec<u8>> {
        self.take(b'"')?;
        self.at -= 1;
        let mut name = Vec::new();
        self.string(&mut name)?;
        self.take(b':')?;
        Some(name)
    }

    fn visit_value(&mut self, visit: &mut impl FnMut(&[Step], Range<usize>)) -> Option<()> {
        match self.peek()? {
            b'{' => self.list(b'}', |reader, _| {
                let name = reader.name()?;
                reader.steps.push(Step::Name(unescaped(&name)));
                reader.visit_value(visit)?;
                reader.steps.pop().map(drop)
            }),
            b'[' => self.list(b']', |reader, index| {
                reader.steps.push(Step::Index(index));
                reader.visit_value(visit)?;
                reader.steps.pop().map(drop)
            }),
            _ => {
                let start = self.at;
                self.scalar(&mut Vec::new())?;
                visit(&self.steps, start..self.at);
                Some(())
            }
        }
    }

    fn write_value(&mut self, ignored: &[Path], out: &mut Vec<u8>) -> Option<()> {
        match self.peek()? {
            b'{' => self.write_object(ignored, out),
            b'[' => {
                out.push(b'[');
                let start = out.len();
                self.list(b']', |reader, index| {
                    reader.steps.push(Step::Index(index));
                    let before = out.len();
                    if before > start {
                        out.push(b',');
                    }
                    reader.write_value(ignored, out)?;
                    if ignored.iter().any(|path| path.is(&reader.steps)) {
                        out.truncate(before);
                    }
                    reader.steps.pop().map(drop)
                })?;
                out.push(b']');
                Some(())
            }
            _ => self.scalar(out),
        }
    }

    fn write_object(&mut self, ignored: &[Path], out: &mut Vec<u8>) -> Option<()> {
        out.push(b'{');
        let start = out.len();
        // Name, and where name and value stand in `out`.
        let mut members: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        let mut is_sorted = true;
        self.list(b'}', |reader, _| {
            let before = out.len();
            let name = reader.name()?;
            out.extend_from_slice(&name);
            let name = before..out.len();
            out.push(b':');
            let is_followed = !ignored.is_empty();
            reader.steps.push(Step::Name(if is_followed {
                unescaped(&out[name.clone()])
            } else {
                Vec::new()
            }));
            reader.write_value(ignored, out)?;
            if ignored.iter().any(|path| path.is(&reader.steps)) {
                out.truncate(before);
            } else {
                let last = members.last().map(|(last, _)| last.clone());
                is_sorted &= last.is_none_or(|last| out[last] <= out[name.clone()]);
                members.push((name, before..out.len()));
                out.push(b',');
            }
            reader.steps.pop().map(drop)
        })?;
        if !is_sorted {
            let text = out[start..].to_vec();
            // Equal names keep their order.
            members.sort_by(|one, other| out[one.0.clone()].cmp(&out[other.0.clone()]));
            out.truncate(start);
            for (_, member) in &members {
                out.extend_from_slice(&text[member.start - start..member.end - start]);
                out.push(b',');
            }
        }
        if !members.is_empty() {
            out.pop();
        }
        out.push(b'}');
        Some(())
    }

    fn scalar(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        for word in [&b"true"[..], b"false", b"null"] {
            if rest.starts_with(word) {
                self.at += word.len();
                out.extend_from_slice(word);
                return Some(());
            }
        }
        if rest.first() == Some(&b'"') { self.string(out) } else { self.number(out) }
    }

    /// RFC 8259 6. The text stays as it is.
    fn number(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let digits = |from: usize| {
            let found = rest.get(from..).unwrap_or_default();
            found.iter().take_while(|octet| octet.is_ascii_digit()).count()
        };
        let mut end = usize::from(rest.first() == Some(&b'-'));
        let whole = digits(end);
        if whole == 0 || whole > 1 && rest[end] == b'0' {
            return None;
        }
        end += whole;
        if rest.get(end) == Some(&b'.') {
            let part = digits(end + 1);
            if part == 0 {
                return None;
            }
            end += 1 + part;
        }
        if matches!(rest.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
            let power = digits(end + 1 + sign);
            if power == 0 {
                return None;
            }
            end += 1 + sign + power;
        }
        out.extend_from_slice(&rest[..end]);
        self.at += end;
        Some(())
    }

    /// Adds a string with its quotes, each character written in one way only.
    fn string(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.at += 1;
        out.push(b'"');
        loop {
            let rest = self.text.get(self.at..)?;
            let plain = rest.iter().position(|o| matches!(o, b'"' | b'\\' | 0..=0x1F))?;
            out.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            match rest[plain] {
                b'"' => {
                    out.push(b'"');
                    return Some(());
                }
                b'\\' => self.escape(out)?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let escaped = *self.text.get(self.at)?;
        self.at += 1;
        let character = match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.four_digits()?;
                let low = if (0xD800..0xDC00).contains(&first) { self.low_half() } else { None };
                let code = match low {
                    Some(low) => 0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00),
                    None => first,
                };
                let Some(character) = char::from_u32(code) else {
                    // Half a pair has no other form.
                    out.extend_from_slice(format!("\\u{first:04x}").as_bytes());
                    return Some(());
                };
                character
            }
            _ => return None,
        };
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', escaped_octet(character)]),
            '\0'..='\x1F' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        Some(())
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    }

    /// The second half of a pair, if it follows.
    fn low_half(&mut self) -> Option<u32> {
        let before = self.at;
        let low = self.text[self.at..].starts_with(b"\\u").then(|| {
            self.at += 2;
            self.four_digits()
        });
        let low = low.flatten().filter(|low| (0xDC00..0xE000).contains(low));
        if low.is_none() {
            self.at = before;
        }
        low
    }
}

fn escaped_octet(character: char) -> u8 {
    if character == '"' { b'"' } else { b'\\' }
}

/// A name as it was written in canonical form, without quotes and without its escapes.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let inner = name.get(1..name.len().saturating_sub(1)).unwrap_or_default();
    let mut plain = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if let (b'\\', [escaped @ (b'"' | b'\\'), tail @ ..]) = (first, after) {
            plain.push(*escaped);
            rest = tail;
        } else {
            plain.push(*first);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn canon(text: &str) -> Option<String> {
        let mut out = Vec::new();
        canonical(text.as_bytes(), &[], &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn names_are_sorted_and_numbers_keep_their_text() {
        assert_eq!(
            canon(r#" {"b": [1.0, 2] , "a": 9007199254740993, "\u0061b": "\u00e9\/"} "#).unwrap(),
            r#"{"a":9007199254740993,"ab":"é/","b":[1.0,2]}"#
        );
        assert_ne!(canon("9007199254740993"), canon("9007199254740992"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "+1",
            "nul",
            "\"a",
            "\"\u{1}\"",
            "1 2",
            "'a'",
            "{\"a\" 1}",
            "\"\\x\"",
            "\"\\u12\"",
            "-",
            "[1 2]",
            "{1:2}",
        ] {
            assert_eq!(canon(text), None, "{text}");
        }
        assert!(canon(&"[".repeat(100_000)).is_none());
    }

    #[test]
    fn ignored_paths_are_left_out() {
        let paths = ["$.nonce", "$.list[*].at"].map(|path| Path::parse(path).unwrap());
        let mut out = Vec::new();
        let text = br#"{"nonce":1,"list":[{"at":3,"b":4},{"at":5}],"at":6}"#;
        canonical(text, &paths, &mut out).unwrap();
        assert_eq!(out, br#"{"at":6,"list":[{"b":4},{}]}"#);
        for wrong in ["", "a", "$", "$.", "$[x]", "$.a[", "$a"] {
            assert_eq!(Path::parse(wrong), None, "{wrong}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_text_means_the_same_and_is_its_own(value in value()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let once = canon(&text).unwrap();
            let again: Value = serde_json::from_str(&once).unwrap();
            prop_assert_eq!(again, value);
            prop_assert_eq!(canon(&once).unwrap(), once);
        }

        #[test]
        fn what_is_taken_is_json_to_serde_too(text in r#"[\[\]{}:,"\\eE0-9.a\-+ tfn]{0,12}"#) {
            let ours = canon(&text).is_some();
            let theirs = serde_json::from_str::<Value>(&text).is_ok();
            // serde refuses numbers that no double holds, and halves of pairs.
            prop_assert!(!ours || theirs || text.contains(['e', 'E', '\\']), "{}", text);
            prop_assert!(ours || !theirs, "{}", text);
        }
    }
}
