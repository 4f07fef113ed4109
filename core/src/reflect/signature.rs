//! What test traffic is recognised by: octets at a known place of the UDP
//! payload.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    Kind,
    frame::wire::{get, udp},
};

/// Least payload that the built-in signatures are looked for in: five octets
/// that belong to the vendor, then seven of signature. It holds for
/// signatures at offset 0 as well, as it does in the reference reflectors.
pub const PAYLOAD_OCTETS_MIN: usize = 12;

/// Octets of every built-in signature.
pub const SIGNATURE_OCTETS: usize = 7;

/// Payload offset of the ITO signatures (`NetAlly`, Fluke, NETSCOUT).
pub const ITO_OFFSET: usize = 5;

/// Highest payload offset at which a signature of the user's own may end.
pub const CUSTOM_END_MAX: u16 = 256;

/// A set of kinds, one bit for each: that of its code modulo 32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KindSet(pub u32);

impl KindSet {
    /// No kind.
    pub const NONE: Self = Self(0);
    /// Every built-in signature.
    pub const BUILT_IN: Self = Self::NONE
        .with(Kind::Probeot)
        .with(Kind::DataOt)
        .with(Kind::Latency)
        .with(Kind::Rfc2544)
        .with(Kind::Y1564)
        .with(Kind::Msnseed);

    /// The set with one kind more.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1_u32 << (kind.code() & 31))
    }

    /// Whether the kind is in the set.
    #[must_use]
    #[inline(always)]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 >> (kind.code() & 31) & 1 != 0
    }
}

/// The octets of a built-in signature and where they stand in the payload, or
/// `None` for the kinds that have none.
#[must_use]
pub const fn built_in(kind: Kind) -> Option<(usize, &'static [u8; SIGNATURE_OCTETS])> {
    Some(match kind {
        Kind::Probeot => (ITO_OFFSET, b"PROBEOT"),
        Kind::DataOt => (ITO_OFFSET, b"DATA:OT"),
        Kind::Latency => (ITO_OFFSET, b"LATENCY"),
        Kind::Rfc2544 => (0, b"RFC2544"),
        Kind::Y1564 => (0, b"Y.1564 "),
        Kind::Msnseed => (0, b"MSNSEED"),
        _ => return None,
    })
}

/// Seven octets as a number whose lowest octet is the first on the wire.
const fn bits(signature: &[u8; SIGNATURE_OCTETS]) -> u64 {
    let [a, b, c, d, e, f, g] = *signature;
    u64::from_le_bytes([a, b, c, d, e, f, g, 0])
}

/// Recognises a built-in signature in the first octets of a payload.
#[must_use]
#[inline(always)]
pub const fn recognise(payload: &[u8; PAYLOAD_OCTETS_MIN]) -> Option<Kind> {
    const PROBEOT: u64 = bits(b"PROBEOT");
    const DATA_OT: u64 = bits(b"DATA:OT");
    const LATENCY: u64 = bits(b"LATENCY");
    const RFC2544: u64 = bits(b"RFC2544");
    const Y1564: u64 = bits(b"Y.1564 ");
    const MSNSEED: u64 = bits(b"MSNSEED");

    let at_ito_offset = u64::from_le_bytes(get::<{ ITO_OFFSET - 1 }, 8, _>(payload)) >> 8;
    // Most testers send this one; the others may cost a jump more.
    if at_ito_offset == PROBEOT {
        return Some(Kind::Probeot);
    }
    cold();
    let at_start = u64::from_le_bytes(get::<0, 8, _>(payload)) << 8 >> 8;
    match (at_ito_offset, at_start) {
        (DATA_OT, _) => Some(Kind::DataOt),
        (LATENCY, _) => Some(Kind::Latency),
        (_, RFC2544) => Some(Kind::Rfc2544),
        (_, Y1564) => Some(Kind::Y1564),
        (_, MSNSEED) => Some(Kind::Msnseed),
        _ => None,
    }
}

/// Tells the compiler that the path through here is seldom taken.
#[cold]
const fn cold() {}

/// The kind of the user's own signature with this index; the last one's for
/// indices beyond it.
#[must_use]
#[inline(always)]
pub const fn custom_kind(index: usize) -> Kind {
    match index {
        0 => Kind::Custom1,
        1 => Kind::Custom2,
        2 => Kind::Custom3,
        3 => Kind::Custom4,
        4 => Kind::Custom5,
        5 => Kind::Custom6,
        6 => Kind::Custom7,
        _ => Kind::Custom8,
    }
}

/// A signature of the user's own: up to eight octets, under a mask.
///
/// Plain data that crosses into the kernel program. The eight octets that
/// *end* where the signature ends are compared, because they always lie in
/// the datagram: before the payload stand the eight octets of the UDP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Custom {
    mask: u64,
    bits: u64,
    /// Payload offset one past the last octet; 0 in an unused entry.
    end: u16,
    reserved: [u16; 3],
}

impl Custom {
    /// An entry that matches nothing.
    pub const UNUSED: Self = Self { mask: 0, bits: 0, end: 0, reserved: [0; 3] };

    /// Makes an entry; `None` if the octets are none or more than eight, the
    /// mask has another length or no bit, or the end lies past
    /// [`CUSTOM_END_MAX`].
    #[must_use]
    pub fn new(offset: u16, mask: &[u8], octets: &[u8]) -> Option<Self> {
        if octets.is_empty() || octets.len() > 8 || mask.len() != octets.len() {
            return None;
        }
        let end = offset.checked_add(u16::try_from(octets.len()).ok()?)?;
        if end > CUSTOM_END_MAX {
            return None;
        }
        let mut entry = Self { end, ..Self::UNUSED };
        for (mask, octet) in mask.iter().zip(octets) {
            entry.mask = entry.mask >> 8 | u64::from(*mask) << 56;
            entry.bits = entry.bits >> 8 | u64::from(mask & octet) << 56;
        }
        (entry.mask != 0).then_some(entry)
    }

    /// Whether [`new`](Self::new) could have made it.
    pub(crate) const fn is_whole(&self) -> bool {
        let is_end = 1 <= self.end && self.end <= CUSTOM_END_MAX;
        // Octets of the mask that stand before the payload compare nothing.
        let before_octets = 8_u16.saturating_sub(self.end);
        let before = (1_u64 << ((before_octets & 7) * 8)) - 1;
        is_end
            && self.mask != 0
            && self.mask & before == 0
            && self.bits & !self.mask == 0
            && matches!(self.reserved, [0, 0, 0])
    }

    /// Where to read the eight octets, counted from the UDP header, if the
    /// signature lies in a payload of this length.
    #[inline(always)]
    pub(crate) const fn offset_in_datagram(&self, payload_octets: usize) -> Option<usize> {
        // Eight before the end in the payload is `end` after the UDP header's
        // start, because that header has eight octets.
        const { assert!(udp::HEADER_OCTETS == 8) };
        let end = self.end as usize;
        if end == 0 || end > payload_octets { None } else { Some(end) }
    }

    /// Whether these octets, read at
    /// [`offset_in_datagram`](Self::offset_in_datagram), carry the signature.
    #[inline(always)]
    pub(crate) const fn matches(&self, octets: [u8; 8]) -> bool {
        (u64::from_le_bytes(octets) ^ self.bits) & self.mask == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_signature_is_recognised_at_its_offset_alone() {
        for kind in Kind::ALL {
            let Some((offset, octets)) = built_in(*kind) else { continue };
            let mut payload = [0; PAYLOAD_OCTETS_MIN];
            payload[offset..offset + SIGNATURE_OCTETS].copy_from_slice(octets);
            assert_eq!(recognise(&payload), Some(*kind));
            payload.rotate_right(1);
            assert_eq!(recognise(&payload), None);
        }
    }

    #[test]
    fn an_ito_signature_is_found_whatever_the_vendor_octets_are() {
        assert_eq!(recognise(b"\xff\xff\xff\xff\xffDATA:OT"), Some(Kind::DataOt));
    }

    #[test]
    fn a_short_signature_at_the_start_is_read_back_into_the_header() {
        let entry = Custom::new(0, &[0xff, 0xf0], &[0xab, 0xcd]).unwrap();
        assert_eq!(entry.offset_in_datagram(1), None);
        assert_eq!(entry.offset_in_datagram(2), Some(2));
        assert!(entry.matches([9, 9, 9, 9, 9, 9, 0xab, 0xc7]));
        assert!(!entry.matches([9, 9, 9, 9, 9, 9, 0xab, 0xb7]));
    }

    #[test]
    fn an_entry_needs_octets_under_its_mask() {
        assert!(Custom::new(0, &[], &[]).is_none());
        assert!(Custom::new(0, &[0], &[1]).is_none());
        assert!(Custom::new(0, &[1; 9], &[1; 9]).is_none());
        assert!(Custom::new(0, &[1; 2], &[1; 3]).is_none());
        assert!(Custom::new(249, &[1; 8], &[1; 8]).is_none());
        assert!(Custom::new(248, &[1; 8], &[1; 8]).is_some());
        assert!(Custom::new(u16::MAX, &[1; 8], &[1; 8]).is_none());
    }
}
