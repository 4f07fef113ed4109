//! The program `farend-tun`.

use std::{io, path::Path, time::Duration};

use farend_core::{MacAddress, Policy};
use farend_driver::{
    arguments::Program,
    event::Finding,
    failure::Failure,
    observe::ObserverFactory,
    options::Options,
    plan::Plan,
    privileges::{self, Capability},
    runtime::{self, Keep, Platform},
    settings::{Choices, Common, REFLECTORS_HEADINGS},
    tier::{PolicyRefusal, Tier, TierError, TierName},
};

use crate::{
    control,
    device::{Device, Offloads},
    handshake::Handshakes,
    identity,
    network::Network,
    options::{CipherChoice, LinkOptions, LinkSettings, Mtu, PeerId, Switch},
    seal::{Cipher, Keyring},
    shared::Shared,
    socket::Socket,
    tier::{Link, ciphers_by_speed},
};

/// Octets around an inner packet with everything: IPv6, UDP, header, tag.
const OVERHEAD_OCTETS_MAX: u16 = 40 + 8 + 19 + 16;

/// Carries packets between a virtual interface and a peer.
#[derive(Debug)]
pub struct Tun;

/// Its only tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tunnel;

impl TierName for Tunnel {
    const LADDER: &'static [Self] = &[Self];

    fn name(self) -> &'static str {
        "tun"
    }
}

/// The interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target(String);

impl runtime::Target for Target {
    fn name(&self) -> &str {
        &self.0
    }
}

impl Platform for Tun {
    type Options = LinkOptions;
    type Tier = Tunnel;
    type Target = Target;

    const PROGRAM: Program = Program {
        name: "farend-tun",
        version: env!("CARGO_PKG_VERSION"),
        about: "Carries IP packets to another host over UDP, encrypted: a link for tests",
        targets_help: "The interface, as with --tun; up, check and keys may stand before it",
        examples: "\
  farend-tun keys --keydir keys               make a key once, print its Peer ID
  farend-tun up tun0 --tun-ip 10.1.0.1 --accept PEER-ID
                                              wait for a peer
  farend-tun up tun0 --tun-ip 10.1.0.2 --connect PEER-ID@192.0.2.1:9443
                                              go to it
  farend-tun check tun0 --accept PEER-ID      look for what is in the way",
        refuses: &[],
    };
    const OPENING: &'static [Capability] = &[Capability::NET_ADMIN, Capability::NET_BIND_SERVICE];
    const IS_REFLECTOR: bool = false;

    fn start() -> io::Result<Self> {
        Ok(Self)
    }

    fn tier(_plan: &Plan<Self>) -> Option<Tunnel> {
        Some(Tunnel)
    }

    fn check(plan: &Plan<Self>) -> Result<(), Failure> {
        let changed = Common::changed(&Common::settle(Choices::default()), &plan.settings);
        let foreign = changed.iter().find(|one| REFLECTORS_HEADINGS.contains(&one.heading));
        if let Some(one) = foreign {
            return Err(plan.wrong(one.name, format!("--{} is for reflectors", one.name)));
        }
        if plan.targets.len() > 1 {
            return Err(Failure::usage("one process carries one link: name one interface"));
        }
        contradiction(&plan.own).map_or(Ok(()), |(key, message)| Err(plan.wrong(key, message)))
    }

    fn find(&mut self, plan: &Plan<Self>) -> Result<Vec<Target>, Failure> {
        let named = plan.targets.first().cloned();
        let option = plan.own.tun.as_ref().map(|name| name.0.clone());
        // The kernel puts a number for `%d`.
        Ok(vec![Target(named.or(option).unwrap_or_else(|| "tun%d".to_owned()))])
    }

    fn policy(
        &self,
        _plan: &Plan<Self>,
        _target: &Target,
        _tier: Tunnel,
    ) -> Result<Policy, PolicyRefusal> {
        // Nothing is reflected; the runtime asks for one.
        Policy::builder()
            .own_mac(MacAddress([2, 0, 0, 0, 0, 1]))
            .build()
            .map_err(|error| PolicyRefusal::Unfit(error.to_string()))
    }

    fn rehearse(
        &self,
        plan: &Plan<Self>,
        _target: &Target,
        _tier: Tunnel,
        _policy: &Policy,
    ) -> Result<(), TierError> {
        if !plan.own.insecure_plaintext {
            identity::load(&plan.own.keydir).map_err(TierError::new)?;
        }
        let missing = privileges::missing(&[Capability::NET_ADMIN]);
        if missing.is_empty() {
            return Ok(());
        }
        Err(TierError::new("an interface cannot be made without privileges")
            .with_advice(privileges::advice(&missing)))
    }

    fn open(
        &mut self,
        plan: &Plan<Self>,
        target: &Target,
        _tier: Tunnel,
        _policy: &Policy,
        _observers: &ObserverFactory,
    ) -> Result<Box<dyn Tier>, TierError> {
        open(&plan.own, &target.0).map(|link| Box::new(link) as _)
    }

    fn findings(&self, plan: &Plan<Self>, _target: &Target, _tier: Tunnel) -> Vec<Finding> {
        findings(&plan.own)
    }

    fn has_mac(_tier: Tunnel) -> bool {
        false
    }

    fn serving(_tiers: &[Tunnel], _keep: Keep) -> Vec<Capability> {
        vec![Capability::NET_ADMIN]
    }
}

/// The first contradiction between options, and which of them to blame.
fn contradiction(own: &LinkSettings) -> Option<(&'static str, String)> {
    let said = |text: &str| text.to_owned();
    let peer = own.connect.as_ref().map(|remote| remote.peer);
    if own.insecure_plaintext {
        return match peer {
            None => Some((
                "connect",
                said("--insecure-plaintext needs --connect HOST:PORT on both sides"),
            )),
            Some(Some(_)) => Some((
                "connect",
                said("a Peer ID is not checked with --insecure-plaintext: leave one of them out"),
            )),
            Some(None) => None,
        };
    }
    match (peer, own.accept) {
        (None, None) => Some((
            "connect",
            said(
                "who is the peer? --connect PEER-ID@HOST:PORT to go to it, --accept PEER-ID to wait",
            ),
        )),
        (Some(None), _) => Some((
            "connect",
            said("--connect needs PEER-ID@ before the host; the peer prints it by farend-tun keys"),
        )),
        (Some(Some(one)), Some(other)) if one != other => {
            Some(("accept", said("--accept and --connect name different peers")))
        }
        _ => None,
    }
}

fn open(own: &LinkSettings, name: &str) -> Result<Link, TierError> {
    // First what needs no interface, so that nothing is left half done.
    let handshakes = handshakes(own)?;
    let keyring = if own.insecure_plaintext { Keyring::plain() } else { Keyring::default() };
    let remote = match (&own.connect, own.insecure_plaintext) {
        (Some(remote), true) => Some(
            remote
                .resolve()
                .map_err(|error| TierError::new(format!("{}: {error}", remote.place)))?,
        ),
        _ => None,
    };
    let ip = own.ip.map(|ip| ip.0);
    let wants_trains = own.udp_gso == Switch::Auto;
    let socket = Socket::bind(ip, own.udp_port.0, wants_trains).map_err(|error| {
        let place = ip.map_or_else(|| "all addresses".to_owned(), |ip| ip.to_string());
        TierError::new(format!("cannot bind UDP port {} on {place}: {error}", own.udp_port.0))
    })?;
    let is_ours = !Path::new("/sys/class/net").join(name).exists();
    let wants_offloads = own.tun_offload == Switch::Auto;
    let device = Device::open(name, wants_offloads).map_err(|error| refusal(name, &error))?;
    let offloads = device.offloads();
    let mtu = match own.mtu {
        Mtu::Auto => own.path_mtu.0 - OVERHEAD_OCTETS_MAX,
        Mtu::Octets(octets) => octets,
    };
    let network = Network::configure(device.name(), is_ours, own, mtu.into())
        .map_err(|error| TierError::new(format!("{}: {error}", device.name())))?;
    let shared = Shared::new(device, socket, keyring, own.path_mtu.0);
    if let Some(remote) = remote {
        shared.peer.move_to(remote);
    }
    announce(&shared, own, offloads);
    let plan = control::Plan {
        handshakes,
        connect: own.connect.clone(),
        rekey: Duration::from_secs(own.rekey.0),
        path_octets: own.path_mtu.0,
    };
    Ok(Link::new(shared, network, own.mtu, plan))
}

/// Says what a person cannot see from outside.
fn announce(shared: &Shared, own: &LinkSettings, offloads: Offloads) {
    let device = shared.device.name();
    let local = shared.socket.local().map_or_else(|error| error.to_string(), |at| at.to_string());
    let host = match offloads {
        Offloads::TcpAndUdp => "TCP and UDP offloads",
        Offloads::Tcp => "TCP offloads (UDP needs Linux 6.2)",
        Offloads::None => "no offloads",
    };
    let trains =
        if shared.socket.has_trains() { "trains of datagrams" } else { "single datagrams" };
    shared.notice(format!("{device} to UDP {local}: {host}, {trains}"));
    if own.insecure_plaintext {
        shared.notice("--insecure-plaintext: anybody on the way can read and forge packets");
    }
}

fn handshakes(own: &LinkSettings) -> Result<Option<Handshakes>, TierError> {
    if own.insecure_plaintext {
        return Ok(None);
    }
    let identity = identity::load(&own.keydir).map_err(TierError::new)?;
    let connect = own.connect.as_ref().and_then(|remote| remote.peer);
    let Some(peer): Option<PeerId> = connect.or(own.accept) else {
        return Err(TierError::new("no peer is named"));
    };
    let ciphers = match own.cipher {
        CipherChoice::Auto => ciphers_by_speed().to_vec(),
        CipherChoice::Aes256Gcm => vec![Cipher::Aes256Gcm],
        CipherChoice::ChaCha20Poly1305 => vec![Cipher::ChaCha20Poly1305],
    };
    // A side that goes to its peer lets it come too.
    Handshakes::new(&identity, peer, &ciphers, true).map(Some).map_err(TierError::new)
}

/// Why there is no interface, and what to do.
fn refusal(name: &str, error: &io::Error) -> TierError {
    let refused = TierError::new(format!("cannot open interface {name}: {error}"));
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            refused.with_advice(privileges::advice(&[Capability::NET_ADMIN]))
        }
        Some(libc::EBUSY) => refused.with_advice("another program holds it: name another one"),
        Some(libc::EINVAL) => refused.with_advice(
            "it exists and is no TUN interface, or was made without an offload header (vnet_hdr)",
        ),
        Some(libc::ENOENT) => refused.with_advice("modprobe tun"),
        _ => refused,
    }
}

/// What of the host would make a link slow or deaf.
fn findings(own: &LinkSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let number = |path: &str| -> Option<u64> {
        std::fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?.trim().parse().ok()
    };
    if number("net/ipv4/conf/all/rp_filter") == Some(1) && !own.routes.is_empty() {
        findings.push(
            Finding::new(
                "rp_filter",
                "strict reverse path filtering is on (net.ipv4.conf.all.rp_filter = 1)",
                "packets of networks behind the peer may be dropped",
            )
            .fixed_by("sysctl -w net.ipv4.conf.all.rp_filter=2")
            .undone_by("sysctl -w net.ipv4.conf.all.rp_filter=1"),
        );
    }
    if number("net/ipv4/ip_forward") == Some(0) && !own.routes.is_empty() {
        findings.push(
            Finding::new(
                "ip_forward",
                "this host does not forward IPv4 (net.ipv4.ip_forward = 0)",
                "networks behind this side are not reached through the link",
            )
            .fixed_by("sysctl -w net.ipv4.ip_forward=1")
            .undone_by("sysctl -w net.ipv4.ip_forward=0"),
        );
    }
    // With NET_ADMIN the limit does not hold.
    let is_limited = !Capability::NET_ADMIN.is_held();
    if is_limited && let Some(octets @ 0..4_194_304) = number("net/core/rmem_max") {
        findings.push(
            Finding::new(
                "rmem_max",
                format!("sockets have at most {octets} octets (net.core.rmem_max)"),
                "bursts are lost before they are read",
            )
            .fixed_by("sysctl -w net.core.rmem_max=4194304")
            .undone_by(format!("sysctl -w net.core.rmem_max={octets}")),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use farend_driver::options::Options;

    use super::*;
    use crate::options::LinkChoices;

    fn blamed(choices: LinkChoices) -> Option<&'static str> {
        contradiction(&LinkOptions::settle(choices)).map(|(key, _)| key)
    }

    #[test]
    fn nothing_goes_in_clear_unless_it_is_said() {
        let id = "ab".repeat(32);
        let connect = |text: &str| Some(text.parse().unwrap());
        assert_eq!(blamed(LinkChoices::default()), Some("connect"));
        let bare = LinkChoices { connect: connect("192.0.2.1:1"), ..Default::default() };
        assert_eq!(blamed(bare.clone()), Some("connect"));
        let plain = LinkChoices { insecure_plaintext: Some(true), ..bare };
        assert_eq!(blamed(plain), None);
        let named = connect(&format!("{id}@192.0.2.1:1"));
        let both = LinkChoices {
            connect: named.clone(),
            insecure_plaintext: Some(true),
            ..Default::default()
        };
        assert_eq!(blamed(both), Some("connect"));
        let sealed = LinkChoices { connect: named.clone(), ..Default::default() };
        assert_eq!(blamed(sealed), None);
        let other = LinkChoices {
            connect: named,
            accept: Some("cd".repeat(32).parse().unwrap()),
            ..Default::default()
        };
        assert_eq!(blamed(other), Some("accept"));
    }
}
