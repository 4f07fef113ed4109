//! IP protocol and IPv6 next header numbers (IANA "Protocol Numbers").

/// Names for the numbers that are looked for. An unknown one is data.
#[derive(Debug)]
pub struct IpProtocol;

impl IpProtocol {
    /// IPv6 hop-by-hop options (RFC 8200 section 4.3).
    pub const HOP_BY_HOP: u8 = 0;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 routing header (RFC 8200 section 4.4).
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header (RFC 8200 section 4.5).
    pub const FRAGMENT: u8 = 44;
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options (RFC 8200 section 4.6).
    pub const DESTINATION_OPTIONS: u8 = 60;

    /// Whether this is an extension header that the walk steps over.
    #[must_use]
    #[inline(always)]
    pub const fn is_walked_extension(next: u8) -> bool {
        matches!(next, Self::HOP_BY_HOP | Self::ROUTING | Self::DESTINATION_OPTIONS)
    }
}
