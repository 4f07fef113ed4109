//! Ethernet addresses and VLAN tags.

use super::{Refusal, octets_at};
use crate::{
    Guards, Malformed, Policy, Reason, Window,
    wire::{
        ethernet::{self, EtherType},
        vlan,
    },
};

/// What the link layer says of a frame.
pub(super) struct Link {
    pub(super) ether_type: EtherType,
    /// Octets before the IP header.
    pub(super) network_offset: usize,
    /// See [`ethernet::Oui::bits`].
    pub(super) source_oui: u32,
}

#[inline(always)]
pub(super) fn inspect<W>(window: &mut W, policy: &Policy) -> Result<Link, Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ethernet::HEADER_OCTETS, 0, Malformed::EthernetTruncated);
    let header = ethernet::Header(octets);
    let destination = header.destination_bits();
    let source = header.source_bits();
    let mut ether_type = header.ether_type();

    if (destination ^ policy.own_mac_bits()) & policy.destination_mask != 0 {
        let is_group = is_group(destination) && policy.has(Guards::GROUP_MAC);
        return Err(if is_group {
            Reason::GroupDestinationMac.into()
        } else {
            Reason::ForeignDestinationMac.into()
        });
    }
    if is_group(destination) && policy.has(Guards::GROUP_MAC) {
        return Err(Reason::GroupDestinationMac.into());
    }
    if is_group(source) && policy.has(Guards::GROUP_MAC) {
        return Err(Reason::GroupSourceMac.into());
    }
    if source == policy.own_mac_bits() && policy.has(Guards::OWN_SOURCE_MAC) {
        return Err(Reason::OwnSourceMac.into());
    }
    if source == destination && policy.has(Guards::EQUAL_MACS) {
        return Err(Reason::EqualMacs.into());
    }
    let source_oui = oui(source);
    if (source_oui ^ policy.source_oui) & policy.source_oui_mask != 0 {
        return Err(Reason::SourceOui.into());
    }

    let mut network_offset = ethernet::HEADER_OCTETS;
    let mut outer_vid = 0;
    for depth in 0..vlan::TAGS_MAX {
        if !ether_type.is_tag() {
            break;
        }
        let tag = octets_at!(window, vlan::TAG_OCTETS, network_offset, Malformed::TagTruncated);
        if depth == 0 {
            outer_vid = vlan::vid(*tag);
        }
        ether_type = EtherType::parse([tag[2], tag[3]]);
        network_offset += vlan::TAG_OCTETS;
    }
    if !policy.is_vlan_wanted(outer_vid) {
        return Err(Reason::Vlan.into());
    }
    Ok(Link { ether_type, network_offset, source_oui })
}

/// Whether an address, as a number, names a group.
#[inline(always)]
const fn is_group(address: u64) -> bool {
    address & 1 != 0
}

/// The OUI of an address, both as numbers.
#[inline(always)]
const fn oui(address: u64) -> u32 {
    let [a, b, c, ..] = address.to_le_bytes();
    u32::from_le_bytes([a, b, c, 0])
}
