//! Says what is true of a frame, in two independent ways, so that the fast one
//! can be tested: a [`corpus`] of odd frames whose verdicts people wrote down,
//! and an [`oracle`] that parses like a textbook.
//!
//! **Invariant:** the oracle shares no code with the core besides the names of
//! the verdicts.
#![deny(unsafe_code)]

pub mod agreement;
pub mod corpus;
pub mod fuzzing;
pub mod generator;
pub mod options;
pub mod oracle;

pub use options::PolicyOptions;
