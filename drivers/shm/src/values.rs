//! Messages that are values of one type.

use farend_core::ring::Error as RingError;
use zerocopy::{FromBytes, IntoBytes};

/// Values as they come, until the other side leaves in order. Another error is given once
/// and ends them.
#[derive(Debug)]
#[must_use]
pub struct Values<R> {
    receive: R,
    is_over: bool,
}

impl<R> Values<R> {
    pub(crate) const fn new(receive: R) -> Self {
        Self { receive, is_over: false }
    }
}

impl<T, R: FnMut() -> Result<T, RingError>> Iterator for Values<R> {
    type Item = Result<T, RingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let received = (self.receive)();
        self.is_over = received.is_err();
        match received {
            Err(RingError::PeerLeft) => None,
            received => Some(received),
        }
    }
}

/// Receives a message, which must have as many octets as the value.
pub(crate) fn receive<T: FromBytes + IntoBytes>(
    copy: impl FnOnce(&mut [u8]) -> Result<usize, RingError>,
) -> Result<T, RingError> {
    let mut value = T::new_zeroed();
    let wanted = size_of::<T>();
    match copy(value.as_mut_bytes())? {
        octets if octets == wanted => Ok(value),
        octets => Err(RingError::OtherLength { octets, wanted }),
    }
}
