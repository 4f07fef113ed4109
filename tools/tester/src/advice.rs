//! What a person would say who looks over your shoulder.

use std::net::IpAddr;

use farend_core::reflect::policy::{ITO_PORT, LOOP_PORTS};

use crate::{plan::Plan, rate::is_high};

/// A warning if much traffic is about to go to an address that is neither a
/// test network's nor private.
///
/// RFC 6815 section 3: such tests belong in an isolated network, because they
/// take all of it from everybody else.
#[must_use]
pub fn shared_network_warning(plan: &Plan) -> Option<String> {
    let is_high = plan.frame_octets.iter().any(|octets| is_high(plan.asked, *octets));
    (is_high && !is_test_or_private(plan.target.ip())).then(|| {
        format!(
            "warning: {} is outside the test networks (198.18.0.0/15, 2001:2::/48) and the \
             private ones: tests at this rate are for isolated networks, not for ones that \
             others use (RFC 6815)",
            plan.target.ip()
        )
    })
}

/// A warning if the source port is one that reflectors do not answer.
#[must_use]
pub fn source_port_warning(plan: &Plan, source_port: u16) -> Option<String> {
    if LOOP_PORTS.contains(&source_port) {
        return Some(format!(
            "warning: source port {source_port} is that of a service: a reflector that guards \
             against loops does not answer it"
        ));
    }
    let is_reflectors = source_port == ITO_PORT || source_port == plan.target.port();
    is_reflectors.then(|| {
        format!(
            "warning: source port {source_port} is one that reflectors serve: a reflector that \
             guards against loops answers it only to known testers"
        )
    })
}

/// The interface that raw frames left by.
#[derive(Clone, Copy, Debug)]
pub struct Kind<'name> {
    /// Its name.
    pub name: &'name str,
    /// Whether it is one end of a veth pair.
    pub is_veth: bool,
}

/// What was seen while nothing came back.
#[derive(Clone, Copy, Debug)]
pub struct Silence<'name> {
    /// The interface, if raw frames were sent.
    pub interface: Option<Kind<'name>>,
    /// Whether the target or its port was reported as unreachable.
    pub is_unreachable: bool,
    /// Datagrams that this host dropped meanwhile because their UDP checksum was wrong.
    pub wrong_checksums: u64,
}

/// What to look at when nothing came back.
#[must_use]
pub fn no_answer(plan: &Plan, silence: Silence<'_>) -> String {
    let target = plan.target;
    if silence.interface.is_none() && silence.wrong_checksums > 0 {
        return format!(
            "no answer from {target}: this host dropped {} datagrams because their UDP checksum \
             was wrong (UdpInCsumErrors). Answers have the checksum of the probe, which a virtual \
             interface leaves to hardware that does not exist: ethtool -K IFACE tx off, IFACE \
             being the one to the reflector; or send raw frames, with --interface",
            silence.wrong_checksums
        );
    }
    if silence.is_unreachable {
        return format!(
            "no answer from {target}: it is reported as unreachable; is the reflector running, \
             and on this port? (--port)"
        );
    }
    let mut hints = vec![
        String::from("is the reflector running there"),
        format!("does it serve UDP port {} (--port)", target.port()),
        format!("does it want signature {} (--signature)", plan.kind.name()),
        String::from("does it allow this sender (its --oui, --allow, --vlan)"),
    ];
    match silence.interface {
        Some(Kind { name, is_veth: true }) => hints.push(format!(
            "{name} is veth: a reflector in native XDP reaches it only if an XDP program is \
             attached here as well"
        )),
        Some(_) => {}
        None => hints.push(String::from("does a firewall drop it")),
    }
    format!("no answer from {target}: {}?", hints.join("; "))
}

fn is_test_or_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let is_benchmark = a == 198 && b & 0xfe == 18;
            // 100.64.0.0/10 is shared by a provider's customers (RFC 6598).
            is_benchmark
                || address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_documentation()
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            let is_benchmark = (a, b, c) == (0x2001, 2, 0);
            let is_documentation = (a, b) == (0x2001, 0xdb8);
            is_benchmark
                || is_documentation
                || address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_networks_and_private_ones_are_known() {
        for address in [
            "198.18.0.1",
            "198.19.255.255",
            "10.1.2.3",
            "127.0.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "2001:2::1",
            "fe80::1",
            "fd00::1",
            "::1",
        ] {
            assert!(is_test_or_private(address.parse().unwrap()), "{address}");
        }
        for address in ["198.20.0.1", "8.8.8.8", "2001:2:1::1", "2600::1", "172.32.0.1"] {
            assert!(!is_test_or_private(address.parse().unwrap()), "{address}");
        }
    }
}
