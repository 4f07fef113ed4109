//! ARP for IPv4 over Ethernet (RFC 826): hardware type 1, protocol type
//! 0x0800, address lengths 6 and 4, operation, sender's addresses, target's.

use core::net::Ipv4Addr;

use super::{ethernet::MacAddress, get, put};

/// Octets of a message.
pub const MESSAGE_OCTETS: usize = 28;

const OPERATION: usize = 6;
const SENDER_MAC: usize = 8;
const SENDER_ADDRESS: usize = 14;
const TARGET_MAC: usize = 18;
const TARGET_ADDRESS: usize = 24;

/// Hardware and protocol types, and address lengths.
const PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// Who has `target`?
pub(crate) const fn request(
    sender_mac: MacAddress,
    sender: Ipv4Addr,
    target: Ipv4Addr,
) -> [u8; MESSAGE_OCTETS] {
    message(REQUEST, sender_mac, sender, MacAddress([0; 6]), target.octets())
}

/// The answer to a request.
#[cfg(test)]
pub(crate) const fn reply(
    sender_mac: MacAddress,
    sender: Ipv4Addr,
    target_mac: MacAddress,
    target: [u8; 4],
) -> [u8; MESSAGE_OCTETS] {
    message(REPLY, sender_mac, sender, target_mac, target)
}

/// The sender's MAC address, if this is a reply from `sender`.
pub(crate) fn parse_answer(message: &[u8; MESSAGE_OCTETS], sender: Ipv4Addr) -> Option<MacAddress> {
    let is_answer = get::<0, 6, _>(message) == PREFIX
        && get::<OPERATION, 2, _>(message) == REPLY
        && get::<SENDER_ADDRESS, 4, _>(message) == sender.octets();
    is_answer.then(|| MacAddress(get::<SENDER_MAC, 6, _>(message)))
}

const fn message(
    operation: [u8; 2],
    sender_mac: MacAddress,
    sender: Ipv4Addr,
    target_mac: MacAddress,
    target: [u8; 4],
) -> [u8; MESSAGE_OCTETS] {
    let mut message = [0; MESSAGE_OCTETS];
    put::<0, 6, _>(&mut message, PREFIX);
    put::<OPERATION, 2, _>(&mut message, operation);
    put::<SENDER_MAC, 6, _>(&mut message, sender_mac.0);
    put::<SENDER_ADDRESS, 4, _>(&mut message, sender.octets());
    put::<TARGET_MAC, 6, _>(&mut message, target_mac.0);
    put::<TARGET_ADDRESS, 4, _>(&mut message, target);
    message
}
