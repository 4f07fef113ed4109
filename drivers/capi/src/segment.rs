//! Memory that is found by a name.
#![expect(unsafe_code, reason = "functions for C")]

use std::ffi::{c_char, c_void};

use farend_shm::{SharedOctets, unlink};

use crate::{
    border::{close, done, give, opened, text},
    status::Status as _,
};

/// Memory that processes share.
#[derive(Debug)]
pub struct Segment(SharedOctets);

/// Opens the memory of this name, or makes it, all zero. `version` tells what lies there:
/// `FAREND_SIZE` if it is of another length or version.
///
/// # Safety
/// `name` is null or ends with 0; `segment` is null or room for an address.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_segment_open(
    name: *const c_char,
    octets: usize,
    version: u64,
    segment: *mut *mut Segment,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    let open = || {
        let opened = SharedOctets::open_or_create(name?, octets, version);
        opened.map(Segment).map_err(|error| error.status())
    };
    // SAFETY: by the caller's promise.
    done(unsafe { give(segment, open) })
}

/// Where the memory starts, at a multiple of 256; null of null. It stays there until the
/// process ends, also when the segment is closed.
///
/// # Safety
/// `segment` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_segment_base(segment: *const Segment) -> *mut c_void {
    // SAFETY: by the caller's promise.
    let segment = unsafe { opened(segment) };
    segment.map_or(std::ptr::null_mut(), |segment| segment.0.base().as_ptr().cast())
}

/// Octets of the memory; 0 of null.
///
/// # Safety
/// `segment` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_segment_octets(segment: *const Segment) -> usize {
    // SAFETY: by the caller's promise.
    unsafe { opened(segment) }.map_or(0, |segment| segment.0.octets())
}

/// Closes a segment. Null is nothing.
///
/// # Safety
/// `segment` is null or open, and no longer used.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_segment_close(segment: *mut Segment) {
    // SAFETY: by the caller's promise.
    unsafe { close(segment) };
}

/// Removes a name that a killed process left, of a lock, a segment or a ring.
///
/// # Safety
/// `name` is null or ends with 0.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_unlink(name: *const c_char) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    done(name.and_then(|name| unlink(name).map_err(|error| error.status())))
}
