//! Names of segments.

use std::fmt;

use farend_futex::registry::RESERVED_NAMES;
use rustix::{io::Errno, shm};

use crate::SegmentError;

/// Octets of the longest name, the slash included: what macOS takes
/// (`PSHMNAMLEN`), so that a name good on one system is good on all.
pub const NAME_OCTETS_MAX: usize = 31;

/// A name that every system takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Checks a name; the slash that it must start with may be left out.
    ///
    /// # Errors
    /// [`SegmentError::Name`].
    pub(crate) fn parse(name: &str) -> Result<Self, SegmentError> {
        let bare = name.strip_prefix('/').unwrap_or(name);
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
        let is_dots = bare.bytes().all(|octet| octet == b'.');
        if is_dots || bare.len() >= NAME_OCTETS_MAX || !bare.bytes().all(is_plain) {
            return Err(SegmentError::Name { name: name.to_owned() });
        }
        let parsed = format!("/{bare}");
        // Removed or taken, a registry of lock owners would divide its users.
        if parsed.starts_with(RESERVED_NAMES) {
            return Err(SegmentError::Name { name: name.to_owned() });
        }
        Ok(Self(parsed))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Removes a segment's name. Processes that are attached keep the memory.
///
/// Whoever makes a ring removes its name at the end; this is for what a killed
/// process left, if nobody is going to make the same ring again.
///
/// # Errors
/// [`SegmentError::Name`], [`SegmentError::Missing`], [`SegmentError::Denied`],
/// [`SegmentError::System`].
pub fn unlink(name: &str) -> Result<(), SegmentError> {
    let name = Name::parse(name)?;
    shm::unlink(name.as_str()).map_err(|errno| match errno {
        Errno::NOENT => SegmentError::Missing { name: name.0 },
        Errno::ACCESS | Errno::PERM => SegmentError::Denied { name: name.0 },
        other => SegmentError::system("remove the segment's name")(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_every_system_takes() {
        assert_eq!(Name::parse("/farend-tap").unwrap().as_str(), "/farend-tap");
        assert_eq!(Name::parse("farend.tap_1").unwrap().as_str(), "/farend.tap_1");
        let longest = "x".repeat(NAME_OCTETS_MAX - 1);
        assert_eq!(Name::parse(&longest).unwrap().as_str().len(), NAME_OCTETS_MAX);
        let too_long = "x".repeat(NAME_OCTETS_MAX);
        for bad in ["", "/", "//a", "a/b", "..", ".", "a b", "a\0", "ä", &too_long] {
            let error = Name::parse(bad).unwrap_err();
            assert!(matches!(error, SegmentError::Name { .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn names_of_registries_of_owners_are_neither_taken_nor_removed() {
        for name in ["/farend-owners2.0", "farend-owners2.4294967295", "/farend-owners"] {
            assert!(matches!(Name::parse(name), Err(SegmentError::Name { .. })), "{name}");
            assert!(matches!(unlink(name), Err(SegmentError::Name { .. })), "{name}");
        }
        assert!(Name::parse("/farend-owner").is_ok());
    }

    #[test]
    fn a_name_that_is_not_there_cannot_be_removed() {
        let name = format!("/farend-none-{}", std::process::id());
        assert!(matches!(unlink(&name), Err(SegmentError::Missing { .. })));
    }
}
