//! What is measured.

pub(crate) mod broadcast;
pub(crate) mod contended;
pub(crate) mod hand_over;
pub(crate) mod many;
pub(crate) mod one_way;
pub(crate) mod peers;
pub(crate) mod round_trip;
pub(crate) mod uncontended;
