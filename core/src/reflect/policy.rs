//! What to answer, as plain data.
//!
//! A [`Policy`] has no pointer and no padding, so the same octets go into the
//! kernel program, a user-space worker and a firmware image. It is made by the
//! [`Builder`], which refuses contradictions; whoever receives one as octets
//! checks it with [`Policy::from_octets`].

mod builder;
mod guards;
mod prefix;
mod rate_cap;
mod services;
mod whole;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use builder::{Builder, PolicyError};
pub use guards::Guards;
pub use prefix::{Ipv4Prefix, Ipv6Prefix};
pub use rate_cap::RateCap;
pub(super) use rate_cap::UNITS_PER_FRAME;
pub use services::ServedBy;
pub(crate) use services::ServiceEntry;

use crate::{
    Kind, Service,
    frame::wire::{
        ethernet::{MacAddress, MacBits, Oui},
        ipv4, ipv6,
    },
    reflect::guard::CLIENT_PORTS_START,
    reflect::signature::{Custom, KindSet},
};

/// Layout of [`Policy`]. Goes up with every change of its fields.
pub const VERSION: u32 = 4;

/// Signatures of the user's own in one policy.
pub const CUSTOMS_MAX: usize = 8;

/// Testers' OUIs in one policy.
pub const TESTER_OUIS_MAX: usize = 8;

/// Allowed prefixes of each IP version in one policy.
pub const PREFIXES_MAX: usize = 16;

/// Ports at loop risk in one policy.
pub const LOOP_PORTS_MAX: usize = 16;

/// Services in one policy.
pub const SERVICES_MAX: usize = 16;

/// The host's own addresses of each IP version in one policy.
pub const OWN_ADDRESSES_MAX: usize = 8;

/// Ports of services that answer what is sent to them from there: echo,
/// daytime, quote of the day, chargen, time, DNS, TFTP, NTP, SNMP, STAMP and
/// TWAMP light, SSDP (RFC 862 to 868, RFC 8762 section 4.1, CVE-2024-2169).
/// Their answers start with a fresh hop limit, so nothing but the port tells
/// that a loop has begun.
pub const LOOP_PORTS: [u16; 11] = [7, 13, 17, 19, 37, 53, 69, 123, 161, 862, 1900];

/// UDP port of the ITO testers.
pub const ITO_PORT: u16 = 3842;

/// How much of a frame is exchanged on its way back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Mode {
    /// MAC addresses.
    Mac = 0,
    /// MAC and IP addresses.
    MacIp = 1,
    /// MAC addresses, IP addresses and UDP ports.
    #[default]
    All = 2,
}

/// Values of a policy's field: frames from which UDP ports could be another
/// reflector's answer.
struct LoopRisk;

impl LoopRisk {
    /// The guard is off.
    const NONE: u8 = 0;
    /// Answers have their ports exchanged.
    const REFLECTOR_PORTS: u8 = 1;
    /// Answers look like requests, or every port is served.
    const EVERY_PORT: u8 = 2;
}

/// Values of a policy's field: how much may take the short cut.
struct Plainness;

impl Plainness {
    /// Everything is looked at closely.
    const NONE: u8 = 0;
    /// What stands behind the link layer, which has filters.
    const PACKET: u8 = 1;
    /// Whole frames.
    const FRAME: u8 = 2;
}

/// What to answer. Read-only in the hot path.
///
/// `repr(C)`, no padding, no pointer. Fields that every frame needs stand
/// first, in one cache line.
#[derive(Clone, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Policy {
    version: u32,
    pub(crate) guards: u32,
    /// Own address; see [`MacBits`].
    own_mac: u64,
    /// Bits of the destination that must equal `own_mac`: all, or for any
    /// unicast that of group addresses alone.
    pub(crate) destination_mask: u64,
    /// See [`MacBits`].
    pub(crate) source_oui: u64,
    /// 0 for any OUI.
    pub(crate) source_oui_mask: u64,
    port: u16,
    /// 0 for any port.
    pub(crate) port_mask: u16,
    signatures: u32,
    mode: u8,
    /// 1 if sources are of one OUI, or VLAN ids among `vlans`, alone.
    pub(crate) is_link_filtered: u8,
    /// How much may take the short cut. Derived from the other fields.
    plainness: u8,
    /// 1 if only the VLAN ids of `vlans` are answered.
    pub(crate) is_vlan_filtered: u8,
    pub(crate) customs_used: u8,
    pub(crate) tester_ouis_used: u8,
    pub(crate) ipv4_prefixes_used: u8,
    pub(crate) ipv6_prefixes_used: u8,
    /// 1 if sources are limited to prefixes. Derived.
    is_source_limited: u8,
    /// Which frames the guard against loops is asked about. Derived.
    loop_risk: u8,
    pub(crate) loop_ports_used: u8,
    pub(crate) services_used: u8,
    pub(crate) own_ipv4_used: u8,
    pub(crate) own_ipv6_used: u8,
    /// What answers take from the hop limit: 1, or 0 to keep it. Derived.
    hop_limit_fall: u8,
    /// 1 if a prefix names a host. Derived.
    has_named_hosts: u8,
    /// `port` once more, to be read where it is compared with a source: kept
    /// in a register meanwhile it would cost another one. 0 if the guard
    /// against loops does not ask. Derived.
    served_port: u16,
    /// No source port above it is at loop risk, but `served_port`. Derived.
    highest_loop_port: u16,
    reserved: [u8; 4],
    pub(crate) rate_cap: RateCap,
    pub(crate) tester_ouis: [u64; TESTER_OUIS_MAX],
    pub(crate) customs: [Custom; CUSTOMS_MAX],
    pub(crate) ipv4_prefixes: [Ipv4Prefix; PREFIXES_MAX],
    pub(crate) ipv6_prefixes: [Ipv6Prefix; PREFIXES_MAX],
    /// One bit for each VLAN id; that of 0 stands for untagged frames too.
    vlans: [u64; 64],
    own_ipv6: [[u64; 2]; OWN_ADDRESSES_MAX],
    own_ipv4: [u32; OWN_ADDRESSES_MAX],
    services: [ServiceEntry; SERVICES_MAX],
    loop_ports: [u16; LOOP_PORTS_MAX],
}

const _: () = assert!(size_of::<Policy>() == 88 + 64 + 192 + 128 + 512 + 512 + 128 + 32 + 64 + 32);

impl Policy {
    /// Starts with the defaults: port 3842, any OUI, every built-in signature,
    /// mode `all`, every guard, no own MAC yet.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A policy that answers nothing: what a program holds before it is given
    /// one.
    #[must_use]
    pub const fn closed() -> Self {
        Self {
            version: VERSION,
            guards: Guards::ALL.0,
            own_mac: 0,
            destination_mask: MacBits::ALL,
            source_oui: 0,
            source_oui_mask: 0,
            port: ITO_PORT,
            port_mask: u16::MAX,
            signatures: 0,
            mode: Mode::All as u8,
            is_link_filtered: 0,
            plainness: Plainness::NONE,
            is_vlan_filtered: 0,
            customs_used: 0,
            tester_ouis_used: 0,
            ipv4_prefixes_used: 0,
            ipv6_prefixes_used: 0,
            is_source_limited: 0,
            loop_risk: LoopRisk::NONE,
            loop_ports_used: 0,
            services_used: 0,
            own_ipv4_used: 0,
            own_ipv6_used: 0,
            hop_limit_fall: 1,
            has_named_hosts: 0,
            served_port: 0,
            highest_loop_port: 0,
            reserved: [0; 4],
            rate_cap: RateCap::UNLIMITED,
            tester_ouis: [0; TESTER_OUIS_MAX],
            customs: [Custom::UNUSED; CUSTOMS_MAX],
            ipv4_prefixes: [Ipv4Prefix::ALL; PREFIXES_MAX],
            ipv6_prefixes: [Ipv6Prefix::ALL; PREFIXES_MAX],
            vlans: [0; 64],
            own_ipv6: [[0; 2]; OWN_ADDRESSES_MAX],
            own_ipv4: [0; OWN_ADDRESSES_MAX],
            services: [ServiceEntry::UNUSED; SERVICES_MAX],
            loop_ports: [0; LOOP_PORTS_MAX],
        }
    }

    /// Reads a policy that another program wrote.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Size`] or [`PolicyError::Version`] if it has another
    /// layout, [`PolicyError::Damaged`] if a field holds what no builder
    /// writes, and the contradictions that [`Builder::build`] refuses.
    pub fn from_octets(octets: &[u8]) -> Result<Self, PolicyError> {
        let policy = Self::read_from_bytes(octets).map_err(|_| PolicyError::Size {
            octets: octets.len(),
            wanted_octets: size_of::<Self>(),
        })?;
        if policy.version != VERSION {
            return Err(PolicyError::Version { version: policy.version, wanted: VERSION });
        }
        let is_derived = policy == policy.clone().with_derived_fields();
        if !is_derived || !policy.is_whole() {
            return Err(PolicyError::Damaged);
        }
        match policy.contradiction() {
            Some(error) => Err(error),
            None => Ok(policy),
        }
    }

    /// The octets to hand to another program; see
    /// [`from_octets`](Self::from_octets).
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        self.as_bytes()
    }

    /// The UDP port, or `None` for any.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        if self.port_mask == 0 { None } else { Some(self.port) }
    }

    /// Our own address.
    #[must_use]
    pub const fn own_mac(&self) -> MacAddress {
        let [_, _, a, b, c, d, e, f] = self.own_mac.to_le_bytes();
        MacAddress([a, b, c, d, e, f])
    }

    /// Whether every individual destination MAC is answered, not our own alone.
    #[must_use]
    pub const fn answers_any_destination(&self) -> bool {
        self.destination_mask == MacBits::GROUP
    }

    /// The only source OUI that is answered, or `None` for any.
    #[must_use]
    pub const fn source_oui(&self) -> Option<Oui> {
        let [_, _, a, b, c, ..] = self.source_oui.to_le_bytes();
        if self.source_oui_mask == 0 { None } else { Some(Oui([a, b, c])) }
    }

    /// How much of a frame is exchanged.
    #[must_use]
    #[inline(always)]
    pub const fn mode(&self) -> Mode {
        match self.mode {
            0 => Mode::Mac,
            1 => Mode::MacIp,
            _ => Mode::All,
        }
    }

    /// What is answered.
    #[must_use]
    #[inline(always)]
    pub const fn kinds(&self) -> KindSet {
        KindSet(self.signatures)
    }

    /// Whether a payload without a built-in signature is always refused.
    #[inline(always)]
    pub(crate) const fn has_built_in_kinds_only(&self) -> bool {
        self.signatures & !KindSet::BUILT_IN.0 == 0
    }

    /// How many frames may be answered.
    #[must_use]
    #[inline(always)]
    pub const fn rate_cap(&self) -> &RateCap {
        &self.rate_cap
    }

    /// The guards that are on.
    #[must_use]
    #[inline(always)]
    pub const fn guards(&self) -> Guards {
        Guards(self.guards)
    }

    #[inline(always)]
    pub(crate) const fn own_mac_bits(&self) -> MacBits {
        MacBits(self.own_mac)
    }

    /// Whether a destination is a group address, or an individual one that we
    /// do not answer for: no policy has a group address for its own, so one
    /// compare tells both.
    #[inline(always)]
    pub(crate) const fn is_foreign(&self, destination: MacBits) -> bool {
        (destination.0 ^ self.own_mac) & self.destination_mask != 0
    }

    /// Whether a whole frame may be decided on the short cut.
    #[inline(always)]
    pub(crate) const fn is_plain(&self) -> bool {
        self.plainness == Plainness::FRAME
    }

    /// Whether a packet may be, whose link layer was looked at closely.
    #[inline(always)]
    pub(crate) const fn is_plain_behind_link(&self) -> bool {
        self.plainness != Plainness::NONE
    }

    const fn derive_plainness(&self) -> u8 {
        let is_plain_behind_link = matches!(self.mode(), Mode::All)
            && self.hop_limit_fall != 0
            && !self.has_prefixes()
            && self.rate_cap.is_unlimited()
            && !self.has_own_addresses()
            && self.services_used == 0
            && self.loop_risk != LoopRisk::EVERY_PORT;
        match (is_plain_behind_link, self.is_link_filtered()) {
            (false, _) => Plainness::NONE,
            (true, true) => Plainness::PACKET,
            (true, false) => Plainness::FRAME,
        }
    }

    /// What cannot be asked for together, whoever wrote the policy.
    fn contradiction(&self) -> Option<PolicyError> {
        if self.own_mac == 0 && self.destination_mask != MacBits::GROUP {
            return Some(PolicyError::NoOwnMac);
        }
        if self.signatures == 0 {
            return Some(PolicyError::NoSignature);
        }
        let is_any_payload = self.port_mask == 0 && self.kinds().contains(Kind::Any);
        if is_any_payload && self.source_oui_mask == 0 && self.answers_everybody() {
            return Some(PolicyError::EverythingAnswered);
        }
        None
    }

    /// Whether no list of prefixes leaves anybody out.
    fn answers_everybody(&self) -> bool {
        !self.has_prefixes()
            || self.ipv4_prefixes().any(Ipv4Prefix::holds_everybody)
            || self.ipv6_prefixes().any(Ipv6Prefix::holds_everybody)
    }

    /// Fills in the fields that follow from others.
    fn with_derived_fields(mut self) -> Self {
        self.is_source_limited = u8::from(self.has_prefixes());
        self.has_named_hosts = u8::from(
            self.ipv4_prefixes().any(Ipv4Prefix::is_host)
                || self.ipv6_prefixes().any(Ipv6Prefix::is_host),
        );
        self.hop_limit_fall = u8::from(self.has(Guards::HOP_LIMIT));
        self.loop_risk = if !self.has(Guards::LOOP_RISK) {
            LoopRisk::NONE
        } else if self.mode() == Mode::All && self.port_mask != 0 {
            LoopRisk::REFLECTOR_PORTS
        } else {
            LoopRisk::EVERY_PORT
        };
        let is_asked = self.has(Guards::LOOP_RISK);
        let start = if self.port < CLIENT_PORTS_START { ITO_PORT } else { CLIENT_PORTS_START - 1 };
        let highest = self.loop_ports().fold(start, |highest, port| highest.max(*port));
        self.highest_loop_port = if is_asked { highest } else { 0 };
        self.served_port = if is_asked { self.port } else { 0 };
        self.plainness = self.derive_plainness();
        self
    }

    /// Whether OUIs or VLAN ids are asked for at all.
    #[inline(always)]
    pub(crate) const fn is_link_filtered(&self) -> bool {
        self.is_link_filtered != 0
    }

    #[inline(always)]
    pub(crate) const fn is_source_wanted(&self, source: MacBits) -> bool {
        (source.0 ^ self.source_oui) & self.source_oui_mask == 0
    }

    #[inline(always)]
    pub(crate) const fn has(&self, guard: Guards) -> bool {
        self.guards & guard.0 != 0
    }

    #[inline(always)]
    pub(crate) const fn is_port_wanted(&self, port: u16) -> bool {
        port == self.port || self.port_mask == 0
    }

    /// Whether a service answers from this port that is never answered itself,
    /// not even where a tester is: its answers would come back for ever.
    #[inline(always)]
    pub(crate) fn is_loop_port(&self, source_port: u16) -> bool {
        // Most testers send from a high port.
        if self.loop_risk == LoopRisk::NONE || source_port > self.highest_loop_port {
            return false;
        }
        self.loop_ports().any(|port| *port == source_port)
    }

    /// Whether a frame from this port could be another reflector's answer.
    #[inline(always)]
    pub(crate) const fn could_be_answer(&self, source_port: u16) -> bool {
        match self.loop_risk {
            LoopRisk::NONE => false,
            LoopRisk::REFLECTOR_PORTS => {
                source_port == self.served_port
                    || source_port == ITO_PORT
                    || source_port < CLIENT_PORTS_START && self.served_port >= CLIENT_PORTS_START
            }
            _ => true,
        }
    }

    /// Whether the guard against loops must look at this source port, under a
    /// plain policy: two compares for nearly every frame.
    #[inline(always)]
    pub(crate) const fn may_be_at_loop_risk(&self, source_port: u16) -> bool {
        source_port == self.served_port || source_port <= self.highest_loop_port
    }

    /// What an answer takes from the hop limit: 1, or 0 to keep it.
    #[must_use]
    #[inline(always)]
    pub const fn hop_limit_fall(&self) -> u8 {
        self.hop_limit_fall
    }

    /// The hop limit of the answer to a packet that came with this one.
    #[must_use]
    #[inline(always)]
    pub const fn hop_limit_of_answer(&self, received: u8) -> u8 {
        received.saturating_sub(self.hop_limit_fall)
    }

    /// Ports that are never answered while the guard against loops is on.
    #[inline(always)]
    pub fn loop_ports(&self) -> impl Iterator<Item = &u16> {
        used(&self.loop_ports, self.loop_ports_used)
    }

    /// The service that answers a UDP destination port, an `EtherType` or an
    /// IP protocol, if one does. Services answer before the swap is asked.
    #[must_use]
    #[inline(always)]
    pub fn service(&self, by: ServedBy, number: u16) -> Option<Service> {
        used(&self.services, self.services_used)
            .find(|entry| entry.by == by && entry.number == number)
            .and_then(|entry| Service::from_code(entry.service))
    }

    /// Whether an IP destination must be the host's own.
    #[inline(always)]
    pub(crate) const fn has_own_addresses(&self) -> bool {
        self.own_ipv4_used | self.own_ipv6_used != 0
    }

    #[inline(always)]
    pub(crate) fn is_own_ipv4(&self, address: ipv4::Address) -> bool {
        used(&self.own_ipv4, self.own_ipv4_used).any(|own| *own == address.0)
    }

    #[inline(always)]
    pub(crate) fn is_own_ipv6(&self, address: ipv6::Address) -> bool {
        used(&self.own_ipv6, self.own_ipv6_used).any(|own| *own == address.0)
    }

    /// Whether prefixes name single hosts as testers.
    #[inline(always)]
    pub(crate) const fn has_named_hosts(&self) -> bool {
        self.has_named_hosts != 0
    }

    #[inline(always)]
    pub(crate) fn is_vlan_wanted(&self, vid: u16) -> bool {
        self.is_vlan_filtered == 0 || self.vlans[usize::from(vid >> 6) & 63] >> (vid & 63) & 1 != 0
    }

    /// Whether an address has a tester's OUI.
    #[inline(always)]
    pub(crate) fn is_tester(&self, address: MacBits) -> bool {
        let oui = address.oui().0;
        self.tester_ouis
            .iter()
            .take(usize::from(self.tester_ouis_used))
            .any(|tester| *tester == oui)
    }

    #[inline(always)]
    pub(crate) fn customs(&self) -> impl Iterator<Item = &Custom> {
        used(&self.customs, self.customs_used)
    }

    #[inline(always)]
    pub(crate) fn ipv4_prefixes(&self) -> impl Iterator<Item = &Ipv4Prefix> {
        used(&self.ipv4_prefixes, self.ipv4_prefixes_used)
    }

    #[inline(always)]
    pub(crate) fn ipv6_prefixes(&self) -> impl Iterator<Item = &Ipv6Prefix> {
        used(&self.ipv6_prefixes, self.ipv6_prefixes_used)
    }

    #[inline(always)]
    pub(crate) const fn is_source_limited(&self) -> bool {
        self.is_source_limited != 0
    }

    /// Whether sources are limited to given prefixes.
    #[inline(always)]
    pub(crate) const fn has_prefixes(&self) -> bool {
        self.ipv4_prefixes_used | self.ipv6_prefixes_used != 0
    }
}

/// The entries of a list that are in use. By index: an iterator over a slice is
/// twice as many instructions in the kernel.
#[inline(always)]
fn used<T, const ENTRIES: usize>(entries: &[T; ENTRIES], used: u8) -> impl Iterator<Item = &T> {
    const { assert!(ENTRIES.is_power_of_two()) };
    let mut index = 0;
    core::iter::from_fn(move || {
        if index >= usize::from(used) {
            return None;
        }
        let entry = &entries[index & (ENTRIES - 1)];
        index += 1;
        Some(entry)
    })
}
