//! The thinking of Farend: look at one frame, decide, and turn it round in
//! place.
//!
//! **Invariant:** nothing here allocates, blocks, logs, reads a clock, names an
//! operating system, or panics on any input. The build proves it: see
//! `tests/no-panic` and `cargo xtask ci`.
//!
//! The same [`reflect()`] runs inside the Linux kernel (over [`RawWindow`]), in
//! user space (over `[u8]`) and in firmware.
//!
//! - [`frame`]: access to a frame's octets, header formats, checksums.
//! - [`mod@reflect`]: what is answered, why not, and how it is counted.
//! - [`port`]: bursts of frames in and out of one queue.
//! - [`measure`]: probes, round-trip times, counters for each tester.
//! - [`link`]: IP packets between two hosts over UDP.
//! - [`sync`] and [`ring`]: locks and rings of messages, between threads and
//!   between processes.
//!
//! ```
//! use farend_core::{MacAddress, Policy, Verdict, reflect};
//!
//! let policy = Policy::builder()
//!     .own_mac(MacAddress([0x02, 0, 0, 0, 0, 1]))
//!     .build()?;
//! let mut frame = [0_u8; 60]; // an empty frame is nobody's
//! let verdict = reflect(&mut frame[..], &policy, &mut ());
//! assert!(!matches!(verdict, Verdict::Reflect(_)));
//! # Ok::<(), farend_core::PolicyError>(())
//! ```
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, farend_loom, farend_shuttle))]
extern crate std;

#[cfg_attr(target_arch = "bpf", expect(dead_code, reason = "a kernel program builds no frame"))]
pub mod frame;
#[cfg(not(target_arch = "bpf"))]
pub mod link;
#[cfg(not(target_arch = "bpf"))]
pub mod measure;
#[cfg(not(target_arch = "bpf"))]
pub mod port;
pub mod reflect;
#[cfg(not(target_arch = "bpf"))]
pub mod ring;
#[cfg(not(target_arch = "bpf"))]
#[doc(hidden)]
pub mod seeded;
#[cfg(not(target_arch = "bpf"))]
pub mod sync;

pub use frame::{
    window::{RawWindow, Window, WindowMut},
    wire::ethernet::{MacAddress, Oui},
};
#[cfg(not(target_arch = "bpf"))]
pub use measure::histogram::Histogram;
pub use reflect::{
    Answer, Datagram,
    caller::Caller,
    counters::Counters,
    inspect,
    policy::{Guards, Mode, Policy, PolicyError},
    rate::RateLimit,
    reflect, reflect_closely, reflect_common, reflect_datagram, reflect_packet,
    verdict::{Class, Kind, Reason, Service, Verdict},
};
