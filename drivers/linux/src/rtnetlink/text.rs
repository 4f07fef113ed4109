//! Texts of a link that are no text.
//!
//! The kernel takes any octets for an alias, and nearly any for a name; who reads
//! its messages as UTF-8 cannot read them at all. What is none is replaced before
//! they are read.

/// Octets of `struct nlmsghdr` and of `struct ifinfomsg`.
const HEADERS_OCTETS: usize = 16 + 16;

/// Octets of `struct rtattr`: length and kind, of 16 bits each.
const ATTRIBUTE_OCTETS: usize = 4;

/// Messages about links: `RTM_NEWLINK`, `RTM_DELLINK`.
const LINK_MESSAGES: [u16; 2] = [16, 17];

/// Attributes that are texts (`linux/if_link.h`): `IFLA_IFNAME`, `IFLA_QDISC`,
/// `IFLA_IFALIAS`, `IFLA_PHYS_PORT_NAME`, `IFLA_ALT_IFNAME`, `IFLA_PARENT_DEV_NAME`,
/// `IFLA_PARENT_DEV_BUS_NAME`.
const TEXTS: [u16; 7] = [3, 6, 20, 38, 53, 56, 57];

/// `IFLA_PROP_LIST`, which holds further names.
const PROPERTIES: u16 = 52;

/// Bits of an attribute's kind that are no part of it (`NLA_F_NESTED`,
/// `NLA_F_NET_BYTEORDER`).
const KIND_FLAGS: u16 = 0xc000;

/// Replaces what is no UTF-8 in the texts of a link's message.
pub(super) fn mend(message: &mut [u8]) {
    let kind = message.get(4..).and_then(<[u8]>::first_chunk).map(|kind| u16::from_ne_bytes(*kind));
    if kind.is_some_and(|kind| LINK_MESSAGES.contains(&kind))
        && let Some(attributes) = message.get_mut(HEADERS_OCTETS..)
    {
        mend_attributes(attributes);
    }
}

fn mend_attributes(mut rest: &mut [u8]) {
    while let Some([a, b, c, d]) = rest.first_chunk().copied() {
        let octets = usize::from(u16::from_ne_bytes([a, b]));
        let kind = u16::from_ne_bytes([c, d]) & !KIND_FLAGS;
        if octets < ATTRIBUTE_OCTETS || octets > rest.len() {
            return;
        }
        let (attribute, others) = rest.split_at_mut(octets);
        let value = &mut attribute[ATTRIBUTE_OCTETS..];
        if TEXTS.contains(&kind) {
            replace_what_is_no_text(value);
        } else if kind == PROPERTIES {
            mend_attributes(value);
        }
        let padding = octets.next_multiple_of(4).saturating_sub(octets).min(others.len());
        rest = &mut others[padding..];
    }
}

/// Puts a question mark in the place of each octet that is no part of a character.
fn replace_what_is_no_text(octets: &mut [u8]) {
    let mut start = 0;
    while let Err(error) = std::str::from_utf8(&octets[start..]) {
        let wrong = start + error.valid_up_to();
        octets[wrong] = b'?';
        start = wrong + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_octets_that_are_no_character_are_replaced() {
        for (before, after) in [
            (&b"plain\0"[..], &b"plain\0"[..]),
            ("Gästenetz".as_bytes(), "Gästenetz".as_bytes()),
            (b"\xff\xfe", b"??"),
            (b"a\xc3\x28b", b"a?(b"),
            (b"cut \xe2\x82", b"cut ??"),
            (b"", b""),
        ] {
            let mut octets = before.to_vec();
            replace_what_is_no_text(&mut octets);
            assert_eq!(octets, after);
        }
    }

    #[test]
    fn attributes_whose_length_cannot_be_end_the_walk() {
        for octets in [&[0, 0, 3, 0, 0xff][..], &[9, 0, 3, 0, 0xff], &[3]] {
            let mut mended = octets.to_vec();
            mend_attributes(&mut mended);
            assert_eq!(mended, octets);
        }
    }

    #[test]
    fn names_inside_the_list_of_properties_are_mended_too() {
        // A list of 12 octets with one name of 2.
        let mut octets = [12, 0, 52, 0x80, 6, 0, 53, 0, 0xfe, b'x', 0, 0];
        mend_attributes(&mut octets);
        assert_eq!(octets[8..10], *b"?x");
    }
}
