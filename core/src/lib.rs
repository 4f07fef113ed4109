//! The thinking of Farend: look at one frame, decide, and turn it round in
//! place.
//!
//! **Invariant:** nothing here allocates, blocks, logs, reads a clock, names an
//! operating system, or panics on any input. The build proves it: see
//! `tests/no-panic` and `cargo xtask ci`.
//!
//! The same [`reflect`] runs inside the Linux kernel (over [`RawWindow`]), in
//! user space (over `[u8]`) and in firmware.
//!
//! ```
//! use farend_core::{Limit, MacAddress, Policy, Unlimited, Verdict, reflect};
//!
//! let policy = Policy::builder()
//!     .own_mac(MacAddress([0x02, 0, 0, 0, 0, 1]))
//!     .build()?;
//! let mut frame = [0_u8; 60]; // an empty frame is nobody's
//! let verdict = reflect(&mut frame[..], &policy, &mut Unlimited);
//! assert!(!matches!(verdict, Verdict::Reflect(_)));
//! # Ok::<(), farend_core::PolicyError>(())
//! ```
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, farend_loom, farend_shuttle))]
extern crate std;

pub mod checksum;
pub mod counters;
pub mod cpu_state;
pub mod histogram;
pub mod policy;
#[cfg(not(target_arch = "bpf"))]
pub mod port;
pub mod probe;
pub mod rate;
mod reflect;
pub mod refused;
#[cfg(not(target_arch = "bpf"))]
pub mod ring;
#[cfg(not(target_arch = "bpf"))]
mod seeded;
pub mod signature;
#[cfg(not(target_arch = "bpf"))]
pub mod summary;
#[cfg(not(target_arch = "bpf"))]
pub mod sync;
#[cfg(not(target_arch = "bpf"))]
pub mod testers;
pub mod verdict;
pub mod window;
pub mod wire;

pub use counters::Counters;
pub use histogram::Histogram;
pub use policy::{Guards, Mode, Policy, PolicyError};
pub use rate::{Limit, RateLimit, Unlimited};
pub use reflect::{
    Answer, Datagram, inspect, reflect, reflect_closely, reflect_common, reflect_datagram,
};
pub use verdict::{Kind, Malformed, Reason, Verdict};
pub use window::{RawWindow, Window};
pub use wire::ethernet::{MacAddress, Oui};
