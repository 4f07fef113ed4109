//! What comes over the border from C, checked.
#![expect(unsafe_code, reason = "addresses that C gives")]

use std::{
    ffi::{CStr, c_char, c_void},
    slice,
    time::Duration,
};

use farend_shm::Deadline;

use crate::status::FAREND_INVALID;

/// Waits as long as it takes.
pub const FAREND_FOREVER: u64 = u64::MAX;

/// Until when to wait.
pub(crate) fn deadline(timeout_ns: u64) -> Deadline {
    match timeout_ns {
        FAREND_FOREVER => Deadline::NEVER,
        0 => Deadline::NOW,
        timeout_ns => Deadline::after(Duration::from_nanos(timeout_ns)),
    }
}

/// A name.
///
/// # Safety
/// Null, or the address of octets that end with 0 and do not change meanwhile.
pub(crate) unsafe fn text<'a>(name: *const c_char) -> Result<&'a str, i32> {
    if name.is_null() {
        return Err(FAREND_INVALID);
    }
    // SAFETY: not null, and so by the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().map_err(|_| FAREND_INVALID)
}

/// What was opened.
///
/// # Safety
/// Null, or what [`give`] gave and [`close`] has not taken.
pub(crate) unsafe fn opened<'a, T>(handle: *const T) -> Result<&'a T, i32> {
    // SAFETY: by the caller's promise.
    unsafe { handle.as_ref() }.ok_or(FAREND_INVALID)
}

/// The same, to be changed.
///
/// # Safety
/// As [`opened`], and no other thread uses it meanwhile.
pub(crate) unsafe fn opened_mut<'a, T>(handle: *mut T) -> Result<&'a mut T, i32> {
    // SAFETY: by the caller's promise.
    unsafe { handle.as_mut() }.ok_or(FAREND_INVALID)
}

/// Gives what was opened to the caller; nothing is opened if there is no place for it.
///
/// # Safety
/// Null, or room for an address.
pub(crate) unsafe fn give<T>(
    place: *mut *mut T,
    open: impl FnOnce() -> Result<T, i32>,
) -> Result<(), i32> {
    // SAFETY: by the caller's promise.
    let place = unsafe { place.as_mut() }.ok_or(FAREND_INVALID)?;
    *place = std::ptr::null_mut();
    *place = Box::into_raw(Box::new(open()?));
    Ok(())
}

/// Takes back what was given. Null is nothing.
///
/// # Safety
/// As [`opened`].
pub(crate) unsafe fn close<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: given by `give` and not taken back yet, by the caller's promise.
        drop(unsafe { Box::from_raw(handle) });
    }
}

/// Octets to read; null if there are none.
///
/// # Safety
/// Null, or the address of so many octets that do not change meanwhile.
pub(crate) unsafe fn octets<'a>(start: *const c_void, count: usize) -> Result<&'a [u8], i32> {
    match (start.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(FAREND_INVALID),
        // SAFETY: not null, and so by the caller's promise.
        (false, _) => Ok(unsafe { slice::from_raw_parts(start.cast(), count) }),
    }
}

/// Octets to write; null if there are none.
///
/// # Safety
/// Null, or the address of so many octets that nobody else reaches meanwhile.
pub(crate) unsafe fn octets_mut<'a>(start: *mut c_void, count: usize) -> Result<&'a mut [u8], i32> {
    match (start.is_null(), count) {
        (_, 0) => Ok(&mut []),
        (true, _) => Err(FAREND_INVALID),
        // SAFETY: not null, initialised as all memory of C is to us, and so by the caller's
        // promise.
        (false, _) => Ok(unsafe { slice::from_raw_parts_mut(start.cast(), count) }),
    }
}

/// Stores a number where the caller has room for it.
///
/// # Safety
/// Null, or room for a number.
pub(crate) unsafe fn store<T>(place: *mut T, number: T) -> Result<(), i32> {
    // SAFETY: by the caller's promise.
    *unsafe { place.as_mut() }.ok_or(FAREND_INVALID)? = number;
    Ok(())
}

/// The status of what a call did.
pub(crate) fn done(result: Result<(), i32>) -> i32 {
    result.err().unwrap_or(crate::status::FAREND_OK)
}
