//! What to answer, as plain data.
//!
//! A [`Policy`] has no pointer and no padding, so the same octets go into the
//! kernel program, a user-space worker and a firmware image. It is made by the
//! [`Builder`], which refuses contradictions; whoever receives one as octets
//! checks it with [`Policy::from_octets`].

mod builder;
mod prefix;
mod whole;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use builder::{Builder, PolicyError};
pub use prefix::{Ipv4Prefix, Ipv6Prefix};

use crate::{
    frame::wire::ethernet::{MacAddress, MacBits, Oui},
    reflect::rate::UNITS_PER_FRAME,
    reflect::signature::{Custom, KindSet},
};

/// Layout of [`Policy`]. Goes up with every change of its fields.
pub const VERSION: u32 = 2;

/// Signatures of the user's own in one policy.
pub const CUSTOMS_MAX: usize = 8;

/// Testers' OUIs in one policy.
pub const TESTER_OUIS_MAX: usize = 8;

/// Allowed prefixes of each IP version in one policy.
pub const PREFIXES_MAX: usize = 16;

/// Ports on which reflectors answer: echo (RFC 862), STAMP and TWAMP light
/// (RFC 8762 section 4.1), ITO. The policy's own port is one more.
pub const REFLECTOR_PORTS: [u16; 3] = [7, 862, 3842];

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

/// The guards that a policy can turn off. All are on unless it does; those
/// that no sound test needs off (group MAC addresses, IP addresses that no
/// single host has, fragments, lengths) are not among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guards(pub u32);

impl Guards {
    /// Source MAC is our own.
    pub const OWN_SOURCE_MAC: Self = Self(1);
    /// Source MAC and destination MAC are the same.
    pub const EQUAL_MACS: Self = Self(1 << 1);
    /// Wrong IPv4 header checksum.
    pub const CHECKSUM: Self = Self(1 << 2);
    /// TTL or hop limit 0.
    pub const HOP_LIMIT: Self = Self(1 << 3);
    /// Could be another reflector's answer.
    pub const LOOP_RISK: Self = Self(1 << 4);
    /// Loopback addresses of a datagram that a socket received. In a frame
    /// they are never sound (RFC 1122 section 3.2.1.3).
    pub const LOOPBACK: Self = Self(1 << 5);
    /// No guard.
    pub const NONE: Self = Self(0);
    /// Every guard.
    pub const ALL: Self = Self((1 << 6) - 1);

    /// Each guard with its stable name.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("own-source-mac", Self::OWN_SOURCE_MAC),
        ("equal-macs", Self::EQUAL_MACS),
        ("checksum", Self::CHECKSUM),
        ("hop-limit", Self::HOP_LIMIT),
        ("loop-risk", Self::LOOP_RISK),
        ("loopback", Self::LOOPBACK),
    ];

    /// The set without these.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

/// Bounds a cap, so that no product of it with the elapsed ticks wraps.
const UNITS_PER_TICK_MAX: u64 = 1 << 52;

/// How many frames may be answered, in the unit of
/// [`Bucket`](crate::reflect::rate::Bucket).
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RateCap {
    units_per_tick: u64,
    burst_units: u64,
}

impl RateCap {
    /// No cap.
    pub const UNLIMITED: Self = Self { units_per_tick: 0, burst_units: 0 };

    /// A cap of `frames_per_second`, counted in ticks of which there are
    /// `ticks_per_second`. It saves up at most the frames of a tenth of a
    /// second, or one, and those of a tick.
    ///
    /// 0 frames or 0 ticks a second make no cap.
    #[must_use]
    pub const fn new(frames_per_second: u64, ticks_per_second: u64) -> Self {
        let units_per_second = frames_per_second.saturating_mul(UNITS_PER_FRAME);
        let Some(units_per_tick) = units_per_second.checked_div(ticks_per_second) else {
            return Self::UNLIMITED;
        };
        if units_per_tick == 0 {
            return Self::UNLIMITED;
        }
        let units_per_tick =
            if units_per_tick > UNITS_PER_TICK_MAX { UNITS_PER_TICK_MAX } else { units_per_tick };
        let tenth = units_per_second / 10;
        let saved = if tenth < UNITS_PER_FRAME { UNITS_PER_FRAME } else { tenth };
        // One tick more, or what a tick brings beyond a whole frame were lost.
        let burst_units = saved.saturating_add(units_per_tick);
        Self { units_per_tick, burst_units }
    }

    /// Whether [`new`](Self::new) could have made it.
    const fn is_whole(&self) -> bool {
        if self.is_unlimited() {
            return self.burst_units == 0;
        }
        self.units_per_tick <= UNITS_PER_TICK_MAX
            && self.burst_units >= UNITS_PER_FRAME.saturating_add(self.units_per_tick)
    }

    /// Whether there is no cap.
    #[must_use]
    #[inline(always)]
    pub const fn is_unlimited(&self) -> bool {
        self.units_per_tick == 0
    }

    #[inline(always)]
    pub(crate) const fn units_per_tick(&self) -> u64 {
        self.units_per_tick
    }

    #[inline(always)]
    pub(crate) const fn burst_units(&self) -> u64 {
        self.burst_units
    }
}

/// Values of a policy's field: frames from which UDP ports could be another
/// reflector's answer.
struct LoopRisk;

impl LoopRisk {
    /// The guard is off, or every sender is known by its address.
    const NONE: u8 = 0;
    /// Answers have their ports exchanged.
    const REFLECTOR_PORTS: u8 = 1;
    /// Answers look like requests, or every port is served.
    const EVERY_PORT: u8 = 2;
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
    signatures: u16,
    mode: u8,
    /// 1 if sources are of one OUI, or VLAN ids among `vlans`, alone.
    pub(crate) is_link_filtered: u8,
    /// 1 if the common case may be decided on the short cut: mode `all`, and
    /// neither link filters nor prefixes nor rate cap. Derived from the other fields.
    is_plain: u8,
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
    /// `port` once more, to be read where it is compared with a source: kept
    /// in a register meanwhile it would cost another one.
    served_port: u16,
    reserved: [u8; 6],
    pub(crate) rate_cap: RateCap,
    pub(crate) tester_ouis: [u64; TESTER_OUIS_MAX],
    pub(crate) customs: [Custom; CUSTOMS_MAX],
    pub(crate) ipv4_prefixes: [Ipv4Prefix; PREFIXES_MAX],
    pub(crate) ipv6_prefixes: [Ipv6Prefix; PREFIXES_MAX],
    /// One bit for each VLAN id; that of 0 stands for untagged frames too.
    vlans: [u64; 64],
}

const _: () = assert!(size_of::<Policy>() == 80 + 64 + 192 + 128 + 512 + 512);

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
            is_plain: 0,
            is_vlan_filtered: 0,
            customs_used: 0,
            tester_ouis_used: 0,
            ipv4_prefixes_used: 0,
            ipv6_prefixes_used: 0,
            is_source_limited: 0,
            loop_risk: LoopRisk::NONE,
            served_port: 0,
            reserved: [0; 6],
            rate_cap: RateCap::UNLIMITED,
            tester_ouis: [0; TESTER_OUIS_MAX],
            customs: [Custom::UNUSED; CUSTOMS_MAX],
            ipv4_prefixes: [Ipv4Prefix::ALL; PREFIXES_MAX],
            ipv6_prefixes: [Ipv6Prefix::ALL; PREFIXES_MAX],
            vlans: [0; 64],
        }
    }

    /// Reads a policy that another program wrote.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Size`] or [`PolicyError::Version`] if it has another
    /// layout, [`PolicyError::Damaged`] if a field holds what no builder
    /// writes.
    pub fn from_octets(octets: &[u8]) -> Result<Self, PolicyError> {
        let policy = Self::read_from_bytes(octets).map_err(|_| PolicyError::Size {
            octets: octets.len(),
            wanted_octets: size_of::<Self>(),
        })?;
        if policy.version != VERSION {
            return Err(PolicyError::Version { version: policy.version, wanted: VERSION });
        }
        let is_derived = policy == policy.clone().with_derived_fields();
        if is_derived && policy.is_whole() { Ok(policy) } else { Err(PolicyError::Damaged) }
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

    /// Whether the common case may be decided on the short cut.
    #[inline(always)]
    pub(crate) const fn is_plain(&self) -> bool {
        self.is_plain != 0
    }

    /// What [`is_plain`](Self::is_plain) is derived from.
    const fn may_be_plain(&self) -> bool {
        matches!(self.mode(), Mode::All)
            && !self.is_link_filtered()
            && !self.has_prefixes()
            && self.rate_cap.is_unlimited()
            && self.loop_risk != LoopRisk::EVERY_PORT
    }

    /// Fills in the fields that follow from others.
    fn with_derived_fields(mut self) -> Self {
        self.is_source_limited = u8::from(self.has_prefixes());
        self.loop_risk = if !self.has(Guards::LOOP_RISK) || self.has_prefixes() {
            LoopRisk::NONE
        } else if self.mode() == Mode::All && self.port_mask != 0 {
            LoopRisk::REFLECTOR_PORTS
        } else {
            LoopRisk::EVERY_PORT
        };
        self.served_port = self.port;
        self.is_plain = u8::from(self.may_be_plain());
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

    /// Whether a reflector answers on this port, as far as we know.
    #[inline(always)]
    pub(crate) fn is_reflector_port(&self, port: u16) -> bool {
        // Most testers send from a high port: one compare for all three.
        const HIGHEST: u16 = REFLECTOR_PORTS[2];
        port == self.served_port || port <= HIGHEST && is_in(REFLECTOR_PORTS, port)
    }

    /// Whether a frame from this port could be another reflector's answer, and
    /// the guard against those is on.
    #[inline(always)]
    pub(crate) fn is_at_loop_risk(&self, source_port: u16) -> bool {
        match self.loop_risk {
            LoopRisk::NONE => false,
            LoopRisk::REFLECTOR_PORTS => self.is_reflector_port(source_port),
            _ => true,
        }
    }

    /// As [`is_at_loop_risk`](Self::is_at_loop_risk), of a plain policy: asked
    /// in the order in which most frames need least.
    #[inline(always)]
    pub(crate) fn is_plainly_at_loop_risk(&self, source_port: u16) -> bool {
        self.is_reflector_port(source_port) && self.loop_risk != LoopRisk::NONE
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
        self.customs.iter().take(usize::from(self.customs_used))
    }

    #[inline(always)]
    pub(crate) fn ipv4_prefixes(&self) -> impl Iterator<Item = &Ipv4Prefix> {
        self.ipv4_prefixes.iter().take(usize::from(self.ipv4_prefixes_used))
    }

    #[inline(always)]
    pub(crate) fn ipv6_prefixes(&self) -> impl Iterator<Item = &Ipv6Prefix> {
        self.ipv6_prefixes.iter().take(usize::from(self.ipv6_prefixes_used))
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

/// Compares one by one: the ports become part of the instructions.
#[inline(always)]
const fn is_in(ports: [u16; 3], port: u16) -> bool {
    let [a, b, c] = ports;
    port == a || port == b || port == c
}
