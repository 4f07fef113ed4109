//! The guards that a policy can turn off.

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
    /// The TTL or hop limit falls by one with each answer, and a frame with
    /// none left is not answered: so every loop between reflectors ends.
    pub const HOP_LIMIT: Self = Self(1 << 3);
    /// Could be the answer of a service or of another reflector.
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
