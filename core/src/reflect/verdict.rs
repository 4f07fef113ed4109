//! What becomes of a frame, and the one stable name of every outcome.
//!
//! Every outcome has a code below [`CODES`]. The code is its slot in
//! [`Counters`](crate::Counters), in the kernel's per-CPU map and in a
//! firmware image; its name is the same in text, JSON, CSV and metrics. Codes
//! and names are an interface: they are added to, never changed.
//!
//! | codes | outcomes |
//! |---|---|
//! | 0–15, 112–127 | [`Kind`]: test traffic, turned round |
//! | 16–47, 64–87 | [`Reason`] of a sound frame |
//! | 48–63, 88–95 | [`Reason`] of a malformed frame |
//! | 96–111 | [`Service`]: a protocol that writes its own answer |
//!
//! New codes begin at 64. Counted modulo 128, the codes of frames that are sent
//! back are neighbours, so one comparison tells them from the others.

/// Number of codes: kinds, services and reasons all lie below it.
pub const CODES: usize = 128;

/// Declares an outcome enum once: code, name and what it means to a person.
macro_rules! outcomes {
    (
        $(#[$doc:meta])*
        $outcome:ident {
            $( $variant:ident = $code:literal, $name:literal, $meaning:literal; )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum $outcome {
            $( #[doc = $meaning] $variant = $code, )+
        }

        impl $outcome {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The slot in the counters.
            #[must_use]
            #[inline(always)]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The outcome that has this code, if one does.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $( $code => Some(Self::$variant), )+ _ => None }
            }

            /// The stable name, in `snake_case`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// What it means, as a phrase for a person.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $meaning, )+ }
            }
        }
    };
}

outcomes! {
    /// By what a frame was recognised as test traffic.
    Kind {
        Probeot = 0, "probeot", "ITO signature PROBEOT";
        DataOt = 1, "data_ot", "ITO signature DATA:OT";
        Latency = 2, "latency", "ITO signature LATENCY";
        Rfc2544 = 3, "rfc2544", "signature RFC2544";
        Y1564 = 4, "y1564", "signature Y.1564";
        Msnseed = 5, "msnseed", "signature MSNSEED";
        Custom1 = 6, "custom_1", "first signature of the user's own";
        Custom2 = 7, "custom_2", "second signature of the user's own";
        Custom3 = 8, "custom_3", "third signature of the user's own";
        Custom4 = 9, "custom_4", "fourth signature of the user's own";
        Custom5 = 10, "custom_5", "fifth signature of the user's own";
        Custom6 = 11, "custom_6", "sixth signature of the user's own";
        Custom7 = 12, "custom_7", "seventh signature of the user's own";
        Custom8 = 13, "custom_8", "eighth signature of the user's own";
        Any = 14, "any", "no known signature, and any was asked for";
    }
}

outcomes! {
    /// A protocol whose answer is more than the frame turned round: it writes
    /// fields of its own, and the answer may have another length.
    ///
    /// A policy says which ports or `EtherType`s a service has
    /// ([`Policy::service`](crate::Policy::service)).
    Service {
        Arp = 96, "arp", "ARP request for one of our addresses";
        Ndp = 97, "ndp", "neighbor solicitation for one of our addresses";
        IcmpEcho = 98, "icmp_echo", "ICMP echo request of either IP version";
        Stamp = 99, "stamp", "STAMP or TWAMP light test packet";
    }
}

outcomes! {
    /// Why a frame is not answered. Each is a counter, not an error; whether the
    /// frame is sound, and where it goes, is its [class](Reason::class).
    Reason {
        ForeignDestinationMac = 16, "foreign_destination_mac", "destination MAC is not ours";
        GroupDestinationMac = 17, "group_destination_mac", "destination MAC is a group address";
        GroupSourceMac = 18, "group_source_mac", "source MAC is a group address";
        OwnSourceMac = 19, "own_source_mac", "source MAC is our own";
        EqualMacs = 20, "equal_macs", "source and destination MAC are the same";
        SourceOui = 21, "source_oui", "source MAC is not of the wanted OUI";
        Vlan = 22, "vlan", "VLAN id is not a wanted one";
        EtherType = 23, "ether_type", "neither IPv4 nor IPv6";
        IpProtocol = 24, "ip_protocol", "not UDP";
        Fragment = 25, "fragment", "a fragment of an IP packet";
        UdpPort = 26, "udp_port", "UDP destination port is not the wanted one";
        Signature = 27, "signature", "no wanted signature in the payload";
        HopLimit = 28, "hop_limit", "TTL or hop limit is 0 or 1: none would be left for the answer";
        SourceAddress = 29, "source_address", "source IP is group, unspecified, loopback or broadcast";
        DestinationAddress = 30, "destination_address", "destination IP is group, unspecified, loopback or broadcast";
        SourceNotAllowed = 32, "source_not_allowed", "source IP is outside the allowed prefixes";
        LoopRisk = 33, "loop_risk", "comes from a port of services that answer, or could be another reflector's answer and the sender is not a known tester";
        HeaderDepth = 34, "header_depth", "headers start too far into the frame, or outside its first fragment";
        RoutingHeader = 35, "routing_header", "IPv6 routing header with segments left";
        ExtensionHeaders = 36, "extension_headers", "more IPv6 extension headers than are walked";
        RateCap = 37, "rate_cap", "over the rate cap";
        EthernetTruncated = 48, "ethernet_truncated", "frame ends inside the Ethernet header";
        TagTruncated = 49, "tag_truncated", "frame ends inside a VLAN tag";
        IpVersion = 50, "ip_version", "IP version and EtherType disagree";
        Ipv4Truncated = 51, "ipv4_truncated", "frame ends inside the IPv4 header";
        Ipv4HeaderLength = 52, "ipv4_header_length", "IPv4 header length (IHL) is below 5";
        Ipv4TotalLength = 53, "ipv4_total_length", "IPv4 total length does not fit the frame or its headers";
        Ipv4Checksum = 54, "ipv4_checksum", "IPv4 header checksum is wrong";
        Ipv6Truncated = 55, "ipv6_truncated", "frame ends inside the IPv6 header";
        Ipv6PayloadLength = 56, "ipv6_payload_length", "IPv6 payload length does not fit the frame or its headers";
        ExtensionTruncated = 57, "extension_truncated", "frame ends inside an IPv6 extension header";
        UdpTruncated = 58, "udp_truncated", "frame ends inside the UDP header";
        UdpLength = 59, "udp_length", "UDP length is below 8 or beyond the IP packet";
        SourceRoute = 64, "source_route", "IPv4 options that hold the number of a source route";
        DestinationNotOwn = 65, "destination_not_own", "destination IP is not one of our own addresses";
    }
}

/// Where a frame goes, and which sum it is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// Turned round: sent back.
    Reflected,
    /// Answered by a service: its answer is sent back.
    Answered,
    /// Sound and not for us: left to the host.
    Passed,
    /// Ours, but it must not be answered and would only load the host.
    Dropped,
    /// Broken: left to the host.
    Malformed,
}

impl Class {
    /// All of them, in the order in which statistics list them.
    pub const ALL: [Self; 5] =
        [Self::Reflected, Self::Answered, Self::Passed, Self::Dropped, Self::Malformed];

    /// The stable name, the one that statistics use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reflected => "reflected",
            Self::Answered => "answered",
            Self::Passed => "passed",
            Self::Dropped => "dropped",
            Self::Malformed => "malformed",
        }
    }

    /// Whether something is sent back.
    #[must_use]
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Reflected | Self::Answered)
    }
}

impl Reason {
    /// What becomes of a frame that is refused for this reason. The only place
    /// that decides it.
    #[must_use]
    #[inline(always)]
    pub const fn class(self) -> Class {
        match self.code() {
            code if code == Self::RateCap.code() => Class::Dropped,
            48..=63 | 88..=95 => Class::Malformed,
            _ => Class::Passed,
        }
    }
}

/// What becomes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub enum Verdict {
    /// It is test traffic for us, and now turned round: send it back.
    Reflect(Kind),
    /// A service has written its answer: send that back.
    Answer(Service),
    /// It is not answered. Not one bit was touched.
    Refuse(Reason),
}

impl Verdict {
    /// The slot in the counters, below [`CODES`].
    #[must_use]
    #[inline(always)]
    pub const fn code(self) -> u8 {
        match self {
            Self::Reflect(kind) => kind.code(),
            Self::Answer(service) => service.code(),
            Self::Refuse(reason) => reason.code(),
        }
    }

    /// The stable name of the kind, service or reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reflect(kind) => kind.name(),
            Self::Answer(service) => service.name(),
            Self::Refuse(reason) => reason.name(),
        }
    }

    /// Where the frame goes.
    #[must_use]
    #[inline(always)]
    pub const fn class(self) -> Class {
        match self {
            Self::Reflect(_) => Class::Reflected,
            Self::Answer(_) => Class::Answered,
            Self::Refuse(reason) => reason.class(),
        }
    }

    /// Whether something is sent back.
    #[must_use]
    #[inline(always)]
    pub const fn is_sent(self) -> bool {
        !matches!(self, Self::Refuse(_))
    }

    /// The verdict that has this code, if one does.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        if let Some(kind) = Kind::from_code(code) {
            Some(Self::Reflect(kind))
        } else if let Some(service) = Service::from_code(code) {
            Some(Self::Answer(service))
        } else if let Some(reason) = Reason::from_code(code) {
            Some(Self::Refuse(reason))
        } else {
            None
        }
    }
}

/// A verdict as the one number that it is counted by.
///
/// The kernel program holds a verdict in this form: as a [`Verdict`] it would
/// take two registers of the ten that there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub struct Code(u8);

impl Code {
    /// The slot in the counters, below [`CODES`].
    #[must_use]
    #[inline(always)]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether something is sent back.
    #[must_use]
    #[inline(always)]
    pub const fn is_sent(self) -> bool {
        (self.0 as u32).wrapping_sub(16) >= 80
    }

    /// Whether the frame was turned round.
    #[must_use]
    #[inline(always)]
    pub const fn is_reflect(self) -> bool {
        const { assert!(CODES == 128) };
        self.0.wrapping_add(16) & 0x7f < 32
    }

    /// Whether the frame is to be dropped.
    #[must_use]
    #[inline(always)]
    pub const fn is_drop(self) -> bool {
        self.0 == Reason::RateCap.code()
    }
}

impl From<Kind> for Code {
    #[inline(always)]
    fn from(kind: Kind) -> Self {
        Self(kind.code())
    }
}

impl From<Reason> for Code {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self(reason.code())
    }
}

impl From<Verdict> for Code {
    #[inline(always)]
    fn from(verdict: Verdict) -> Self {
        Self(verdict.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts() -> impl Iterator<Item = Verdict> {
        let kinds = Kind::ALL.iter().copied().map(Verdict::Reflect);
        let services = Service::ALL.iter().copied().map(Verdict::Answer);
        let reasons = Reason::ALL.iter().copied().map(Verdict::Refuse);
        kinds.chain(services).chain(reasons)
    }

    #[test]
    fn every_code_is_below_the_number_of_codes_and_leads_back() {
        for verdict in verdicts() {
            assert!(usize::from(verdict.code()) < CODES);
            assert_eq!(Verdict::from_code(verdict.code()), Some(verdict));
            let code = Code::from(verdict);
            assert_eq!(code.is_sent(), verdict.is_sent());
            assert_eq!(code.is_sent(), verdict.class().is_sent());
            assert_eq!(code.is_reflect(), verdict.class() == Class::Reflected);
            assert_eq!(code.is_drop(), verdict.class() == Class::Dropped);
        }
    }

    #[test]
    fn codes_of_released_names_stay() {
        // A sample of each range; files and pages of older versions hold them.
        for (code, name) in [
            (0, "probeot"),
            (14, "any"),
            (16, "foreign_destination_mac"),
            (33, "loop_risk"),
            (37, "rate_cap"),
            (48, "ethernet_truncated"),
            (59, "udp_length"),
        ] {
            assert_eq!(Verdict::from_code(code).map(Verdict::name), Some(name));
        }
    }

    #[test]
    fn each_reason_has_the_class_of_its_range() {
        assert_eq!(Reason::RateCap.class(), Class::Dropped);
        assert_eq!(Reason::UdpPort.class(), Class::Passed);
        assert_eq!(Reason::EthernetTruncated.class(), Class::Malformed);
        assert_eq!(Reason::UdpLength.class(), Class::Malformed);
        let dropped = Reason::ALL.iter().filter(|reason| reason.class() == Class::Dropped);
        assert_eq!(dropped.count(), 1, "`Code::is_drop` knows one");
    }

    #[test]
    fn names_are_distinct_snake_case() {
        for code in 0..=u8::MAX {
            let Some(verdict) = Verdict::from_code(code) else { continue };
            let name = verdict.name();
            assert!(
                name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
            );
            for other in (code + 1)..=u8::MAX {
                assert_ne!(Some(name), Verdict::from_code(other).map(Verdict::name));
            }
        }
    }
}
