//! One frame: checked access to its octets, the formats of its headers, and
//! checksums.

pub mod checksum;
pub mod window;
pub mod wire;
