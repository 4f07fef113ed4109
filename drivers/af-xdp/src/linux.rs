//! Sockets, and the memory that they share with the kernel.

mod error;
mod layout;
mod memory;
mod mode;
mod open;
mod socket;
mod statistics;
mod sys;

pub use error::OpenError;
pub use layout::{FrameTooLong, Layout};
pub use mode::BindMode;
pub use open::{Opened, Request, open, rehearse};
pub use socket::{ReceiveCount, Socket, WakeError};
pub use statistics::{Statistics, statistics};
