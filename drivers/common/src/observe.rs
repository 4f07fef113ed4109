//! Looking on: what the user wants to know of frames beside their verdicts.

mod settings;

pub use settings::{Arguments, Choices, Settings};
