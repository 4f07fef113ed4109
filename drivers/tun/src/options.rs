//! The options of a link.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    str::FromStr,
};

use farend_driver::{
    option_values, options,
    options::{Flag, List, Maybe, One},
    values::Expected,
};

const LINK: &str = "Link";
const INTERFACE: &str = "Interface";
const IDENTITY: &str = "Identity";
const TUNING: &str = "Tuning";

options! {
    /// Options of a link.
    pub struct LinkOptions, LinkChoices, LinkSettings;
    include {}

    /// Name of the interface to make, or of one that exists to attach to
    tun("tun", "NAME", "one that the kernel chooses", INTERFACE, Restart):
        Maybe<InterfaceName> = None;

    /// Addresses of the interface, with commas between; without a length,
    /// --tun-netmask is that of IPv4 and 64 that of IPv6
    tun_ip("tun-ip", "ADDR[/BITS]", "none", INTERFACE, Restart): List<Network> = Vec::new();

    /// Length of the prefix of an IPv4 address that has none
    tun_netmask("tun-netmask", "BITS", "24", INTERFACE, Restart): One<Bits> = Bits(24);

    /// Networks behind the peer, with commas between: routes to the interface
    routes("route", "CIDR", "none", INTERFACE, Restart): List<Network> = Vec::new();

    /// Octets of the longest packet on the interface, or auto: what the path
    /// takes
    mtu("tun-mtu", "auto|OCTETS", "auto", INTERFACE, Restart): One<Mtu> = Mtu::Auto;

    /// Address of this host to send from and listen on
    ip("ip", "ADDR", "all", LINK, Restart): Maybe<Address> = None;

    /// UDP port of this host
    udp_port("udp-port", "N", "9443", LINK, Restart): One<UdpPort> = UdpPort(9443);

    /// The peer: with its Peer ID, this side begins the handshake. Without
    /// encryption an address alone
    connect("connect", "[PEER-ID@]HOST:PORT", "none", LINK, Restart): Maybe<Remote> = None;

    /// Peer ID of the peer that may begin the handshake, from any address
    accept("accept", "PEER-ID", "nobody", LINK, Restart): Maybe<PeerId> = None;

    /// Folder of this side's key, made by farend-tun keys
    keydir("keydir", "DIR", "./keys", IDENTITY, Restart): One<PathBuf> = PathBuf::from("./keys");

    /// DANGER: no encryption, no authentication; must be given on both sides
    insecure_plaintext("insecure-plaintext", "true|false", "", IDENTITY, Restart): Flag = false;

    /// The cipher: auto takes the one that is faster on this CPU
    cipher("cipher", "auto|aes-256-gcm|chacha20-poly1305", "auto", IDENTITY, Restart):
        One<CipherChoice> = CipherChoice::Auto;

    /// Seconds between handshakes that this side begins
    rekey("rekey-interval", "S", "120", IDENTITY, Restart): One<RekeyInterval> = RekeyInterval(120);

    /// Large packets to and from the host
    tun_offload("tun-offload", "auto|off", "auto", TUNING, Restart): One<Switch> = Switch::Auto;

    /// Trains of datagrams to and from the network
    udp_gso("udp-gso", "auto|off", "auto", TUNING, Restart): One<Switch> = Switch::Auto;

    /// Octets of the largest IP packet that the network takes, to begin with
    path_mtu("path-mtu", "OCTETS", "1500", TUNING, Restart): One<PathOctets> = PathOctets(1500);
}

option_values!(
    InterfaceName,
    Network,
    Bits,
    Mtu,
    Address,
    UdpPort,
    Remote,
    PeerId,
    CipherChoice,
    Switch,
    PathOctets,
    RekeyInterval,
);

/// The name of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfaceName(pub String);

impl FromStr for InterfaceName {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const OCTETS_MAX: usize = 15;
        let is_sound = (1..=OCTETS_MAX).contains(&text.len())
            && !text
                .contains(|c: char| c == '/' || c == '%' || c.is_whitespace() || c.is_control())
            && !matches!(text, "." | "..");
        if is_sound {
            return Ok(Self(text.to_owned()));
        }
        Err(Expected::new("a name of 1 to 15 octets without / and spaces, as tun0"))
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address, and the network that it is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// The address.
    pub address: IpAddr,
    /// Length of the prefix, if it was given.
    pub bits: Option<u8>,
}

impl FromStr for Network {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let expected = || Expected::new("an IP address or prefix, as 10.1.0.1/24 or fd00::1/64");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map(|bits| bits.parse::<u8>().map_err(|_| expected())).transpose()?;
        if bits.is_some_and(|bits| bits > bits_max) {
            return Err(expected());
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.bits.map_or(Ok(()), |bits| write!(f, "/{bits}"))
    }
}

/// Declares an option that is a number in a range.
macro_rules! number {
    ($(#[doc = $help:literal])+ $name:ident($inner:ty), $range:expr, $expected:literal) => {
        $(#[doc = $help])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(pub $inner);

        impl FromStr for $name {
            type Err = Expected;

            fn from_str(text: &str) -> Result<Self, Expected> {
                let number = text.parse().ok().filter(|number| ($range).contains(number));
                number.map(Self).ok_or_else(|| Expected::new($expected))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number! {
    /// Length of an IPv4 prefix.
    Bits(u8), 0..=32, "0 to 32"
}

number! {
    /// A UDP port.
    UdpPort(u16), 1..=65_535, "1 to 65535"
}

number! {
    /// Octets of an outer IP packet.
    PathOctets(u16), 1_280..=65_535, "1280 to 65535"
}

number! {
    /// Seconds between handshakes.
    RekeyInterval(u64), 1..=120, "1 to 120"
}

/// The MTU of the interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mtu {
    /// What the path takes.
    Auto,
    /// So many octets.
    Octets(u16),
}

impl FromStr for Mtu {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            // RFC 791 section 3.1: every host takes packets of 576 octets.
            (_, Ok(octets @ 576..)) => Ok(Self::Octets(octets)),
            _ => Err(Expected::new("auto, or 576 to 65535")),
        }
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Octets(octets) => write!(f, "{octets}"),
        }
    }
}

/// An address of this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address(pub IpAddr);

impl FromStr for Address {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        text.parse().map(Self).map_err(|_| Expected::new("an IP address of this host"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The SHA-256 of a peer's public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerId(pub [u8; 32]);

impl FromStr for PeerId {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let expected =
            || Expected::new("a Peer ID of 64 hexadecimal digits, as farend-tun keys prints it");
        let digits = text.as_bytes();
        let mut id = [0; 32];
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(expected());
        }
        for (octet, digits) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| expected())?;
            *octet = u8::from_str_radix(digits, 16).map_err(|_| expected())?;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where the peer is, and who it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// Who; `None` without encryption.
    pub peer: Option<PeerId>,
    /// A name or address, and a port.
    pub place: String,
}

impl Remote {
    /// The address, as it is now.
    ///
    /// # Errors
    ///
    /// The name is not known.
    pub fn resolve(&self) -> std::io::Result<SocketAddr> {
        let mut found = self.place.to_socket_addrs()?;
        found.next().ok_or_else(|| std::io::Error::other("the name has no address"))
    }
}

impl FromStr for Remote {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let (peer, place) = match text.split_once('@') {
            Some((peer, place)) => (Some(peer.parse()?), place),
            None => (None, text),
        };
        let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(Expected::new("[PEER-ID@]HOST:PORT, as 192.0.2.1:9443 or [fd00::1]:9443"));
        }
        Ok(Self { peer, place: place.to_owned() })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = &self.peer {
            write!(f, "{peer}@")?;
        }
        f.write_str(&self.place)
    }
}

/// Declares an option that is one of some words.
macro_rules! words {
    ($(#[doc = $help:literal])+ $name:ident, $($(#[doc = $word_help:literal])+ $variant:ident = $word:literal),+) => {
        $(#[doc = $help])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[doc = $word_help])+ $variant),+
        }

        impl FromStr for $name {
            type Err = Expected;

            fn from_str(text: &str) -> Result<Self, Expected> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(Expected::new([$($word),+].join(" or "))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

words! {
    /// Whether something is used that may not be there.
    Switch,
    /// Where it works.
    Auto = "auto",
    /// Never.
    Off = "off"
}

words! {
    /// The cipher.
    CipherChoice,
    /// The faster one.
    Auto = "auto",
    /// AES-256-GCM.
    Aes256Gcm = "aes-256-gcm",
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305 = "chacha20-poly1305"
}

#[cfg(test)]
mod tests {
    use farend_driver::options::OptionValue;

    use super::*;

    #[test]
    fn values_are_written_as_they_are_read() {
        fn same<T: OptionValue>(text: &str) {
            assert_eq!(T::from_text(text).unwrap().to_text(), text);
        }
        let id = "0123456789abcdef".repeat(4);
        same::<PeerId>(&id);
        same::<Remote>(&format!("{id}@peer.example:9443"));
        same::<Remote>("[fd00::1]:9443");
        same::<Network>("10.0.0.1/24");
        same::<Network>("fd00::1");
        same::<Mtu>("auto");
        same::<Mtu>("1400");
        same::<CipherChoice>("chacha20-poly1305");
    }

    #[test]
    fn wrong_values_are_refused() {
        assert!("0123@peer:1".parse::<Remote>().is_err());
        assert!("peer".parse::<Remote>().is_err());
        assert!(":9443".parse::<Remote>().is_err());
        assert!("10.0.0.1/33".parse::<Network>().is_err());
        assert!("a-name-that-is-too-long".parse::<InterfaceName>().is_err());
        assert!("a/b".parse::<InterfaceName>().is_err());
        assert!("500".parse::<Mtu>().is_err());
        assert!("+g".repeat(32).parse::<PeerId>().is_err());
    }
}
