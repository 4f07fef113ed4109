//! Socket options (setsockopt(2), getsockopt(2)).
#![expect(unsafe_code, reason = "setsockopt and getsockopt take pointers")]

use std::{
    ffi::c_int,
    io,
    os::fd::{AsFd, AsRawFd},
};

/// A value that an option takes as its octets.
///
/// # Safety
///
/// Any octets are a valid value, and a value has no padding.
pub(crate) unsafe trait OptionValue: Copy {}

// SAFETY: an integer is octets and nothing else.
unsafe impl OptionValue for c_int {}
// SAFETY: as above.
unsafe impl OptionValue for u32 {}
// SAFETY: an array of integers has no padding.
unsafe impl<const N: usize> OptionValue for [u8; N] {}
// SAFETY: an array of integers has no padding.
unsafe impl<const N: usize> OptionValue for [u32; N] {}

/// Sets an option.
pub(crate) fn set<T: OptionValue>(
    socket: impl AsFd,
    level: c_int,
    name: c_int,
    value: T,
) -> io::Result<()> {
    let octets = socklen_of::<T>();
    // SAFETY: the pointer is to `octets` octets of a live value, which the
    // kernel only reads during the call.
    let result = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw const value).cast(), octets)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets an option that takes text, such as the name of an interface.
pub(crate) fn set_text(socket: impl AsFd, level: c_int, name: c_int, text: &str) -> io::Result<()> {
    let octets = libc::socklen_t::try_from(text.len()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to `octets` octets of live text, which the kernel
    // only reads during the call.
    let result = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, text.as_ptr().cast(), octets)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an option; what the kernel leaves out stays as in `value`.
pub(crate) fn get<T: OptionValue>(
    socket: impl AsFd,
    level: c_int,
    name: c_int,
    mut value: T,
) -> io::Result<T> {
    let mut octets = socklen_of::<T>();
    // SAFETY: the kernel writes at most `octets` octets into a live value of
    // that size, for which any octets are valid.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut octets,
        )
    };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

const fn socklen_of<T>() -> libc::socklen_t {
    const { assert!(size_of::<T>() <= 4_096) };
    #[expect(clippy::cast_possible_truncation, reason = "the size was just compared")]
    let octets = size_of::<T>() as libc::socklen_t;
    octets
}
