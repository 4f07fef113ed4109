//! The same decisions about a datagram that a plain UDP socket received.

use core::net::{IpAddr, SocketAddr};

use super::{Refusal, guard, transport};
use crate::{
    Limit, Policy, Reason, Verdict, Window,
    verdict::Code,
    wire::{ipv4, ipv6, udp},
};

/// Between whom a datagram went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// Whom it was sent to.
    pub destination: SocketAddr,
}

/// Decides about a datagram without its link and network headers.
///
/// `octets` are room for a UDP header, eight octets that are overwritten, and
/// then the payload, which is left as it is: the socket exchanges addresses
/// and ports by answering. What only a frame shows (MAC addresses, tags, TTL,
/// IP header) is not checked here; the kernel did, before it gave the datagram
/// to a socket.
///
/// Returns [`Malformed::UdpTruncated`](crate::Malformed::UdpTruncated) if there
/// is no room for a header, and
/// [`Malformed::UdpLength`](crate::Malformed::UdpLength) if there are more
/// octets than a datagram can have.
pub fn reflect_datagram<L: Limit>(
    octets: &mut [u8],
    datagram: &Datagram,
    policy: &Policy,
    limit: &mut L,
) -> Verdict {
    match inspect(octets, datagram, policy) {
        Ok(_) if !limit.admit(policy.rate_cap()) => Verdict::Drop(Reason::RateCap),
        Ok(kind) => Verdict::Reflect(kind),
        Err(Refusal::Known(refused)) => Code::from(refused).verdict(),
        Err(Refusal::Absent { cause, .. }) => Verdict::Malformed(cause),
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
    let header = transport::inspect_header(octets, policy, 0, end)?;
    let kind = transport::recognise(octets, policy, 0, header.length())?;
    match (datagram.source.ip(), datagram.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => guard::inspect_socket_addresses(
            policy,
            ipv4::Address::parse(source.octets()),
            ipv4::Address::parse(destination.octets()),
        )?,
        (source, destination) => guard::inspect_socket_addresses(
            policy,
            ipv6::Address::parse(as_ipv6(source)),
            ipv6::Address::parse(as_ipv6(destination)),
        )?,
    }
    guard::inspect_loop_risk(policy, header, None)?;
    Ok(kind)
}

fn as_ipv6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guards, Kind, Malformed, Unlimited};

    fn verdict(payload: &[u8], source: &str, destination: &str, policy: &Policy) -> Verdict {
        let mut octets = [0xaa; 64];
        octets[8..8 + payload.len()].copy_from_slice(payload);
        let datagram =
            Datagram { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
        reflect_datagram(&mut octets[..8 + payload.len()], &datagram, policy, &mut Unlimited)
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
        };
        let verdict = reflect_datagram(&mut octets, &datagram, &policy(), &mut Unlimited);
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
            Verdict::Pass(Reason::UdpPort)
        );
        assert_eq!(
            verdict(b"RFC2544....", "192.0.2.1:9", to, &policy),
            Verdict::Pass(Reason::Signature)
        );
        assert_eq!(verdict(payload, "192.0.2.1:7", to, &policy), Verdict::Pass(Reason::LoopRisk));
        assert_eq!(
            verdict(payload, "224.0.0.1:9", to, &policy),
            Verdict::Pass(Reason::SourceAddress)
        );
        assert_eq!(
            verdict(payload, "[::]:9", "[2001:db8::1]:3842", &policy),
            Verdict::Pass(Reason::SourceAddress)
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
            assert_eq!(verdict(payload, from, to, &on), Verdict::Pass(Reason::SourceAddress));
            assert_eq!(verdict(payload, from, to, &off), Verdict::Reflect(Kind::Rfc2544));
        }
    }

    #[test]
    fn no_room_for_a_header_is_malformed() {
        let datagram = Datagram {
            source: "192.0.2.1:9".parse().unwrap(),
            destination: "192.0.2.2:3842".parse().unwrap(),
        };
        let verdict = reflect_datagram(&mut [0; 7], &datagram, &policy(), &mut Unlimited);
        assert_eq!(verdict, Verdict::Malformed(Malformed::UdpTruncated));
    }
}
