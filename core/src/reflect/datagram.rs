//! The same decisions about a datagram that a plain UDP socket received.

use core::net::{IpAddr, SocketAddr};

use super::{
    Carrier, Refusal,
    guard::{self, Address, CLIENT_PORTS_START},
    transport,
};
use crate::{
    Caller, Guards, Policy, Reason, Verdict, WindowMut,
    frame::wire::{ipv4, ipv6, udp},
};

/// Between whom a datagram went, and how far it may still go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// Whom it was sent to.
    pub destination: SocketAddr,
    /// TTL or hop limit that it came with; `None` where the system does not
    /// tell, and so cannot lower it in the answer either.
    pub hop_limit: Option<u8>,
}

/// Decides about a datagram without its link and network headers.
///
/// `octets` are room for a UDP header, eight octets that are overwritten, and
/// then the payload, which is left as it is: the socket exchanges addresses
/// and ports by answering. What only a frame shows (MAC addresses, tags, TTL,
/// IP header) is not checked here; the kernel did, before it gave the datagram
/// to a socket.
///
/// Returns [`Reason::UdpTruncated`](crate::Reason::UdpTruncated) if there
/// is no room for a header, and
/// [`Reason::UdpLength`](crate::Reason::UdpLength) if there are more
/// octets than a datagram can have.
pub fn reflect_datagram<C: Caller>(
    octets: &mut [u8],
    datagram: &Datagram,
    policy: &Policy,
    caller: &mut C,
) -> Verdict {
    match inspect(octets, datagram, policy) {
        Ok(_) if !caller.admit(policy.rate_cap()) => Verdict::Refuse(Reason::RateCap),
        Ok(kind) => Verdict::Reflect(kind),
        Err(Refusal::Known(reason) | Refusal::Absent { cause: reason, .. }) => {
            Verdict::Refuse(reason)
        }
    }
}

fn inspect(
    octets: &mut [u8],
    datagram: &Datagram,
    policy: &Policy,
) -> Result<crate::Kind, Refusal> {
    let end = octets.len();
    if let Some(header) = octets.at_mut::<{ udp::HEADER_OCTETS }>(0) {
        // A length that does not fit is 0, which the length rule refuses.
        let length = u16::try_from(end).unwrap_or(0);
        udp::write(header, datagram.source.port(), datagram.destination.port(), length);
    }
    let header = transport::inspect_header(octets, policy, 0, end, Carrier::Socket)?;
    let source_port = header.source_port();
    let kind = transport::recognise(octets, policy, 0, header.length(), Carrier::Socket)?;
    // A socket for both IP versions names IPv4 hosts ::ffff:a.b.c.d (RFC 4291
    // section 2.5.5.2): the guards and prefixes of IPv4 hold for them.
    let source = datagram.source.ip().to_canonical();
    let destination = datagram.destination.ip().to_canonical();
    guard::inspect_socket_addresses(policy, source, destination)?;
    guard::inspect_loop_risk(policy, source_port, source.is_named(policy), None)?;
    guard::inspect_own(policy, destination)?;
    inspect_hop_limit(policy, datagram)?;
    Ok(kind)
}

/// The socket lowers the hop limit of the answer
/// ([`hop_limit_of_answer`](Policy::hop_limit_of_answer)). Where it cannot,
/// only clients' ports are answered, and only on a port that is none: of two
/// reflectors one then refuses the other's answers.
fn inspect_hop_limit(policy: &Policy, datagram: &Datagram) -> Result<(), Reason> {
    if !policy.has(Guards::HOP_LIMIT) {
        return Ok(());
    }
    let is_client = |address: &SocketAddr| address.port() >= CLIENT_PORTS_START;
    match datagram.hop_limit {
        Some(0 | 1) => Err(Reason::HopLimit),
        Some(_) => Ok(()),
        None if !policy.has(Guards::LOOP_RISK) => Ok(()),
        None if is_client(&datagram.source) && !is_client(&datagram.destination) => Ok(()),
        None => Err(Reason::LoopRisk),
    }
}

impl Address for IpAddr {
    fn is_invalid_host(self) -> bool {
        match self {
            Self::V4(address) => ipv4::Address::parse(address.octets()).is_invalid_host(),
            Self::V6(address) => ipv6::Address::parse(address.octets()).is_invalid_host(),
        }
    }

    fn is_loopback(self) -> bool {
        match self {
            Self::V4(address) => ipv4::Address::parse(address.octets()).is_loopback(),
            Self::V6(address) => ipv6::Address::parse(address.octets()).is_loopback(),
        }
    }

    fn is_allowed(self, policy: &Policy) -> bool {
        match self {
            Self::V4(address) => ipv4::Address::parse(address.octets()).is_allowed(policy),
            Self::V6(address) => ipv6::Address::parse(address.octets()).is_allowed(policy),
        }
    }

    fn is_named(self, policy: &Policy) -> bool {
        match self {
            Self::V4(address) => ipv4::Address::parse(address.octets()).is_named(policy),
            Self::V6(address) => ipv6::Address::parse(address.octets()).is_named(policy),
        }
    }

    fn is_own(self, policy: &Policy) -> bool {
        match self {
            Self::V4(address) => ipv4::Address::parse(address.octets()).is_own(policy),
            Self::V6(address) => ipv6::Address::parse(address.octets()).is_own(policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, reflect::policy::Ipv4Prefix};

    fn verdict(payload: &[u8], source: &str, destination: &str, policy: &Policy) -> Verdict {
        let mut octets = [0xaa; 64];
        octets[8..8 + payload.len()].copy_from_slice(payload);
        let datagram = Datagram {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            hop_limit: Some(64),
        };
        reflect_datagram(&mut octets[..8 + payload.len()], &datagram, policy, &mut ())
    }

    fn policy() -> Policy {
        Policy::builder().any_destination().build().unwrap()
    }

    #[test]
    fn a_datagram_with_a_signature_is_answered_and_its_payload_left_alone() {
        let mut octets = *b"........\x01\x02\x03\x04\x05PROBEOT......";
        let datagram = Datagram {
            source: "192.0.2.1:40000".parse().unwrap(),
            destination: "192.0.2.2:3842".parse().unwrap(),
            hop_limit: Some(64),
        };
        let verdict = reflect_datagram(&mut octets, &datagram, &policy(), &mut ());
        assert_eq!(verdict, Verdict::Reflect(Kind::Probeot));
        assert_eq!(&octets[8..], b"\x01\x02\x03\x04\x05PROBEOT......");
    }

    #[test]
    fn port_signature_and_guards_hold_as_for_frames() {
        let payload = b"RFC2544.....";
        let to = "192.0.2.2:3842";
        let policy = policy();
        assert_eq!(
            verdict(payload, "192.0.2.1:9", "192.0.2.2:9", &policy),
            Verdict::Refuse(Reason::UdpPort)
        );
        assert_eq!(
            verdict(b"RFC2544....", "192.0.2.1:9", to, &policy),
            Verdict::Refuse(Reason::Signature)
        );
        assert_eq!(verdict(payload, "192.0.2.1:7", to, &policy), Verdict::Refuse(Reason::LoopRisk));
        assert_eq!(
            verdict(payload, "224.0.0.1:9", to, &policy),
            Verdict::Refuse(Reason::SourceAddress)
        );
        assert_eq!(
            verdict(payload, "[::]:9", "[2001:db8::1]:3842", &policy),
            Verdict::Refuse(Reason::SourceAddress)
        );
    }

    #[test]
    fn loopback_is_answered_once_its_guard_is_off() {
        let payload = b"RFC2544.....";
        let on = policy();
        let off = Policy::builder()
            .any_destination()
            .guards(Guards::ALL.without(Guards::LOOPBACK))
            .build()
            .unwrap();
        for (from, to) in [("127.0.0.1:9", "127.0.0.1:3842"), ("[::1]:9", "[::1]:3842")] {
            assert_eq!(verdict(payload, from, to, &on), Verdict::Refuse(Reason::SourceAddress));
            assert_eq!(verdict(payload, from, to, &off), Verdict::Reflect(Kind::Rfc2544));
        }
    }

    #[test]
    fn ipv4_hosts_on_a_socket_for_both_versions_meet_the_same_guards() {
        let payload = b"RFC2544.....";
        let to = "[::ffff:192.0.2.2]:3842";
        for source in ["[::ffff:127.0.0.1]:9", "[::ffff:224.0.0.1]:9"] {
            let verdict = verdict(payload, source, to, &policy());
            assert_eq!(verdict, Verdict::Refuse(Reason::SourceAddress));
        }
        let prefix = Ipv4Prefix::new([192, 0, 2, 0], 24).unwrap();
        let allowing = Policy::builder().any_destination().allow_ipv4(prefix).build().unwrap();
        let verdict = verdict(payload, "[::ffff:192.0.2.1]:9", to, &allowing);
        assert_eq!(verdict, Verdict::Reflect(Kind::Rfc2544));
    }

    #[test]
    fn two_reflectors_never_both_answer_where_the_hop_limit_is_unknown() {
        let answered = |port: u16, source: u16| {
            let policy = Policy::builder().any_destination().port(port).build().unwrap();
            let datagram = Datagram {
                source: ([192, 0, 2, 1], source).into(),
                destination: ([192, 0, 2, 2], port).into(),
                hop_limit: None,
            };
            let mut octets = *b"........RFC2544.....";
            reflect_datagram(&mut octets, &datagram, &policy, &mut ()).is_sent()
        };
        let ports = [1, 7, 862, 3842, 5_000, 32_767, 32_768, 40_000, 65_535];
        for (one, other) in ports.iter().flat_map(|one| ports.map(|other| (*one, other))) {
            assert!(!(answered(one, other) && answered(other, one)), "{one} and {other}");
        }
        assert!(answered(3_842, 40_000));
    }

    #[test]
    fn no_two_reflectors_both_answer_if_one_of_them_sends_with_a_fresh_hop_limit() {
        let answered = |port: u16, source: u16, hop_limit| {
            let policy = Policy::builder().any_destination().port(port).build().unwrap();
            let datagram = Datagram {
                source: ([192, 0, 2, 1], source).into(),
                destination: ([192, 0, 2, 2], port).into(),
                hop_limit,
            };
            let mut octets = *b"........RFC2544.....";
            reflect_datagram(&mut octets, &datagram, &policy, &mut ()).is_sent()
        };
        let ports = [1, 7, 862, 3842, 5_000, 32_767, 32_768, 40_000, 65_535];
        for (told, untold) in ports.iter().flat_map(|one| ports.map(|other| (*one, other))) {
            let is_loop = answered(told, untold, Some(64)) && answered(untold, told, None);
            assert!(!is_loop, "{told} is told the hop limit, {untold} is not");
        }
        assert!(answered(40_000, 50_000, Some(64)));
        assert!(answered(5_000, 6_000, Some(64)));
    }

    #[test]
    fn a_datagram_with_no_hop_left_is_refused() {
        let verdict_at = |hop_limit| {
            let datagram = Datagram {
                source: "192.0.2.1:9".parse().unwrap(),
                destination: "192.0.2.2:3842".parse().unwrap(),
                hop_limit,
            };
            let mut octets = *b"........RFC2544.....";
            reflect_datagram(&mut octets, &datagram, &policy(), &mut ())
        };
        assert_eq!(verdict_at(Some(0)), Verdict::Refuse(Reason::HopLimit));
        assert_eq!(verdict_at(Some(1)), Verdict::Refuse(Reason::HopLimit));
        assert_eq!(verdict_at(Some(2)), Verdict::Reflect(Kind::Rfc2544));
        assert_eq!(verdict_at(None), Verdict::Refuse(Reason::LoopRisk));
        assert_eq!(policy().hop_limit_of_answer(64), 63);
    }

    #[test]
    fn no_room_for_a_header_is_malformed() {
        let datagram = Datagram {
            source: "192.0.2.1:9".parse().unwrap(),
            destination: "192.0.2.2:3842".parse().unwrap(),
            hop_limit: Some(64),
        };
        let verdict = reflect_datagram(&mut [0; 7], &datagram, &policy(), &mut ());
        assert_eq!(verdict, Verdict::Refuse(Reason::UdpTruncated));
    }
}
