//! Rings of messages in shared memory, between processes of one machine.
//!
//! - [`spsc`]: one [`Sender`](spsc::Sender), one [`Receiver`](spsc::Receiver),
//!   records of any length, written and read where they lie.
//! - [`broadcast`]: one [`Publisher`](broadcast::Publisher), many
//!   [`Subscriber`](broadcast::Subscriber)s, each at its own pace.
//!
//! Two threads, over memory that has no name:
//!
//! ```
//! use farend_shm::{Deadline, spsc};
//!
//! let ring = spsc::Ring::anonymous(1 << 16)?;
//! let mut sender = ring.sender()?;
//! let mut receiver = ring.receiver()?;
//!
//! let sending = std::thread::spawn(move || {
//!     for number in 0..1000_u32 {
//!         sender.send(&number.to_le_bytes(), Deadline::NEVER)?;
//!     }
//!     Ok::<(), farend_shm::RingError>(())
//! });
//! for number in 0..1000_u32 {
//!     assert_eq!(receiver.receive(Deadline::NEVER)?, number.to_le_bytes());
//! }
//! sending.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Two processes, over memory that has a name: one makes the ring, the other
//! attaches to it, in any role that is free.
//!
//! ```
//! use farend_shm::{Deadline, spsc};
//! use std::time::Duration;
//! # let name = &format!("/farend-doc-{}", std::process::id());
//!
//! // Here, in the process that makes the ring:
//! let ring = spsc::Ring::create(name, 1 << 16)?;
//! let mut sender = ring.sender()?;
//! sender.send(b"hello", Deadline::after(Duration::from_secs(1)))?;
//!
//! // In the other one:
//! let mut receiver = spsc::Ring::attach(name)?.receiver()?;
//! assert_eq!(receiver.receive(Deadline::after(Duration::from_secs(1)))?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who may attach
//!
//! Processes of the same user, in the same pid and time namespaces. Segments are
//! made with permissions 0600, and others' are refused. Peers are not trusted to
//! be right: see [`farend_core::ring`]. What cannot be prevented is that a process
//! of the same user shortens a *named* segment; whoever then touches what is gone
//! is ended by the system (`SIGBUS`). Nothing of this crate does so, and an
//! [`anonymous`](spsc::Ring::anonymous) segment on Linux is sealed against it.
#![deny(unsafe_code)]

pub mod broadcast;
mod deadline;
mod draft;
mod error;
mod name;
mod process;
mod readiness;
mod segment;
mod signal;
pub mod spsc;
mod sys;
mod watch;

pub use deadline::Deadline;
pub use error::SegmentError;
pub use farend_core::ring::{
    Corruption, Error as RingError, Layout, LayoutError, Liveness, Owner, SlowReader,
};
pub use name::{NAME_OCTETS_MAX, unlink};
pub use process::Processes;
pub use readiness::{Readiness, WaitSet};
