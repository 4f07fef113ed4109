//! Makes policies, and refuses contradictions with a way out.

use core::fmt;

use super::{
    CUSTOMS_MAX, Guards, ITO_PORT, Ipv4Prefix, Ipv6Prefix, Mode, PREFIXES_MAX, Policy, RateCap,
    TESTER_OUIS_MAX,
};
use crate::{
    Kind,
    frame::wire::ethernet::{MacAddress, MacBits, Oui},
    frame::wire::vlan::VID_MASK,
    reflect::signature::{Custom, KindSet},
};

/// Collects what to answer. The first error sticks and comes out of
/// [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    policy: Policy,
    own_mac_given: bool,
    error: Option<PolicyError>,
}

impl Builder {
    pub(super) fn new() -> Self {
        let policy = Policy { signatures: KindSet::BUILT_IN.0, ..Policy::closed() };
        Self { policy, own_mac_given: false, error: None }
            .tester_oui(Oui::NETALLY)
            .tester_oui(Oui::FLUKE)
    }

    /// Our own address: the destination to answer, and a source never to
    /// answer.
    pub fn own_mac(mut self, address: MacAddress) -> Self {
        if address.is_group() || address == MacAddress::default() {
            return self.fail(PolicyError::OwnMac { address });
        }
        self.policy.own_mac = address.bits().0;
        self.own_mac_given = true;
        self
    }

    /// Answers any unicast destination, not only our own. Dangerous where
    /// frames to other stations arrive.
    pub fn any_destination(mut self) -> Self {
        self.policy.destination_mask = MacBits::GROUP;
        self
    }

    /// Answers this source OUI alone, and takes it for a tester's.
    pub fn source_oui(mut self, oui: Oui) -> Self {
        self.policy.source_oui = oui.bits().0;
        self.policy.source_oui_mask = MacBits::OUI;
        self.policy.is_link_filtered = 1;
        self.tester_oui(oui)
    }

    /// One more OUI whose stations are testers, never reflectors.
    pub fn tester_oui(mut self, oui: Oui) -> Self {
        if self.policy.is_tester(oui.bits()) {
            return self;
        }
        let used = usize::from(self.policy.tester_ouis_used);
        let Some(entry) = self.policy.tester_ouis.get_mut(used) else {
            return self.fail(PolicyError::TooManyTesterOuis);
        };
        *entry = oui.bits().0;
        self.policy.tester_ouis_used += 1;
        self
    }

    /// The UDP destination port to answer.
    pub fn port(mut self, port: u16) -> Self {
        if port == 0 {
            return self.fail(PolicyError::PortZero);
        }
        self.policy.port = port;
        self.policy.port_mask = u16::MAX;
        self
    }

    /// Answers any UDP destination port.
    pub fn any_port(mut self) -> Self {
        self.policy.port = 0;
        self.policy.port_mask = 0;
        self
    }

    /// One more VLAN id to answer; 0 stands for frames without one. Once any
    /// is given, all others are refused. With two tags the outer one counts.
    pub fn vlan(mut self, vid: u16) -> Self {
        if vid >= VID_MASK {
            return self.fail(PolicyError::Vlan { vid });
        }
        self.policy.vlans[usize::from(vid >> 6) & 63] |= 1 << (vid & 63);
        self.policy.is_vlan_filtered = 1;
        self.policy.is_link_filtered = 1;
        self
    }

    /// One more prefix of testers. Once any is given, sources outside all of
    /// them are refused.
    pub fn allow_ipv4(mut self, prefix: Ipv4Prefix) -> Self {
        let used = usize::from(self.policy.ipv4_prefixes_used);
        let Some(entry) = self.policy.ipv4_prefixes.get_mut(used) else {
            return self.fail(PolicyError::TooManyPrefixes);
        };
        *entry = prefix;
        self.policy.ipv4_prefixes_used += 1;
        self
    }

    /// As [`allow_ipv4`](Self::allow_ipv4).
    pub fn allow_ipv6(mut self, prefix: Ipv6Prefix) -> Self {
        let used = usize::from(self.policy.ipv6_prefixes_used);
        let Some(entry) = self.policy.ipv6_prefixes.get_mut(used) else {
            return self.fail(PolicyError::TooManyPrefixes);
        };
        *entry = prefix;
        self.policy.ipv6_prefixes_used += 1;
        self
    }

    /// The kinds to answer, in place of every built-in one. [`Kind::Any`]
    /// answers every payload. Kinds of the user's own come by
    /// [`custom`](Self::custom).
    pub fn kinds(mut self, kinds: KindSet) -> Self {
        let customs = self.policy.signatures & !(KindSet::BUILT_IN.with(Kind::Any).0);
        let kinds = kinds.0 & KindSet::BUILT_IN.with(Kind::Any).0;
        self.policy.signatures = kinds | customs;
        self
    }

    /// One more signature of the user's own to answer.
    pub fn custom(mut self, custom: Custom) -> Self {
        let used = usize::from(self.policy.customs_used);
        let Some(entry) = self.policy.customs.get_mut(used) else {
            return self.fail(PolicyError::TooManyCustoms);
        };
        *entry = custom;
        self.policy.signatures |= 1 << (Kind::Custom1.code() + self.policy.customs_used);
        self.policy.customs_used += 1;
        self
    }

    /// How much of a frame is exchanged.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.policy.mode = mode as u8;
        self
    }

    /// The guards that are on.
    pub fn guards(mut self, guards: Guards) -> Self {
        self.policy.guards = guards.0;
        self
    }

    /// How many frames may be answered.
    pub fn rate_cap(mut self, cap: RateCap) -> Self {
        self.policy.rate_cap = cap;
        self
    }

    /// Gives the policy.
    ///
    /// # Errors
    ///
    /// The first contradiction that was given; each says what to change.
    pub fn build(self) -> Result<Policy, PolicyError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self.own_mac_given && self.policy.destination_mask != MacBits::GROUP {
            return Err(PolicyError::NoOwnMac);
        }
        if self.policy.signatures == 0 {
            return Err(PolicyError::NoSignature);
        }
        let is_any_sender = !self.policy.has_prefixes() && self.policy.source_oui_mask == 0;
        if is_any_sender && self.policy.port_mask == 0 && self.policy.kinds().contains(Kind::Any) {
            return Err(PolicyError::EverythingAnswered);
        }
        Ok(self.policy.with_derived_fields())
    }

    fn fail(mut self, error: PolicyError) -> Self {
        self.error.get_or_insert(error);
        self
    }
}

/// Why no policy could be made or read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PolicyError {
    /// Neither an own address nor any destination.
    NoOwnMac,
    /// A group or the all-zero address given as our own.
    OwnMac {
        /// What was given.
        address: MacAddress,
    },
    /// Port 0.
    PortZero,
    /// A VLAN id that cannot be on the wire.
    Vlan {
        /// What was given.
        vid: u16,
    },
    /// No kind of signature at all.
    NoSignature,
    /// Any port and any payload, from anybody.
    EverythingAnswered,
    /// More testers' OUIs than fit.
    TooManyTesterOuis,
    /// More prefixes of one IP version than fit.
    TooManyPrefixes,
    /// More signatures of the user's own than fit.
    TooManyCustoms,
    /// Octets of another length than a policy's.
    Size {
        /// What was given.
        octets: usize,
        /// What a policy has.
        wanted_octets: usize,
    },
    /// A policy of another version.
    Version {
        /// What was given.
        version: u32,
        /// What this program reads.
        wanted: u32,
    },
    /// A field that holds what no builder writes.
    Damaged,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOwnMac => f.write_str(
                "no own MAC address is known: give one, or answer any unicast destination",
            ),
            Self::OwnMac { address } => {
                write!(f, "{address} cannot be our own MAC address: give a unicast one")
            }
            Self::PortZero => {
                write!(f, "UDP port 0 is on no wire: give 1 to 65535 ({ITO_PORT} is ITO's), or any")
            }
            Self::Vlan { vid } => {
                write!(f, "VLAN id {vid} is on no wire: give 1 to 4094, or 0 for untagged frames")
            }
            Self::NoSignature => {
                f.write_str("no signature would be answered: name at least one, or any")
            }
            Self::EverythingAnswered => f.write_str(
                "any port and any signature would answer all of UDP, DNS and NTP among it: \
                 name a port, a signature, or the testers",
            ),
            Self::TooManyTesterOuis => {
                write!(f, "more than {TESTER_OUIS_MAX} testers' OUIs: name fewer")
            }
            Self::TooManyPrefixes => write!(
                f,
                "more than {PREFIXES_MAX} allowed prefixes of one IP version: \
                 join some to shorter ones"
            ),
            Self::TooManyCustoms => {
                write!(f, "more than {CUSTOMS_MAX} signatures of your own: name fewer")
            }
            Self::Size { octets, wanted_octets } => {
                write!(f, "{octets} octets are no policy, which has {wanted_octets}")
            }
            Self::Version { version, wanted } => {
                write!(f, "policy version {version}, but this program reads version {wanted}")
            }
            Self::Damaged => f.write_str("policy holds a value that no builder writes"),
        }
    }
}

impl core::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflect::policy::VERSION;

    fn builder() -> Builder {
        Policy::builder().own_mac(MacAddress([2, 0, 0, 0, 0, 1]))
    }

    #[test]
    fn the_defaults_build_and_survive_the_way_through_octets() {
        let policy = builder().build().unwrap();
        assert_eq!(policy.port(), Some(3842));
        assert_eq!(policy.source_oui(), None);
        assert_eq!(policy.mode(), Mode::All);
        assert_eq!(policy.guards(), Guards::ALL);
        assert_eq!(Policy::from_octets(policy.as_octets()), Ok(policy));
    }

    #[test]
    fn octets_of_another_size_version_or_content_are_refused() {
        let policy = builder().build().unwrap();
        let mut octets = [0; size_of::<Policy>()];
        octets.copy_from_slice(policy.as_octets());
        assert!(matches!(Policy::from_octets(&octets[1..]), Err(PolicyError::Size { .. })));
        octets[0] ^= 0xff;
        let error = Policy::from_octets(&octets).unwrap_err();
        assert_eq!(error, PolicyError::Version { version: VERSION ^ 0xff, wanted: VERSION });
        octets[0] ^= 0xff;
        octets[46] = 3; // the mode
        assert_eq!(Policy::from_octets(&octets), Err(PolicyError::Damaged));
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(Policy::builder().build(), Err(PolicyError::NoOwnMac));
        assert!(Policy::builder().any_destination().build().is_ok());
        assert_eq!(builder().port(0).build(), Err(PolicyError::PortZero));
        assert_eq!(builder().vlan(4095).build(), Err(PolicyError::Vlan { vid: 4095 }));
        assert_eq!(builder().kinds(KindSet::NONE).build(), Err(PolicyError::NoSignature));
        let everything = builder().any_port().kinds(KindSet::NONE.with(Kind::Any));
        assert_eq!(everything.build(), Err(PolicyError::EverythingAnswered));
        let group = MacAddress([1, 0, 0, 0, 0, 0]);
        assert_eq!(builder().own_mac(group).build(), Err(PolicyError::OwnMac { address: group }));
    }

    #[test]
    fn one_entry_too_many_is_refused_and_the_first_error_sticks() {
        let mut crowded = builder();
        for octet in 0..=u8::try_from(TESTER_OUIS_MAX).unwrap() {
            crowded = crowded.tester_oui(Oui([9, 9, octet]));
        }
        assert_eq!(crowded.port(0).build(), Err(PolicyError::TooManyTesterOuis));
        let mut crowded = builder();
        for _ in 0..=PREFIXES_MAX {
            crowded = crowded.allow_ipv4(Ipv4Prefix::ALL);
        }
        assert_eq!(crowded.build(), Err(PolicyError::TooManyPrefixes));
        let custom = Custom::new(0, &[0xff], &[1]).unwrap();
        let mut crowded = builder();
        for _ in 0..=CUSTOMS_MAX {
            crowded = crowded.custom(custom);
        }
        assert_eq!(crowded.build(), Err(PolicyError::TooManyCustoms));
    }

    #[test]
    fn the_same_tester_oui_takes_one_entry() {
        let policy = builder().tester_oui(Oui::NETALLY).source_oui(Oui::NETALLY).build().unwrap();
        assert_eq!(policy.tester_ouis_used, 2);
    }
}
