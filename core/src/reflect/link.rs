//! Ethernet addresses and VLAN tags.

use super::{Refusal, octets_at};
use crate::{
    Guards, Policy, Reason, Window,
    frame::wire::{
        ethernet::{self, EtherType},
        vlan,
    },
};

/// What the link layer says of a frame.
#[derive(Clone, Copy)]
pub(super) struct Link<'frame> {
    pub(super) header: ethernet::Header<'frame>,
    pub(super) ether_type: EtherType,
    /// Octets before the IP header.
    pub(super) network_offset: usize,
}

#[inline(always)]
pub(super) fn inspect<'frame, W>(
    window: &'frame W,
    policy: &Policy,
) -> Result<Link<'frame>, Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ethernet::HEADER_OCTETS, 0, Reason::EthernetTruncated);
    let header = ethernet::Header(octets);
    let (destination, source) = (header.destination(), header.source());
    let mut ether_type = header.ether_type();

    if policy.is_foreign(destination) {
        return Err(if destination.is_group() {
            Reason::GroupDestinationMac.into()
        } else {
            Reason::ForeignDestinationMac.into()
        });
    }
    if source.is_group() {
        return Err(Reason::GroupSourceMac.into());
    }
    if source == policy.own_mac_bits() && policy.has(Guards::OWN_SOURCE_MAC) {
        return Err(Reason::OwnSourceMac.into());
    }
    if source == destination && policy.has(Guards::EQUAL_MACS) {
        return Err(Reason::EqualMacs.into());
    }

    let mut network_offset = ethernet::HEADER_OCTETS;
    for _ in 0..vlan::TAGS_MAX {
        // Asked first, because it is so for most.
        if ether_type == EtherType::IPV4 || !ether_type.is_tag() {
            break;
        }
        let tag = octets_at!(window, vlan::TAG_OCTETS, network_offset, Reason::TagTruncated);
        ether_type = EtherType::parse([tag[2], tag[3]]);
        network_offset += vlan::TAG_OCTETS;
    }
    if policy.is_link_filtered() {
        if !policy.is_source_wanted(source) {
            return Err(Reason::SourceOui.into());
        }
        // Read again: most policies do not ask for it.
        let outer_vid = if network_offset == ethernet::HEADER_OCTETS {
            0
        } else {
            let cause = Reason::TagTruncated;
            vlan::vid(*octets_at!(window, vlan::TAG_OCTETS, ethernet::HEADER_OCTETS, cause))
        };
        if !policy.is_vlan_wanted(outer_vid) {
            return Err(Reason::Vlan.into());
        }
    }
    Ok(Link { header, ether_type, network_offset })
}
