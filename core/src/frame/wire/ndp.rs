//! Neighbour discovery (RFC 4861 sections 4.3 and 4.4): type, code, checksum,
//! flags, target address, options.

use core::net::Ipv6Addr;

use super::{ethernet::MacAddress, get, put};

/// Octets of a solicitation with the sender's link-layer address.
pub const SOLICITATION_OCTETS: usize = 32;

/// The same, as IPv6 counts its payload.
pub(crate) const SOLICITATION_LENGTH: u16 = 32;

/// Hop limit of every message: none was forwarded (RFC 4861 section 7.1).
pub(crate) const HOP_LIMIT: u8 = 255;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const OPTION_SOURCE_MAC: u8 = 1;
const OPTION_TARGET_MAC: u8 = 2;

const CHECKSUM: usize = 2;
const TARGET: usize = 8;
const OPTIONS: usize = 24;

/// The unit of an option's length, and the octets of one with a MAC address.
const OPTION_OCTETS: usize = 8;

/// Who has `target`? The checksum is left 0.
pub(crate) const fn solicitation(
    target: Ipv6Addr,
    sender_mac: MacAddress,
) -> [u8; SOLICITATION_OCTETS] {
    let mut message = [0; SOLICITATION_OCTETS];
    message[0] = SOLICITATION;
    put::<TARGET, 16, _>(&mut message, target.octets());
    put::<OPTIONS, 2, _>(&mut message, [OPTION_SOURCE_MAC, 1]);
    put::<{ OPTIONS + 2 }, 6, _>(&mut message, sender_mac.0);
    message
}

/// Writes the checksum.
pub(crate) const fn set_checksum(message: &mut [u8; SOLICITATION_OCTETS], checksum: [u8; 2]) {
    put::<CHECKSUM, 2, _>(message, checksum);
}

/// The MAC address of `target`, if this is its advertisement: what the option
/// says, or `sender_mac` where an answer comes without it.
pub(crate) fn parse_advertisement(
    message: &[u8],
    target: Ipv6Addr,
    sender_mac: MacAddress,
) -> Option<MacAddress> {
    let (fixed, options) = message.split_first_chunk::<OPTIONS>()?;
    let [kind, code, ..] = *fixed;
    if kind != ADVERTISEMENT || code != 0 || get::<TARGET, 16, _>(fixed) != target.octets() {
        return None;
    }
    let mut rest = options;
    while let Some(option) = rest.first_chunk::<OPTION_OCTETS>() {
        let [kind, units, mac @ ..] = *option;
        if kind == OPTION_TARGET_MAC && units == 1 {
            return Some(MacAddress(mac));
        }
        //= RFC 4861 4.6: a message with an option of length 0 is discarded.
        if units == 0 {
            return None;
        }
        rest = rest.get(usize::from(units) * OPTION_OCTETS..)?;
    }
    Some(sender_mac)
}

/// The group that a station with this address listens to (RFC 4291 section
/// 2.7.1).
pub(crate) const fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::from_octets([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The MAC address of an IPv6 group (RFC 2464 section 7).
pub(crate) const fn group_mac(group: Ipv6Addr) -> MacAddress {
    let [.., a, b, c, d] = group.octets();
    MacAddress([0x33, 0x33, a, b, c, d])
}
