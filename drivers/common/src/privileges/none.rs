//! A system without capabilities.

use std::io;

/// A capability of Linux, which this system has not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability {
    /// As in `setcap`.
    pub name: &'static str,
}

impl Capability {
    /// UDP ports below 1024.
    pub const NET_BIND_SERVICE: Self = Self { name: "net_bind_service" };
    /// As on Linux: it is asked for and never there.
    pub const NET_ADMIN: Self = Self { name: "net_admin" };
    /// Read files of others.
    pub const DAC_READ_SEARCH: Self = Self { name: "dac_read_search" };

    /// Never.
    #[must_use]
    pub fn is_held(self) -> bool {
        false
    }
}

/// Gives up nothing; `None`, because there is nothing.
///
/// # Errors
///
/// Never.
pub fn drop_all_but(_kept: &[Capability]) -> io::Result<Option<Vec<&'static str>>> {
    Ok(None)
}

/// Gives up nothing.
///
/// # Errors
///
/// Never.
pub fn drop_of_thread() -> io::Result<()> {
    Ok(())
}

/// Does it as it is.
pub fn without_file_rights<T>(work: impl FnOnce() -> T) -> T {
    work()
}
