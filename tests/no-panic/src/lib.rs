//! Proves that `farend-core` has no panic path, no allocation and no operating
//! system in it.
//!
//! The proofs are this crate's tests, because each is a build: see
//! `tests/proof.rs`. `cargo test -p farend-no-panic` runs them.
#![deny(unsafe_code)]
