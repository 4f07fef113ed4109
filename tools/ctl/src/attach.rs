//! A driver's ring in shared memory, through the driver's restarts.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use farend_shm::{
    Deadline, LayoutError, RingError, SegmentError,
    broadcast::{Message, Ring, Subscriber},
};

use crate::error::Error;

/// Between two looks for a driver that is not there, and at who asks to stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Messages of drivers are not longer: the page of sixty interfaces with all
/// the testers that there can be.
const MESSAGE_OCTETS_MAX: usize = 256 << 20;

/// What came of waiting for a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// A message is in the buffer.
    Message(Message),
    /// None came for a while.
    Nothing,
    /// The driver has ended; what follows is another one's.
    Ended {
        /// Whether it was killed, or crashed.
        is_killed: bool,
    },
}

/// One reader of a ring of this name.
#[derive(Debug)]
pub struct Attached {
    name: String,
    subscriber: Option<Subscriber>,
    /// An end was told, and nothing has come since: what is left of that driver
    /// ends again each time that it is attached to.
    is_end_told: bool,
    buffer: Vec<u8>,
    /// Messages from before attaching that are wanted.
    rewind_messages: u64,
}

impl Attached {
    /// Attaches to the ring. Without `is_waiting`, it must be there; else it is
    /// waited for until `stop`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a name that is none, [`Error::Run`] for a ring that
    /// is not there or cannot be read.
    pub fn open(
        name: &str,
        rewind_messages: u64,
        is_waiting: bool,
        stop: &AtomicBool,
    ) -> Result<Self, Error> {
        let mut attached = Self {
            name: name.to_owned(),
            subscriber: None,
            is_end_told: false,
            buffer: Vec::new(),
            rewind_messages,
        };
        loop {
            match attached.attach() {
                Ok(()) => return Ok(attached),
                Err(refusal) if is_waiting && refusal.is_passing() => {}
                Err(refusal) => return Err(attached.error(&refusal)),
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(attached);
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Waits a moment for the next message; without a driver, for a driver.
    ///
    /// # Errors
    ///
    /// [`Error::Run`] if the ring cannot be read any more.
    pub fn wait_next(&mut self) -> Result<Next, Error> {
        self.next_until(Deadline::after(LOOK_INTERVAL))
    }

    /// The next message, if there is one; whether the driver lives, if not.
    ///
    /// # Errors
    ///
    /// As in [`wait_next`](Self::wait_next).
    pub fn try_next(&mut self) -> Result<Next, Error> {
        self.next_until(Deadline::NOW)
    }

    /// The octets of a message that came last.
    #[must_use]
    pub fn octets(&self, message: Message) -> &[u8] {
        self.buffer.get(..message.octets).unwrap_or_default()
    }

    fn next_until(&mut self, deadline: Deadline) -> Result<Next, Error> {
        let Some(subscriber) = &mut self.subscriber else {
            thread::sleep(LOOK_INTERVAL);
            return match self.attach() {
                Ok(()) => Ok(Next::Nothing),
                Err(refusal) if refusal.is_passing() => Ok(Next::Nothing),
                Err(refusal) => Err(self.error(&refusal)),
            };
        };
        match subscriber.receive(&mut self.buffer, deadline) {
            Ok(message) => {
                self.is_end_told = false;
                Ok(Next::Message(message))
            }
            // It does not look for the writer where it may not wait.
            Err(RingError::TimedOut) => match subscriber.check_peer() {
                Err(ended @ (RingError::PeerDied(_) | RingError::PeerLeft)) => {
                    Ok(self.end(ended != RingError::PeerLeft))
                }
                _ => Ok(Next::Nothing),
            },
            Err(ended @ (RingError::PeerDied(_) | RingError::PeerLeft)) => {
                Ok(self.end(ended != RingError::PeerLeft))
            }
            Err(error) => Err(Error::run(format!("{}: {error}", self.name))),
        }
    }

    /// Lets go of a ring whose driver has ended; tells it once.
    fn end(&mut self, is_killed: bool) -> Next {
        self.subscriber = None;
        if std::mem::replace(&mut self.is_end_told, true) {
            return Next::Nothing;
        }
        Next::Ended { is_killed }
    }

    fn attach(&mut self) -> Result<(), Refusal> {
        let ring = Ring::attach(&self.name).map_err(Refusal::Segment)?;
        let mut subscriber = ring.subscriber().map_err(Refusal::Ring)?;
        let octets = subscriber.message_octets_max();
        if octets > MESSAGE_OCTETS_MAX {
            return Err(Refusal::Foreign { octets });
        }
        self.buffer.resize(octets, 0);
        subscriber.rewind(self.rewind_messages);
        self.subscriber = Some(subscriber);
        Ok(())
    }

    fn error(&self, refusal: &Refusal) -> Error {
        let name = &self.name;
        match refusal {
            Refusal::Segment(error @ SegmentError::Name { .. }) => Error::usage(error.to_string()),
            Refusal::Segment(error) => Error::run(error.to_string()),
            Refusal::Ring(error) => Error::run(format!("{name}: {error}")),
            Refusal::Foreign { octets } => Error::run(format!(
                "{name}: messages of up to {octets} octets are no driver's: check the name"
            )),
        }
    }
}

/// Why a ring is not attached to.
enum Refusal {
    Segment(SegmentError),
    Ring(RingError),
    Foreign { octets: usize },
}

impl Refusal {
    /// Whether it passes by itself when a driver starts or ends.
    const fn is_passing(&self) -> bool {
        match self {
            Self::Segment(error) => matches!(
                error,
                SegmentError::Missing { .. }
                    | SegmentError::Layout(LayoutError::Blank | LayoutError::Initialising { .. })
            ),
            Self::Ring(error) => matches!(error, RingError::NoReaderFree { .. }),
            Self::Foreign { .. } => false,
        }
    }
}
