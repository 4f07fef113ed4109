//! JSON that a peer sends: a key stands once in an object, and objects do not
//! stand deeper in one another than a person would write them.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Objects and lists in one another at most.
pub const DEPTH_MAX: usize = 16;

/// An object of JSON.
pub type Object = Map<String, Value>;

/// Reads one value.
///
/// # Errors
///
/// One line on what is wrong: no JSON, a key that stands twice, too deep.
pub fn parse(octets: &[u8]) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(octets);
    let value = Strict { room: DEPTH_MAX }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| error.to_string())
}

/// A value with room for so many more levels.
#[derive(Clone, Copy)]
struct Strict {
    room: usize,
}

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let room = self.room.checked_sub(1);
        let room = room.ok_or_else(|| E::custom(format!("more than {DEPTH_MAX} levels deep")))?;
        Ok(Self { room })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Object::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            let value = map.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_json_is_what_serde_json_reads() {
        for text in
            ["null", "[1,-2,3.5,\"a\",true]", "{\"a\":{\"b\":[]},\"c\":18446744073709551615}"]
        {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text.as_bytes()), Ok(expected));
        }
    }

    #[test]
    fn doubled_key_is_refused_at_any_depth() {
        for text in ["{\"a\":1,\"a\":1}", "{\"x\":[{\"a\":1,\"\\u0061\":2}]}"] {
            assert!(parse(text.as_bytes()).unwrap_err().contains("\"a\" stands twice"), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_using_the_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        for depth in [DEPTH_MAX + 1, 10_000, 1_000_000] {
            assert!(parse(nested(depth).as_bytes()).unwrap_err().contains("levels deep"));
        }
        assert!(parse("{\"a\":".repeat(10_000).as_bytes()).unwrap_err().contains("levels deep"));
    }

    #[test]
    fn text_that_is_no_json_is_refused() {
        for text in ["", "{", "{}x", "nul", "{\"a\"}", "\u{feff}{}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }
}
