//! What becomes of a frame, and the one stable name of every outcome.
//!
//! Every outcome has a code below [`CODES`]. The code is its slot in
//! [`Counters`](crate::Counters), in the kernel's per-CPU map and in a
//! firmware image; its name is the same in text, JSON, CSV and metrics. Codes
//! and names are an interface: they are added to, never changed.

use core::num::NonZeroU8;

/// Number of codes: kinds, reasons and causes all lie below it.
pub const CODES: usize = 64;

/// Codes below it are those of kinds.
const REASONS_START: u8 = 16;

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
    /// Why a sound frame is not answered. Each is a counter, not an error.
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
        HopLimit = 28, "hop_limit", "TTL or hop limit is 0";
        SourceAddress = 29, "source_address", "source IP is group, unspecified, loopback or broadcast";
        DestinationAddress = 30, "destination_address", "destination IP is group, unspecified, loopback or broadcast";
        SourceNotAllowed = 32, "source_not_allowed", "source IP is outside the allowed prefixes";
        LoopRisk = 33, "loop_risk", "could be another reflector's answer, and the sender is not a known tester";
        HeaderDepth = 34, "header_depth", "headers start too far into the frame, or outside its first fragment";
        RoutingHeader = 35, "routing_header", "IPv6 routing header with segments left";
        ExtensionHeaders = 36, "extension_headers", "more IPv6 extension headers than are walked";
        RateCap = 37, "rate_cap", "over the rate cap";
    }
}

outcomes! {
    /// How a frame is broken, and in which header.
    Malformed {
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
    }
}

/// What becomes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub enum Verdict {
    /// It is test traffic for us, and now turned round: send it back.
    Reflect(Kind),
    /// It is sound and not for us: leave it to the host. Not one bit was
    /// touched.
    Pass(Reason),
    /// It is ours, but must not be answered, and would only load the host.
    /// Not one bit was touched.
    Drop(Reason),
    /// It is broken: leave it to the host. Not one bit was touched.
    Malformed(Malformed),
}

impl Verdict {
    /// The slot in the counters, below [`CODES`].
    #[must_use]
    #[inline(always)]
    pub const fn code(self) -> u8 {
        match self {
            Self::Reflect(kind) => kind.code(),
            Self::Pass(reason) | Self::Drop(reason) => reason.code(),
            Self::Malformed(cause) => cause.code(),
        }
    }

    /// The stable name of the kind, reason or cause.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reflect(kind) => kind.name(),
            Self::Pass(reason) | Self::Drop(reason) => reason.name(),
            Self::Malformed(cause) => cause.name(),
        }
    }

    /// Whether the frame is to be sent back.
    #[must_use]
    pub const fn is_reflect(self) -> bool {
        matches!(self, Self::Reflect(_))
    }

    /// The verdict that has this code, if one does.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        if let Some(kind) = Kind::from_code(code) {
            Some(Self::Reflect(kind))
        } else if let Some(reason) = Reason::from_code(code) {
            Some(match reason {
                Reason::RateCap => Self::Drop(reason),
                _ => Self::Pass(reason),
            })
        } else if let Some(cause) = Malformed::from_code(code) {
            Some(Self::Malformed(cause))
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

    /// Whether the frame is to be sent back.
    #[must_use]
    #[inline(always)]
    pub const fn is_reflect(self) -> bool {
        self.0 < REASONS_START
    }

    /// Whether the frame is to be dropped.
    #[must_use]
    #[inline(always)]
    pub const fn is_drop(self) -> bool {
        self.0 == Reason::RateCap.code()
    }

    /// The verdict with this code.
    #[inline(always)]
    pub const fn verdict(self) -> Verdict {
        match Verdict::from_code(self.0) {
            Some(verdict) => verdict,
            // Not reached: a code is made of an outcome alone.
            None => Verdict::Pass(Reason::HeaderDepth),
        }
    }
}

impl From<Kind> for Code {
    #[inline(always)]
    fn from(kind: Kind) -> Self {
        Self(kind.code())
    }
}

impl From<Refused> for Code {
    #[inline(always)]
    fn from(refused: Refused) -> Self {
        Self(refused.0.get())
    }
}

impl From<Verdict> for Code {
    #[inline(always)]
    fn from(verdict: Verdict) -> Self {
        Self(verdict.code())
    }
}

/// The code of a reason or cause. None of them is 0, so an optional one is
/// one number too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refused(NonZeroU8);

impl Refused {
    #[inline(always)]
    pub(crate) const fn new(code: u8) -> Self {
        match NonZeroU8::new(code) {
            Some(code) => Self(code),
            // Not reached: the codes of kinds alone are so low.
            None => Self(NonZeroU8::MAX),
        }
    }
}

impl From<Reason> for Refused {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self::new(reason.code())
    }
}

impl From<Malformed> for Refused {
    #[inline(always)]
    fn from(cause: Malformed) -> Self {
        Self::new(cause.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_below_the_number_of_codes_and_leads_back() {
        let verdicts = Kind::ALL
            .iter()
            .map(|kind| Verdict::Reflect(*kind))
            .chain(Reason::ALL.iter().map(|reason| match reason {
                Reason::RateCap => Verdict::Drop(*reason),
                _ => Verdict::Pass(*reason),
            }))
            .chain(Malformed::ALL.iter().map(|cause| Verdict::Malformed(*cause)));
        for verdict in verdicts {
            assert!(usize::from(verdict.code()) < CODES);
            assert_eq!(Verdict::from_code(verdict.code()), Some(verdict));
            let code = Code::from(verdict);
            assert_eq!(code.verdict(), verdict);
            assert_eq!(code.is_reflect(), verdict.is_reflect());
            assert_eq!(code.is_drop(), matches!(verdict, Verdict::Drop(_)));
        }
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
