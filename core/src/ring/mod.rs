//! Rings that carry messages between threads and between processes, without a
//! system in them.
//!
//! - [`spsc`]: one producer, one consumer, records of any length, written and read
//!   in place.
//! - [`broadcast`]: one writer, many readers, each at its own pace; what becomes
//!   of a slow reader is chosen when the ring is made ([`SlowReader`]).
//!
//! A ring is a [`Layout`] over [`Memory`]: a header that a foreign or older
//! program refuses with a reason, cursors on cache lines of their own, and data.
//! Everything that another process could have written is checked, in release
//! builds too: a peer that lies gets the other side an [`Error::Corrupt`], never
//! an access outside the memory, a panic or an endless loop.
//!
//! Sending and receiving never block and call no system, but for a wake when the
//! other side sleeps. Waiting is a separate call, over
//! [`Futex<Shared>`](crate::sync::Futex), which the end of the peer ends too
//! ([`Liveness`]): nobody waits for the dead.
//!
//! ```
//! # use core::num::NonZeroU32;
//! use farend_core::ring::{Memory, SameProcess, spsc};
//! # use farend_core::sync::{Clock, Futex, Shared, Waited, primitive::AtomicU32};
//! # enum Never {} // A ring that is only looked into needs no system.
//! # impl Clock for Never { fn now_ns() -> u64 { 0 } }
//! # impl Futex<Shared> for Never {
//! #     fn wait(_: &AtomicU32, _: u32, _: Option<u64>) -> Waited { Waited::TimedOut }
//! #     fn wake_one(_: &AtomicU32) {}
//! #     fn wake_all(_: &AtomicU32) {}
//! #     fn thread_id() -> NonZeroU32 { NonZeroU32::MIN }
//! # }
//!
//! let mut words = [0; 128];
//! let ring = spsc::Ring::create::<SameProcess>(Memory::from_words(&mut words)?, 256, 0)?;
//! let mut producer = ring.producer::<Never, SameProcess>()?;
//! let mut consumer = ring.consumer::<Never, SameProcess>()?;
//!
//! assert!(producer.push(b"hello")?);
//! assert_eq!(consumer.peek()?, Some(&b"hello"[..]));
//! consumer.release();
//! assert_eq!(consumer.peek()?, None);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod alert;
pub mod broadcast;
pub mod channel;
mod doorbell;
mod error;
pub mod layout;
mod memory;
#[cfg(all(test, any(farend_loom, farend_shuttle)))]
mod models;
mod owner;
mod seeded;
mod spinning;
pub mod spsc;
#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
mod tests;
mod wait;

pub use alert::{Alert, Since};
pub use error::{Corruption, Error};
pub use layout::{Kind, Layout, LayoutError, SlowReader};
pub use memory::Memory;
pub use owner::{Liveness, Owner, SameProcess};
pub use wait::LIVENESS_SLICE_NS;

/// What is kept apart so that two sides do not write into the same cache line: a
/// pair of lines of 64 octets, which processors fetch together, or one of Apple's
/// 128.
///
/// Less for the model checkers, to whom each word costs time.
pub const LINE_OCTETS: usize = if cfg!(any(farend_loom, farend_shuttle)) { 32 } else { 128 };
