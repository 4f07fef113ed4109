//! HTTP/1 and WebSocket octets: strict heads and framing, what counts as the same
//! request, what is redacted.
//!
//! **Invariant:** nothing here does I/O, reads a clock or panics on any octets. What two
//! readers could understand differently is refused: nothing here is more lenient than
//! [httparse] and hyper.
//!
//! [httparse]: https://docs.rs/httparse
#![deny(unsafe_code)]

pub mod canonical;
pub mod chunks;
pub mod framing;
mod head;
mod hops;
pub mod json;
mod percent;
pub mod redact;
pub mod score;
mod url;
pub mod ws;

pub use head::{
    AnswerHead, Field, Fields, HEAD_OCTETS_MAX, HeadError, RequestHead, Version, parse_answer,
    parse_fields, parse_request,
};
pub use hops::{is_hop_by_hop, without_hops};
pub use url::{Origin, Scheme, Target};
