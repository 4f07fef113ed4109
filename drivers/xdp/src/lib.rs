//! Turns test traffic round on Linux.
#![deny(unsafe_code)]

pub mod tier;
