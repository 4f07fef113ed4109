//! One sender, many receivers, found by a name alone: a [broadcast ring](crate::broadcast)
//! that whoever comes first makes.
//!
//! ```
//! use farend_shm::{Deadline, broadcast::Options, route};
//! # let name = &format!("/farend-route-{}", std::process::id());
//!
//! // In one process, and in others, in any order:
//! let mut sender = route::sender(name, Options::default())?;
//! let mut receiver = route::receiver(name, Options::default())?;
//!
//! sender.wait_subscribers(1, Deadline::NEVER)?;
//! sender.send(b"to all", Deadline::NEVER)?;
//! assert_eq!(receiver.receive_in_place(Deadline::NEVER)?, b"to all");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{error, fmt};

use crate::{
    RingError, SegmentError,
    broadcast::{Options, Publisher, Ring, Subscriber},
};

/// Why a side of a route could not be taken.
#[derive(Debug)]
pub enum RouteError {
    /// There is no segment for it.
    Segment(SegmentError),
    /// The side is not free, or the ring is broken.
    Ring(RingError),
}

impl fmt::Display for RouteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(error) => error.fmt(formatter),
            Self::Ring(error) => error.fmt(formatter),
        }
    }
}

impl error::Error for RouteError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Segment(error) => error.source(),
            Self::Ring(_) => None,
        }
    }
}

impl From<SegmentError> for RouteError {
    fn from(error: SegmentError) -> Self {
        Self::Segment(error)
    }
}

impl From<RingError> for RouteError {
    fn from(error: RingError) -> Self {
        Self::Ring(error)
    }
}

/// Becomes the one sender of the route of this name, and makes it if nobody has.
///
/// # Errors
/// [`RouteError`]: [`RingError::Taken`] by a living sender.
pub fn sender(name: &str, options: Options) -> Result<Publisher, RouteError> {
    Ok(Ring::open_or_create(name, options)?.publisher()?)
}

/// Becomes a receiver of the route of this name, from the next message on, and makes the
/// route if nobody has.
///
/// # Errors
/// [`RouteError`]: [`RingError::NoReaderFree`].
pub fn receiver(name: &str, options: Options) -> Result<Subscriber, RouteError> {
    Ok(Ring::open_or_create(name, options)?.subscriber()?)
}
