//! A policy as a short line of text: `port any; mode mac-ip; vlan 7`.
//!
//! The same options make the core's [`Policy`] and steer the oracle, so the
//! oracle never reads a field that the core wrote.

mod text;

use std::net::IpAddr;

use farend_core::{
    Guards, Kind, MacAddress, Mode, Oui, Policy,
    reflect::policy::{Ipv4Prefix, Ipv6Prefix, RateCap},
    reflect::signature::{Custom, KindSet},
};

/// The reflector's MAC address in every frame of the corpus, unless its policy
/// says otherwise.
pub const OWN_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 2];

/// What to answer, as a person would say it. The default is the product's:
/// port 3842, any OUI, every built-in signature, mode `all`, every guard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyOptions {
    /// The reflector's own MAC address.
    pub own_mac: [u8; 6],
    /// Answer any unicast destination MAC.
    pub is_any_destination: bool,
    /// Answer this source OUI alone; it counts as a tester's.
    pub source_oui: Option<[u8; 3]>,
    /// Testers' OUIs besides `NetAlly`'s and Fluke's.
    pub tester_ouis: Vec<[u8; 3]>,
    /// UDP destination port; `None` answers any.
    pub port: Option<u16>,
    /// VLAN ids, 0 for untagged; empty answers any.
    pub vlans: Vec<u16>,
    /// Allowed source prefixes; empty allows any.
    pub allowed: Vec<Prefix>,
    /// Built-in kinds, and [`Kind::Any`].
    pub kinds: Vec<Kind>,
    /// Signatures of the user's own.
    pub customs: Vec<CustomSignature>,
    /// How much of a frame is exchanged.
    pub mode: Mode,
    /// Guards that are turned off.
    pub guards_off: Guards,
    /// Ports at loop risk, in place of the product's.
    pub loop_ports: Option<Vec<u16>>,
    /// The host's own addresses; empty takes any for its own.
    pub own_addresses: Vec<IpAddr>,
    /// Cap on answered frames, if there is one.
    pub rate: Option<Rate>,
}

/// An address prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// First address.
    pub address: IpAddr,
    /// Leading bits that count.
    pub bits: u8,
}

/// A signature of the user's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomSignature {
    /// Payload offset, in octets.
    pub offset: u16,
    /// One to eight octets.
    pub octets: Vec<u8>,
    /// As many octets; a bit that is 0 is not compared.
    pub mask: Vec<u8>,
}

/// A rate cap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Frames per second.
    pub frames: u64,
    /// Ticks per second of the clock that counts.
    pub ticks: u64,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self {
            own_mac: OWN_MAC,
            is_any_destination: false,
            source_oui: None,
            tester_ouis: Vec::new(),
            port: Some(3842),
            vlans: Vec::new(),
            allowed: Vec::new(),
            kinds: BUILT_IN.to_vec(),
            customs: Vec::new(),
            mode: Mode::All,
            guards_off: Guards::NONE,
            loop_ports: None,
            own_addresses: Vec::new(),
            rate: None,
        }
    }
}

/// Every kind that has a signature of its own.
pub const BUILT_IN: [Kind; 6] =
    [Kind::Probeot, Kind::DataOt, Kind::Latency, Kind::Rfc2544, Kind::Y1564, Kind::Msnseed];

impl PolicyOptions {
    /// Makes the core's policy.
    ///
    /// # Errors
    ///
    /// What the core refuses, as a sentence.
    pub fn build(&self) -> Result<Policy, String> {
        let mut builder = Policy::builder().own_mac(MacAddress(self.own_mac)).mode(self.mode);
        if self.is_any_destination {
            builder = builder.any_destination();
        }
        if let Some(oui) = self.source_oui {
            builder = builder.source_oui(Oui(oui));
        }
        for oui in &self.tester_ouis {
            builder = builder.tester_oui(Oui(*oui));
        }
        builder = match self.port {
            Some(port) => builder.port(port),
            None => builder.any_port(),
        };
        for vid in &self.vlans {
            builder = builder.vlan(*vid);
        }
        for prefix in &self.allowed {
            let refused = || format!("{}/{} is no prefix", prefix.address, prefix.bits);
            builder = match prefix.address {
                IpAddr::V4(address) => builder.allow_ipv4(
                    Ipv4Prefix::new(address.octets(), prefix.bits).ok_or_else(refused)?,
                ),
                IpAddr::V6(address) => builder.allow_ipv6(
                    Ipv6Prefix::new(address.octets(), prefix.bits).ok_or_else(refused)?,
                ),
            };
        }
        let kinds = self.kinds.iter().fold(KindSet::NONE, |set, kind| set.with(*kind));
        builder = builder.kinds(kinds).guards(Guards::ALL.without(self.guards_off));
        for custom in &self.customs {
            let refused = || format!("{custom:?} is no signature");
            builder = builder.custom(
                Custom::new(custom.offset, &custom.mask, &custom.octets).ok_or_else(refused)?,
            );
        }
        if let Some(ports) = &self.loop_ports {
            builder = builder.loop_ports(ports);
        }
        for address in &self.own_addresses {
            builder = builder.own_address(*address);
        }
        if let Some(rate) = self.rate {
            builder = builder.rate_cap(RateCap::new(rate.frames, rate.ticks));
        }
        builder.build().map_err(|error| error.to_string())
    }

    /// Whether a guard is on.
    #[must_use]
    pub const fn has(&self, guard: Guards) -> bool {
        self.guards_off.0 & guard.0 == 0
    }
}
