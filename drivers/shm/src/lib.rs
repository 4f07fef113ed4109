//! Shared memory between processes of one machine: values and rings of messages.
//!
//! A value that every process may use, whichever comes first:
//!
//! ```
//! use farend_futex::shared::Mutex;
//! use farend_shm::{Shareable, Shared};
//! use std::sync::atomic::{AtomicU64, Ordering};
//! # let name = &format!("/farend-docs-{}", std::process::id());
//!
//! #[derive(Shareable)]
//! #[repr(C)]
//! struct Page {
//!     frames: AtomicU64,
//!     last: Mutex<[u64; 2]>,
//! }
//!
//! let page = Shared::<Page>::open_or_create(name)?;
//! page.frames.fetch_add(1, Ordering::Relaxed);
//! page.last.lock().unwrap()[0] = 64;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! And rings, for messages:
//!
//! - [`spsc`]: one [`Sender`](spsc::Sender), one [`Receiver`](spsc::Receiver),
//!   records of any length, written and read where they lie.
//! - [`broadcast`]: one [`Publisher`](broadcast::Publisher), many
//!   [`Subscriber`](broadcast::Subscriber)s, each at its own pace. [`route`] finds one by
//!   its name alone.
//! - [`channel`]: many [`Sender`](channel::Sender)s, many [`Receiver`](channel::Receiver)s.
//!
//! [`inside`] has rings that are fields of a value; [`named`] has locks and signals that are found by a name.
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
//! be right: see [`farend_core::ring`].
//!
//! A process of the same user can shorten a *named* segment on Linux. A ring's side that
//! then touches what is gone gets an error: for that, the first named segment sets a
//! handler of `SIGBUS`, which leaves every other such signal to the handler before it. Who
//! uses a [`Shared`] value is ended by the signal, because locks that are held cannot go on
//! without their memory. Segments without a name are sealed against it.
#![deny(unsafe_code)]

mod arrival;
pub mod broadcast;
pub mod channel;
mod deadline;
mod draft;
mod error;
pub mod inside;
mod name;
pub mod named;
mod octets;
mod process;
mod readiness;
pub mod route;
mod segment;
mod shareable;
mod shared;
#[cfg(target_os = "linux")]
mod shortened;
mod signal;
pub mod spsc;
mod sys;
mod values;
mod watch;

pub use deadline::Deadline;
pub use error::SegmentError;
pub use farend_core::ring::{
    Corruption, Error as RingError, Layout, LayoutError, Liveness, Owner, SlowReader,
};
pub use farend_core::sync::NoOwner;
pub use farend_shm_derive::Shareable;
pub use name::{NAME_OCTETS_MAX, unlink};
pub use octets::SharedOctets;
pub use process::Processes;
pub use readiness::{Readiness, WaitSet};
pub use shareable::{Shareable, TypeLayout, realm_of};
pub use shared::Shared;
pub use values::Values;
