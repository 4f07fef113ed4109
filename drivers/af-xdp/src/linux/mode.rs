//! Whether frames are copied.

use std::fmt;

/// Whether frames are copied between the driver's memory and the UMEM.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BindMode {
    /// The interface writes frames where user space sees them.
    ZeroCopy,
    /// The kernel copies each frame once on the way in and once out.
    Copy,
}

impl fmt::Display for BindMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroCopy => "zero-copy mode",
            Self::Copy => "copy mode",
        })
    }
}
