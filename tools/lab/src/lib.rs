//! Test hosts for the demo, the tests and the benches: two network namespaces
//! with a veth pair between them, and the kernel as a test fixture.
//!
//! Everything here is held by file descriptors: the namespaces have no name,
//! so nothing is left behind, not even after kill -9 or Ctrl-C. No other
//! program is needed, but root is.
//!
//! ```no_run
//! use farend_lab::{Lab, Wire};
//!
//! let lab = Lab::new(Wire::default())?;
//! let answer = lab.near.namespace.run(|| {
//!     std::net::UdpSocket::bind("198.18.0.1:0").map(|_socket| "sent from the near host")
//! })?;
//! # anyhow::Ok(())
//! ```
//!
//! **Invariant:** no traffic leaves the namespaces that the lab made.
#![deny(unsafe_code)]
#![cfg(target_os = "linux")]

pub mod frames;
pub mod impair;
mod interpreter;
pub mod kernel;
mod link;
mod namespace;
mod pair;
mod process;
pub mod reflector;
mod sys;
pub mod traffic;

pub use namespace::Namespace;
pub use pair::{Host, Lab, Wire};
pub use process::Process;
pub use reflector::Reflector;

/// Whether this test must be skipped, because it needs root. Prints why.
///
/// # Panics
///
/// If there is no root, and [skipping is forbidden](farend_effort::is_skip_forbidden).
#[must_use]
pub fn is_skipped_without_root() -> bool {
    if is_root() {
        return false;
    }
    farend_effort::skip("network namespaces and BPF need root");
    true
}

/// Whether this process is root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
