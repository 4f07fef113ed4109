//! Who may call what.

use std::fmt;

/// What somebody may do, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Ask what interface this is, and nothing else.
    Nobody,
    /// Look.
    Viewer,
    /// Change, but for what makes a reflector a danger to others.
    Admin,
    /// Change everything: root, or the driver's own user.
    Owner,
}

impl Role {
    /// Its name in errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Viewer => "viewer",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
