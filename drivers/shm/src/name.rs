//! Names of segments.

use std::fmt;

use farend_futex::registry::RESERVED_NAMES;
use rustix::{io::Errno, shm};

use crate::SegmentError;

/// Octets of the longest name, the slash included (`/name`, or `GROUP/name` of a group of
/// applications, for those that macOS keeps in a sandbox): what macOS takes
/// (`PSHMNAMLEN`), so that a name good on one system is good on all.
pub const NAME_OCTETS_MAX: usize = 31;

/// A name that every system takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Checks a name; the slash that it must start with may be left out. A second slash
    /// parts the group of applications, which macOS demands of those in a sandbox, from
    /// the name in it: `GROUP/name`.
    ///
    /// # Errors
    /// [`SegmentError::Name`].
    pub(crate) fn parse(name: &str) -> Result<Self, SegmentError> {
        let bare = name.strip_prefix('/').unwrap_or(name);
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
        let is_part =
            |part: &str| part.bytes().all(is_plain) && !part.bytes().all(|octet| octet == b'.');
        if bare.len() >= NAME_OCTETS_MAX || !bare.splitn(2, '/').all(is_part) {
            return Err(SegmentError::Name { name: name.to_owned() });
        }
        let parsed = match bare.split_once('/') {
            None => format!("/{bare}"),
            Some((group, name)) => in_group(group, name),
        };
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

/// The name of a segment of a group of applications.
///
/// # References
/// `shm_open` in a sandbox: "App Groups Entitlement", Apple.
fn in_group(group: &str, name: &str) -> String {
    if cfg!(target_vendor = "apple") {
        format!("{group}/{name}")
    } else {
        // A name has no second slash there; nor can another name have this octet.
        format!("/{group}:{name}")
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
        for bad in
            ["", "/", "//a", "a/", "a/b/c", "a/..", "a:b", "..", ".", "a b", "a\0", "ä", &too_long]
        {
            let error = Name::parse(bad).unwrap_err();
            assert!(matches!(error, SegmentError::Name { .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn a_group_of_applications_stands_before_the_name() {
        let own = Name::parse("group.farend/tap").unwrap();
        let is_apple = cfg!(target_vendor = "apple");
        assert_eq!(own.as_str(), if is_apple { "group.farend/tap" } else { "/group.farend:tap" });
        assert_eq!(Name::parse("/group.farend/tap").unwrap(), own);
        assert_ne!(Name::parse("other/tap").unwrap(), own);
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
