//! What a call says.

use std::ffi::{CStr, c_char};

use farend_core::{ring::Error as RingError, sync::Refused};
use farend_shm::{LayoutError, SegmentError, route::RouteError};

/// It is done.
pub const FAREND_OK: i32 = 0;
/// The mutex is taken, and its last owner died with it: what it guards is as that one
/// left it. Say `farend_mutex_make_consistent` before it is given up.
pub const FAREND_OWNER_DIED: i32 = 1;
/// An argument is null, or no UTF-8.
pub const FAREND_INVALID: i32 = -1;
/// A structure is of another size, or data of another length or version.
pub const FAREND_SIZE: i32 = -2;
/// It did not happen in time.
pub const FAREND_TIMED_OUT: i32 = -3;
/// The calling thread has the mutex already.
pub const FAREND_REENTRANT: i32 = -4;
/// The calling thread does not have the mutex.
pub const FAREND_NOT_OWNER: i32 = -5;
/// An owner died and the next one gave the mutex up without putting its data right.
pub const FAREND_NOT_RECOVERABLE: i32 = -6;
/// The name cannot name a segment.
pub const FAREND_NAME: i32 = -7;
/// Another living process has it.
pub const FAREND_IN_USE: i32 = -8;
/// This user may not have it.
pub const FAREND_DENIED: i32 = -9;
/// There is something else under the name.
pub const FAREND_FOREIGN: i32 = -10;
/// The other side ended, and nothing is left to receive.
pub const FAREND_PEER_LEFT: i32 = -11;
/// The other side died, and nothing is left to receive.
pub const FAREND_PEER_DIED: i32 = -12;
/// The message is longer than the ring takes.
pub const FAREND_TOO_LONG: i32 = -13;
/// The buffer is shorter than the message, which is still the next one.
pub const FAREND_BUFFER_TOO_SHORT: i32 = -14;
/// A number is out of its range.
pub const FAREND_RANGE: i32 = -15;
/// The memory was overwritten by a broken process.
pub const FAREND_CORRUPT: i32 = -16;
/// The system refused, or this process cannot own locks.
pub const FAREND_SYSTEM: i32 = -17;

fn text(status: i32) -> &'static CStr {
    match status {
        FAREND_OK => c"done",
        FAREND_OWNER_DIED => c"the last owner of the mutex died: put its data right",
        FAREND_INVALID => c"an argument is null, or no UTF-8",
        FAREND_SIZE => c"a structure or the data is of another size or version",
        FAREND_TIMED_OUT => c"it did not happen in time",
        FAREND_REENTRANT => c"the calling thread has the mutex already",
        FAREND_NOT_OWNER => c"the calling thread does not have the mutex",
        FAREND_NOT_RECOVERABLE => c"the data of the mutex is lost",
        FAREND_NAME => c"the name cannot name a segment",
        FAREND_IN_USE => c"another living process has it",
        FAREND_DENIED => c"this user may not have it",
        FAREND_FOREIGN => c"there is something else under the name",
        FAREND_PEER_LEFT => c"the other side ended, and nothing is left to receive",
        FAREND_PEER_DIED => c"the other side died, and nothing is left to receive",
        FAREND_TOO_LONG => c"the message is longer than the ring takes",
        FAREND_BUFFER_TOO_SHORT => c"the buffer is shorter than the next message",
        FAREND_RANGE => c"a number is out of its range",
        FAREND_CORRUPT => c"the memory was overwritten by a broken process",
        FAREND_SYSTEM => c"the system refused",
        _ => c"not a status of this library",
    }
}

/// What a status means, in English. Never null, and valid for ever.
#[expect(unsafe_code, reason = "a name for C")]
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub extern "C" fn farend_status_text(status: i32) -> *const c_char {
    text(status).as_ptr()
}

/// The status of what another crate says.
pub(crate) trait Status {
    fn status(&self) -> i32;
}

impl Status for Refused {
    fn status(&self) -> i32 {
        match self {
            Self::Busy | Self::TimedOut => FAREND_TIMED_OUT,
            Self::Reentrant => FAREND_REENTRANT,
            Self::NotOwner => FAREND_NOT_OWNER,
            Self::NotRecoverable => FAREND_NOT_RECOVERABLE,
            _ => FAREND_SYSTEM,
        }
    }
}

impl Status for SegmentError {
    fn status(&self) -> i32 {
        match self {
            Self::Name { .. } => FAREND_NAME,
            Self::InUse { .. } => FAREND_IN_USE,
            Self::Denied { .. } | Self::OtherUser { .. } | Self::Exposed { .. } => FAREND_DENIED,
            Self::Layout(LayoutError::Type | LayoutError::Truncated { .. }) => FAREND_SIZE,
            Self::Units
            | Self::Layout(
                LayoutError::Capacity { .. }
                | LayoutError::MessageOctets { .. }
                | LayoutError::Readers { .. }
                | LayoutError::Senders { .. },
            ) => FAREND_RANGE,
            Self::Layout(_) => FAREND_FOREIGN,
            _ => FAREND_SYSTEM,
        }
    }
}

impl Status for RingError {
    fn status(&self) -> i32 {
        match self {
            Self::TimedOut => FAREND_TIMED_OUT,
            Self::TooLong { .. } => FAREND_TOO_LONG,
            Self::BufferTooShort { .. } => FAREND_BUFFER_TOO_SHORT,
            Self::Taken(_) | Self::NoReaderFree { .. } | Self::NoSenderFree { .. } => FAREND_IN_USE,
            Self::PeerDied(_) => FAREND_PEER_DIED,
            Self::PeerLeft => FAREND_PEER_LEFT,
            Self::Corrupt(_) => FAREND_CORRUPT,
            _ => FAREND_SYSTEM,
        }
    }
}

impl Status for RouteError {
    fn status(&self) -> i32 {
        match self {
            Self::Segment(error) => error.status(),
            Self::Ring(error) => error.status(),
        }
    }
}
