//! Whether a policy that came as octets is one that a builder could have made.

use super::{
    CUSTOMS_MAX, Guards, Ipv4Prefix, Ipv6Prefix, LOOP_PORTS_MAX, Mode, OWN_ADDRESSES_MAX,
    PREFIXES_MAX, Policy, SERVICES_MAX, ServiceEntry, TESTER_OUIS_MAX,
};
use crate::{
    Kind,
    frame::wire::ethernet::MacBits,
    reflect::signature::{Custom, KindSet},
};

impl Policy {
    /// Every field, and those that follow from others.
    pub(super) fn is_whole(&self) -> bool {
        self.has_whole_link() && self.has_whole_transport() && self.has_whole_lists()
    }

    fn has_whole_link(&self) -> bool {
        let is_destination = match self.destination_mask {
            MacBits::ALL | MacBits::GROUP => {
                !self.own_mac_bits().is_group() && self.own_mac & !MacBits::ALL == 0
            }
            _ => false,
        };
        let is_source = match self.source_oui_mask {
            0 => self.source_oui == 0,
            MacBits::OUI => is_oui(self.source_oui),
            _ => false,
        };
        let is_vlan_filtered = self.vlans.iter().any(|vids| *vids != 0);
        let is_link_filtered = is_vlan_filtered || self.source_oui_mask != 0;
        is_destination
            && is_source
            && self.is_vlan_filtered == u8::from(is_vlan_filtered)
            && self.is_link_filtered == u8::from(is_link_filtered)
            // VLAN id 4095 is on no wire.
            && self.vlans[63] >> 63 == 0
    }

    fn has_whole_transport(&self) -> bool {
        let is_port = match self.port_mask {
            0 => self.port == 0,
            u16::MAX => self.port != 0,
            _ => false,
        };
        let known = KindSet::BUILT_IN.with(Kind::Any).0;
        let customs = self.signatures & !known;
        // As many as there are entries, from the first on.
        let wanted_customs = ((1_u32 << (self.customs_used & 15)) - 1) << Kind::Custom1.code();
        is_port
            && customs == wanted_customs
            && self.mode <= Mode::All as u8
            && self.plainness == self.derive_plainness()
            && self.guards & !Guards::ALL.0 == 0
            && self.reserved.iter().all(|octet| *octet == 0)
            && self.rate_cap.is_whole()
    }

    fn has_whole_lists(&self) -> bool {
        is_list(&self.customs, self.customs_used, CUSTOMS_MAX, Custom::is_whole, &Custom::UNUSED)
            && is_list(
                &self.tester_ouis,
                self.tester_ouis_used,
                TESTER_OUIS_MAX,
                |oui| is_oui(*oui),
                &0,
            )
            && is_list(&self.loop_ports, self.loop_ports_used, LOOP_PORTS_MAX, |_| true, &0)
            && is_list(
                &self.services,
                self.services_used,
                SERVICES_MAX,
                ServiceEntry::is_whole,
                &ServiceEntry::UNUSED,
            )
            && is_list(&self.own_ipv4, self.own_ipv4_used, OWN_ADDRESSES_MAX, |own| *own != 0, &0)
            && is_list(
                &self.own_ipv6,
                self.own_ipv6_used,
                OWN_ADDRESSES_MAX,
                |own| *own != [0; 2],
                &[0; 2],
            )
            && is_list(
                &self.ipv4_prefixes,
                self.ipv4_prefixes_used,
                PREFIXES_MAX,
                |prefix| prefix.is_whole(),
                &Ipv4Prefix::ALL,
            )
            && is_list(
                &self.ipv6_prefixes,
                self.ipv6_prefixes_used,
                PREFIXES_MAX,
                Ipv6Prefix::is_whole,
                &Ipv6Prefix::ALL,
            )
    }
}

/// Whether these are the bits of an OUI that a station can have.
const fn is_oui(oui: u64) -> bool {
    oui & !MacBits::OUI == 0 && oui & MacBits::GROUP == 0
}

/// Whether the entries in use are whole and the others as they began.
fn is_list<T: PartialEq>(
    entries: &[T],
    used: u8,
    entries_max: usize,
    is_whole: impl Fn(&T) -> bool,
    unused: &T,
) -> bool {
    let used = usize::from(used);
    used <= entries_max
        && entries.iter().take(used).all(is_whole)
        && entries.iter().skip(used).all(|entry| entry == unused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MacAddress, Oui, reflect::policy::PolicyError, reflect::policy::RateCap};

    fn policy() -> Policy {
        Policy::builder()
            .own_mac(MacAddress([2, 0, 0, 0, 0, 1]))
            .source_oui(Oui([10, 9, 9]))
            .vlan(7)
            .allow_ipv4(Ipv4Prefix::new([192, 0, 2, 0], 24).unwrap())
            .allow_ipv6(Ipv6Prefix::new([0; 16], 0).unwrap())
            .custom(Custom::new(0, &[0xff], &[1]).unwrap())
            .rate_cap(RateCap::new(1_000, 250))
            .build()
            .unwrap()
    }

    /// Changes a whole policy and reads it back.
    fn is_refused(damage: impl Fn(&mut Policy)) -> bool {
        let mut policy = policy();
        damage(&mut policy);
        Policy::from_octets(policy.as_octets()) == Err(PolicyError::Damaged)
    }

    #[test]
    fn a_whole_policy_is_read_back() {
        let policy = policy();
        assert_eq!(Policy::from_octets(policy.as_octets()), Ok(policy));
    }

    #[test]
    fn what_no_builder_writes_is_refused() {
        assert!(is_refused(|policy| policy.own_mac |= MacBits::GROUP));
        assert!(is_refused(|policy| policy.own_mac |= 1));
        assert!(is_refused(|policy| policy.destination_mask = 0));
        assert!(is_refused(|policy| policy.source_oui_mask = 1));
        assert!(is_refused(|policy| policy.source_oui |= 1));
        assert!(is_refused(|policy| policy.port = 0));
        assert!(is_refused(|policy| policy.port_mask = 0xff));
        assert!(is_refused(|policy| policy.guards = u32::MAX));
        assert!(is_refused(|policy| policy.signatures = u32::MAX));
        assert!(is_refused(|policy| policy.signatures = 0));
        assert!(is_refused(|policy| policy.mode = 3));
        assert!(is_refused(|policy| policy.reserved[0] = 1));
        assert!(is_refused(|policy| policy.vlans[63] |= 1 << 63));
        assert!(is_refused(|policy| policy.source_oui |= MacBits::GROUP));
        assert!(is_refused(|policy| policy.tester_ouis[0] |= MacBits::GROUP));
        assert!(is_refused(|policy| policy.own_ipv4_used = 1));
        assert!(is_refused(|policy| policy.own_ipv6_used = 1));
        assert!(is_refused(|policy| policy.services_used = 1));
        assert!(is_refused(|policy| policy.loop_ports_used = 17));
        assert!(is_refused(|policy| policy.hop_limit_fall = 0));
        assert!(is_refused(|policy| policy.highest_loop_port = 0));
        assert!(is_refused(|policy| policy.has_named_hosts = 1));
    }

    #[test]
    fn contradictions_are_refused_from_octets_as_from_a_builder() {
        let read = |damage: fn(&mut Policy)| {
            let own_mac = MacAddress([2, 0, 0, 0, 0, 1]);
            let mut policy = Policy::builder().own_mac(own_mac).build().unwrap();
            damage(&mut policy);
            Policy::from_octets(policy.with_derived_fields().as_octets())
        };
        assert_eq!(read(|policy| policy.own_mac = 0), Err(PolicyError::NoOwnMac));
        assert_eq!(read(|policy| policy.signatures = 0), Err(PolicyError::NoSignature));
        let everything = read(|policy| {
            (policy.port, policy.port_mask) = (0, 0);
            policy.signatures |= KindSet::NONE.with(Kind::Any).0;
        });
        assert_eq!(everything, Err(PolicyError::EverythingAnswered));
        let closed = Policy::from_octets(Policy::closed().with_derived_fields().as_octets());
        assert_eq!(closed, Err(PolicyError::NoOwnMac));
    }

    #[test]
    fn what_follows_from_other_fields_must_follow() {
        assert!(is_refused(|policy| policy.is_link_filtered = 0));
        assert!(is_refused(|policy| policy.is_vlan_filtered = 0));
        assert!(is_refused(|policy| policy.is_vlan_filtered = 2));
        assert!(is_refused(|policy| policy.vlans[0] = 0));
        assert!(is_refused(|policy| policy.plainness ^= 1));
    }

    #[test]
    fn lists_hold_whole_entries_up_to_their_count() {
        assert!(is_refused(|policy| policy.customs_used = 2));
        assert!(is_refused(|policy| policy.customs_used = u8::MAX));
        assert!(is_refused(|policy| policy.tester_ouis_used = 9));
        assert!(is_refused(|policy| policy.tester_ouis[0] = 1));
        assert!(is_refused(|policy| policy.ipv4_prefixes_used = 0));
        assert!(is_refused(|policy| policy.ipv4_prefixes_used = 17));
        assert!(is_refused(|policy| policy.ipv6_prefixes_used = 17));
        assert!(is_refused(|policy| policy.customs[0] = Custom::UNUSED));
    }
}
