//! A Linux host's interfaces, as the kernel and their drivers know them: to ask and
//! to set.
//!
//! - [`Rtnetlink`]: links, addresses, neighbours, and what becomes of them.
//! - [`Interface`]: one link as it was when it was asked about.
//! - [`ethtool`]: what only its driver knows.
//! - [`packet`]: packet sockets with a receive ring.
//!
//! Everything is about the calling thread's network namespace.
//!
//! **Invariant:** it tells and it does what it is asked; what follows from it is
//! decided elsewhere. What another program did to a link (an alias that is no text, a
//! bridge that lets go of it) is never an error.
#![deny(unsafe_code)]
#![cfg(target_os = "linux")]

pub mod ethtool;
mod interface;
pub mod packet;
mod rtnetlink;

pub use interface::{Drops, Interface, Peer, Unknown, XdpMode, XdpPrograms, index_of};
pub use rtnetlink::{Change, Rtnetlink, VethEnd};
