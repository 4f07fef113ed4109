//! Ethernet II and 802.1Q tags.

use farend_core::{Guards, Reason, Verdict};

use super::{copy, number};
use crate::options::PolicyOptions;

pub(super) struct Ethernet {
    destination: Vec<u8>,
    source: Vec<u8>,
    ether_type: usize,
}

impl Ethernet {
    pub(super) fn parse(frame: &[u8]) -> Result<Self, Verdict> {
        let header = copy(frame, 0, 14, Reason::EthernetTruncated)?;
        Ok(Self {
            destination: header[0..6].to_vec(),
            source: header[6..12].to_vec(),
            ether_type: number(&header[12..14]),
        })
    }
}

/// IEEE 802.3 3.2.3.1: the first bit on the wire, the lowest of the first
/// octet, tells a group address.
fn is_group(address: &[u8]) -> bool {
    address[0] % 2 == 1
}

pub(super) fn check(ethernet: &Ethernet, options: &PolicyOptions) -> Result<(), Verdict> {
    if is_group(&ethernet.destination) {
        return Err(Verdict::Refuse(Reason::GroupDestinationMac));
    }
    if !options.is_any_destination && ethernet.destination != options.own_mac {
        return Err(Verdict::Refuse(Reason::ForeignDestinationMac));
    }
    if is_group(&ethernet.source) {
        return Err(Verdict::Refuse(Reason::GroupSourceMac));
    }
    if ethernet.source == options.own_mac && options.has(Guards::OWN_SOURCE_MAC) {
        return Err(Verdict::Refuse(Reason::OwnSourceMac));
    }
    if ethernet.source == ethernet.destination && options.has(Guards::EQUAL_MACS) {
        return Err(Verdict::Refuse(Reason::EqualMacs));
    }
    Ok(())
}

pub(super) fn check_oui(ethernet: &Ethernet, options: &PolicyOptions) -> Result<(), Verdict> {
    match options.source_oui {
        Some(oui) if ethernet.source[..3] != oui => Err(Verdict::Refuse(Reason::SourceOui)),
        _ => Ok(()),
    }
}

/// Whether the sender is a tester by its OUI: `NetAlly`, Fluke, those of the
/// user, and the one that alone is answered.
pub(super) fn is_tester(ethernet: &Ethernet, options: &PolicyOptions) -> bool {
    let mut ouis = vec![[0x00, 0xc0, 0x17], [0x00, 0x19, 0xb3]];
    ouis.extend(&options.tester_ouis);
    ouis.extend(options.source_oui);
    ouis.iter().any(|oui| ethernet.source[..3] == *oui)
}

/// A frame after its tags, of which at most two are stepped over.
pub(super) struct Tagged {
    vids: Vec<u16>,
    pub(super) ether_type: usize,
    pub(super) network_offset: usize,
}

impl Tagged {
    pub(super) fn parse(frame: &[u8], ethernet: &Ethernet) -> Result<Self, Verdict> {
        let mut tagged =
            Self { vids: Vec::new(), ether_type: ethernet.ether_type, network_offset: 14 };
        while [0x8100, 0x88a8, 0x9100].contains(&tagged.ether_type) && tagged.vids.len() < 2 {
            let tag = copy(frame, tagged.network_offset, 4, Reason::TagTruncated)?;
            // IEEE 802.1Q 9.6: priority in 3 bits, drop eligibility in 1, VLAN
            // id in 12.
            tagged.vids.push(u16::from(tag[0] % 16) * 256 + u16::from(tag[1]));
            tagged.ether_type = number(&tag[2..4]);
            tagged.network_offset += 4;
        }
        Ok(tagged)
    }
}

/// The outer tag counts; a frame without one is in VLAN 0.
pub(super) fn check_vlan(tagged: &Tagged, options: &PolicyOptions) -> Result<(), Verdict> {
    let vid = tagged.vids.first().copied().unwrap_or(0);
    if options.vlans.is_empty() || options.vlans.contains(&vid) {
        return Ok(());
    }
    Err(Verdict::Refuse(Reason::Vlan))
}
