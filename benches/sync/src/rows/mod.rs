//! What is measured.

pub(crate) mod broadcast;
pub(crate) mod contended;
pub(crate) mod one_way;
pub(crate) mod round_trip;
pub(crate) mod uncontended;
