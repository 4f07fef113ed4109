//! Cassettes: recorded exchanges in one file that survives `kill -9`.
//!
//! The format is written down in `docs/cassette.md`, for whoever writes a second
//! reader. A cassette is a head of 64 octets and then records; what is written never
//! changes, and a later run appends behind the last whole record.
//!
//! **Invariant:** nothing here reads a clock, opens a socket or interprets what was
//! recorded. No file, however broken, makes it panic, answer wrongly or take more
//! memory than the file has octets; only [`mod@file`] names the file system.
#![deny(unsafe_code)]

mod build;
mod cassette;
mod chain;
mod compact;
mod error;
pub mod file;
mod head;
mod index;
pub mod payload;
mod record;
mod recovery;
mod storage;
mod stream;
mod walk;
mod writer;

pub use build::{NewExchange, NewRecord};
pub use cassette::{Cassette, Check};
pub use compact::{Compacted, compact};
pub use error::{AppendError, OpenError, ReadError};
pub use head::{FLAG_IMPORTED, FLAG_REDACTED, FileHead, HEAD_OCTETS, RULE_SET};
pub use index::INDEX_EXCHANGES_MAX;
pub use record::{FLAG_BODY_ELSEWHERE, FLAG_CHUNK, FLAG_DECODED, FLAG_SERVER};
pub use record::{HEADER_OCTETS, Kind, RECORD_OCTETS_MAX, Record, RecordHead};
pub use recovery::{Damage, Tail};
pub use storage::{Memory, Sink, Source};
pub use stream::Stream;
pub use walk::{Step, Walk};
pub use writer::Writer;
