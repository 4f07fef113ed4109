//! What the AF_XDP tier does on one queue, over the rings of the crate `xdp`
//! instead of our own: for comparison, see
//! `docs/decisions/0005-af-xdp-rings.md`.
//!
//! ```text
//! cargo run --release --example rings_of_crate -- far0
//! ```
//!
//! It answers until SIGTERM, in copy mode, and then says how many frames. Give
//! it and `farend-xdp far0 --tier af-xdp --queues 0 --cpus 0` the same load.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("rings_of_crate: AF_XDP sockets are Linux's");
}
