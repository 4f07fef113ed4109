//! Makes policies, and refuses contradictions with a way out.

use core::{fmt, net::IpAddr};

use super::{
    CUSTOMS_MAX, Guards, ITO_PORT, Ipv4Prefix, Ipv6Prefix, LOOP_PORTS, LOOP_PORTS_MAX, Mode,
    OWN_ADDRESSES_MAX, PREFIXES_MAX, Policy, RateCap, SERVICES_MAX, ServedBy, ServiceEntry,
    TESTER_OUIS_MAX,
};
use crate::{
    Kind, Service,
    frame::wire::{
        ethernet::{MacAddress, MacBits, Oui},
        ipv4, ipv6,
        vlan::VID_MASK,
    },
    reflect::signature::{Custom, KindSet},
};

/// Collects what to answer. The first error sticks and comes out of
/// [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    policy: Policy,
    error: Option<PolicyError>,
}

impl Builder {
    pub(super) fn new() -> Self {
        let policy = Policy { signatures: KindSet::BUILT_IN.0, ..Policy::closed() };
        Self { policy, error: None }
            .loop_ports(&LOOP_PORTS)
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
        if oui.bits().is_group() {
            return self.fail(PolicyError::GroupOui { oui });
        }
        self.policy.source_oui = oui.bits().0;
        self.policy.source_oui_mask = MacBits::OUI;
        self.policy.is_link_filtered = 1;
        self.tester_oui(oui)
    }

    /// One more OUI whose stations are testers, never reflectors.
    pub fn tester_oui(mut self, oui: Oui) -> Self {
        if oui.bits().is_group() {
            return self.fail(PolicyError::GroupOui { oui });
        }
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

    /// One more prefix to answer. Once any is given, sources outside all of
    /// them are refused. A prefix of one address names it a tester, which the
    /// guard against loops then lets through; a longer list of addresses says
    /// who may ask, not that no reflector is among them.
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

    /// One more address of the host itself. Once any is given, packets to
    /// others are refused, of both IP versions: a router's transit traffic is
    /// not ours. All bits 0 is no address and is refused at
    /// [`build`](Self::build).
    pub fn own_address(mut self, address: IpAddr) -> Self {
        if address.is_unspecified() {
            return self.fail(PolicyError::OwnAddress { address });
        }
        let policy = &mut self.policy;
        let is_full = match address {
            IpAddr::V4(address) => {
                let bits = ipv4::Address::parse(address.octets()).0;
                !append(&mut policy.own_ipv4, &mut policy.own_ipv4_used, bits)
            }
            IpAddr::V6(address) => {
                let bits = ipv6::Address::parse(address.octets()).0;
                !append(&mut policy.own_ipv6, &mut policy.own_ipv6_used, bits)
            }
        };
        if is_full { self.fail(PolicyError::TooManyOwnAddresses) } else { self }
    }

    /// The source ports that are never answered while the guard against loops
    /// is on, in place of [`LOOP_PORTS`].
    pub fn loop_ports(mut self, ports: &[u16]) -> Self {
        self.policy.loop_ports = [0; LOOP_PORTS_MAX];
        self.policy.loop_ports_used = 0;
        for port in ports {
            let policy = &mut self.policy;
            if !append(&mut policy.loop_ports, &mut policy.loop_ports_used, *port) {
                return self.fail(PolicyError::TooManyLoopPorts);
            }
        }
        self
    }

    /// A service that answers this UDP port, `EtherType` or IP protocol.
    pub fn service(mut self, by: ServedBy, number: u16, service: Service) -> Self {
        let entry = ServiceEntry { number, by, service: service.code() };
        let policy = &mut self.policy;
        if append(&mut policy.services, &mut policy.services_used, entry) {
            self
        } else {
            self.fail(PolicyError::TooManyServices)
        }
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
        self.policy.signatures |= 1_u32 << (Kind::Custom1.code() + self.policy.customs_used);
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
        match self.policy.contradiction() {
            Some(error) => Err(error),
            None => Ok(self.policy.with_derived_fields()),
        }
    }

    fn fail(mut self, error: PolicyError) -> Self {
        self.error.get_or_insert(error);
        self
    }
}

/// Adds an entry to a list; `false` if it is full.
fn append<T>(entries: &mut [T], used: &mut u8, entry: T) -> bool {
    let Some(place) = entries.get_mut(usize::from(*used)) else { return false };
    *place = entry;
    *used += 1;
    true
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
    /// Any port and any payload, from anybody: a prefix shorter than what is
    /// handed out to anybody leaves nobody out.
    EverythingAnswered,
    /// The OUI of group addresses, which no station has.
    GroupOui {
        /// What was given.
        oui: Oui,
    },
    /// An address that no host has, given as our own.
    OwnAddress {
        /// What was given.
        address: IpAddr,
    },
    /// More ports at loop risk than fit.
    TooManyLoopPorts,
    /// More services than fit.
    TooManyServices,
    /// More addresses of the host of one IP version than fit.
    TooManyOwnAddresses,
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
            Self::GroupOui { oui } => {
                write!(f, "{oui} is the OUI of group addresses, which no station has")
            }
            Self::OwnAddress { address } => write!(f, "{address} is no address of a host"),
            Self::TooManyLoopPorts => {
                write!(f, "more than {LOOP_PORTS_MAX} ports at loop risk: name fewer")
            }
            Self::TooManyServices => write!(f, "more than {SERVICES_MAX} services: name fewer"),
            Self::TooManyOwnAddresses => write!(
                f,
                "more than {OWN_ADDRESSES_MAX} own addresses of one IP version: name fewer"
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
        octets[48] = 3; // the mode
        assert_eq!(Policy::from_octets(&octets), Err(PolicyError::Damaged));
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(Policy::builder().build(), Err(PolicyError::NoOwnMac));
        let any = Policy::builder().any_destination().build().unwrap();
        assert!(any.answers_any_destination());
        assert_eq!(builder().port(0).build(), Err(PolicyError::PortZero));
        assert_eq!(builder().vlan(4095).build(), Err(PolicyError::Vlan { vid: 4095 }));
        assert_eq!(builder().kinds(KindSet::NONE).build(), Err(PolicyError::NoSignature));
        let everything = builder().any_port().kinds(KindSet::NONE.with(Kind::Any));
        assert_eq!(everything.build(), Err(PolicyError::EverythingAnswered));
        for (address, bits) in [([0; 4], 0), ([0; 4], 1), ([64, 0, 0, 0], 7)] {
            let prefix = Ipv4Prefix::new(address, bits).unwrap_or(Ipv4Prefix::ALL);
            let allowed = builder().any_port().kinds(KindSet::NONE.with(Kind::Any));
            let allowed = allowed.allow_ipv4(prefix);
            assert_eq!(allowed.build(), Err(PolicyError::EverythingAnswered));
        }
        let oui = Oui([0x01, 0, 0x5e]);
        assert_eq!(builder().tester_oui(oui).build(), Err(PolicyError::GroupOui { oui }));
        assert_eq!(builder().source_oui(oui).build(), Err(PolicyError::GroupOui { oui }));
        let address = IpAddr::from([0; 4]);
        let refused = builder().own_address(address).build();
        assert_eq!(refused, Err(PolicyError::OwnAddress { address }));
        let group = MacAddress([1, 0, 0, 0, 0, 0]);
        assert_eq!(builder().own_mac(group).build(), Err(PolicyError::OwnMac { address: group }));
    }

    #[test]
    fn one_entry_too_many_is_refused_and_the_first_error_sticks() {
        let mut crowded = builder();
        for octet in 0..=u8::try_from(TESTER_OUIS_MAX).unwrap() {
            crowded = crowded.tester_oui(Oui([10, 9, octet]));
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
        let crowded = builder().loop_ports(&[9; LOOP_PORTS_MAX + 1]);
        assert_eq!(crowded.build(), Err(PolicyError::TooManyLoopPorts));
        let mut crowded = builder();
        for _ in 0..=SERVICES_MAX {
            crowded = crowded.service(ServedBy::UDP_PORT, 862, Service::Stamp);
        }
        assert_eq!(crowded.build(), Err(PolicyError::TooManyServices));
        let mut crowded = builder();
        for _ in 0..=OWN_ADDRESSES_MAX {
            crowded = crowded.own_address(IpAddr::from([192, 0, 2, 1]));
        }
        assert_eq!(crowded.build(), Err(PolicyError::TooManyOwnAddresses));
    }

    #[test]
    fn the_same_tester_oui_takes_one_entry() {
        let policy = builder().tester_oui(Oui::NETALLY).source_oui(Oui::NETALLY).build().unwrap();
        assert_eq!(policy.tester_ouis_used, 2);
    }
}
