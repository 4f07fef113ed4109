//! VLAN tags (IEEE 802.1Q clause 9.6): control information, then the type of
//! what follows.

use super::{ethernet::EtherType, get};

/// Octets of one tag after the type field that announced it.
pub const TAG_OCTETS: usize = 4;

/// Tags that are walked; a third is foreign.
pub const TAGS_MAX: usize = 2;

/// The low 12 bits of the control information.
pub const VID_MASK: u16 = 0x0fff;

/// Reads the control information: priority, drop eligibility, VLAN id.
#[must_use]
pub const fn control(tag: [u8; TAG_OCTETS]) -> u16 {
    u16::from_be_bytes(get::<0, 2, _>(&tag))
}

/// Makes a tag that is followed by `ether_type`.
pub(crate) const fn tag(control: u16, ether_type: EtherType) -> [u8; TAG_OCTETS] {
    let ([a, b], [c, d]) = (control.to_be_bytes(), ether_type.0.to_be_bytes());
    [a, b, c, d]
}

/// Reads the VLAN id.
#[must_use]
#[inline(always)]
pub const fn vid(tag: [u8; TAG_OCTETS]) -> u16 {
    u16::from_be_bytes([tag[0], tag[1]]) & VID_MASK
}
