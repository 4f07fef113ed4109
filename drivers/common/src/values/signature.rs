//! Which signatures to answer: known ones by name, others by their octets.

use std::{fmt, str::FromStr};

use farend_core::{
    Kind,
    reflect::signature::{Custom, KindSet},
};

use super::Expected;

/// The built-in signatures to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignatureSet(pub KindSet);

/// The kinds that a user may name.
fn nameable() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| KindSet::BUILT_IN.contains(*kind))
}

impl FromStr for SignatureSet {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.to_ascii_lowercase().as_str() {
            "any" => return Ok(Self(KindSet::NONE.with(Kind::Any))),
            "none" => return Ok(Self(KindSet::NONE)),
            _ => {}
        }
        let mut kinds = KindSet::NONE;
        for name in text.split(',') {
            let name = name.trim().to_ascii_lowercase().replace('-', "_");
            let Some(kind) = nameable().find(|kind| kind.name() == name) else {
                let names: Vec<_> = nameable().map(Kind::name).collect();
                return Err(Expected(format!(
                    "names of signatures with commas between ({}), or any or none alone",
                    names.join(", ")
                )));
            };
            kinds = kinds.with(kind);
        }
        Ok(Self(kinds))
    }
}

impl fmt::Display for SignatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(Kind::Any) {
            return f.write_str("any");
        }
        let names: Vec<_> =
            nameable().filter(|kind| self.0.contains(*kind)).map(Kind::name).collect();
        if names.is_empty() { f.write_str("none") } else { f.write_str(&names.join(",")) }
    }
}

/// A signature of the user's own, as `OFFSET:HEX` or `OFFSET:HEX/MASKHEX`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserSignature {
    offset: u16,
    octets: Vec<u8>,
    mask: Vec<u8>,
    custom: Custom,
}

impl UserSignature {
    /// As the core has it.
    #[must_use]
    pub const fn custom(&self) -> Custom {
        self.custom
    }
}

impl FromStr for UserSignature {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let refused = || {
            Expected::new(
                "OFFSET:HEX or OFFSET:HEX/MASKHEX, one to eight octets that end at payload \
                 offset 256 or before, and a mask as long that is not all zero, \
                 as 5:50524f4245 or 0:ab00/ff00",
            )
        };
        let (offset, rest) = text.split_once(':').ok_or_else(refused)?;
        let (octets, mask) = rest.split_once('/').map_or((rest, None), |(o, m)| (o, Some(m)));
        let offset = offset.parse().map_err(|_| refused())?;
        let octets = parse_octets(octets).ok_or_else(refused)?;
        let mask = match mask {
            Some(mask) => parse_octets(mask).ok_or_else(refused)?,
            None => vec![0xff; octets.len()],
        };
        let custom = Custom::new(offset, &mask, &octets).ok_or_else(refused)?;
        if let Some(at) = octets.iter().zip(&mask).position(|(octet, mask)| octet & !mask != 0) {
            return Err(Expected::new(format!(
                "octets that the mask keeps; octet {at} has bits outside it, which would never match"
            )));
        }
        Ok(Self { offset, octets, mask, custom })
    }
}

/// Reads octets written one after another, two hexadecimal digits each.
fn parse_octets(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

impl fmt::Display for UserSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.offset)?;
        self.octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        if self.mask.iter().all(|octet| *octet == 0xff) {
            return Ok(());
        }
        f.write_str("/")?;
        self.mask.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_named_as_their_counters_are() {
        let set: SignatureSet = "PROBEOT,data-ot, y1564".parse().unwrap();
        assert_eq!(set.to_string(), "probeot,data_ot,y1564");
        assert_eq!(SignatureSet(KindSet::BUILT_IN).to_string().split(',').count(), 6);
        assert_eq!("any".parse::<SignatureSet>().unwrap().to_string(), "any");
        assert_eq!("none".parse::<SignatureSet>().unwrap().to_string(), "none");
    }

    #[test]
    fn any_beside_a_name_is_a_contradiction() {
        assert!("any,probeot".parse::<SignatureSet>().is_err());
        assert!("custom_1".parse::<SignatureSet>().is_err());
        assert!("".parse::<SignatureSet>().is_err());
    }

    #[test]
    fn a_signature_of_the_users_own_is_written_as_it_is_read() {
        for text in ["5:50524f4245", "0:ab00/ff00", "248:0102030405060708"] {
            assert_eq!(text.parse::<UserSignature>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_malformed_signature_is_refused_with_an_example() {
        for text in
            ["", "5", "5:", "5:a", "5:zz", "x:aa", "0:aa/", "0:aabb/ff", "0:aa/00", "256:aa"]
        {
            let error = text.parse::<UserSignature>().unwrap_err();
            assert!(error.to_string().contains("0:ab00/ff00"), "{text}");
        }
    }

    #[test]
    fn value_outside_its_mask_is_refused() {
        let error = "0:ab01/ff00".parse::<UserSignature>().unwrap_err().to_string();
        assert!(error.contains("octet 1 has bits outside it"), "{error}");
        assert!("0:ab00/ff00".parse::<UserSignature>().is_ok());
    }
}
