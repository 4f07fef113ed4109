//! What is served: an interface, or addresses of this host.

use std::net::IpAddr;

#[cfg(target_os = "linux")]
use crate::interface::{Interface, Rtnetlink};
use crate::{failure::Failure, tier::TierChoice};

/// One thing to serve.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A network interface.
    #[cfg(target_os = "linux")]
    Interface(Box<Interface>),
    /// Addresses of this host, for plain sockets.
    Addresses {
        /// What the user called them.
        name: String,
        /// None for all of them.
        addresses: Vec<IpAddr>,
    },
}

impl Target {
    /// Finds what the user has named.
    ///
    /// # Errors
    ///
    /// A name that is neither an interface nor, for plain sockets, an address.
    pub fn find_all(names: &[String], tier: TierChoice) -> Result<Vec<Self>, Failure> {
        if names.is_empty() {
            let name = "all addresses".to_owned();
            return Ok(vec![Self::Addresses { name, addresses: Vec::new() }]);
        }
        names.iter().map(|name| Self::find(name, tier)).collect()
    }

    fn find(name: &str, tier: TierChoice) -> Result<Self, Failure> {
        if let Ok(address) = name.parse() {
            if tier == TierChoice::Udp {
                return Ok(Self::Addresses { name: name.to_owned(), addresses: vec![address] });
            }
            return Err(Failure::usage(format!(
                "{name} is an address: name an interface, or add --tier udp"
            )));
        }
        Self::find_interface(name)
    }

    #[cfg(target_os = "linux")]
    fn find_interface(name: &str) -> Result<Self, Failure> {
        let found = Rtnetlink::open()
            .and_then(|mut rtnetlink| Interface::find(&mut rtnetlink, name))
            .map_err(|error| Failure::run_time(format!("cannot list the interfaces: {error}")))?;
        match found {
            Ok(interface) => Ok(Self::Interface(Box::new(interface))),
            Err(unknown) => Err(Failure::usage(unknown.to_string())),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn find_interface(name: &str) -> Result<Self, Failure> {
        let addresses = addresses_of(name).map_err(Failure::run_time)?;
        Ok(Self::Addresses { name: name.to_owned(), addresses })
    }

    /// What the user calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            #[cfg(target_os = "linux")]
            Self::Interface(interface) => &interface.name,
            Self::Addresses { name, .. } => name,
        }
    }

    /// Index of the interface; 0 if it is none.
    #[must_use]
    pub fn index(&self) -> u32 {
        match self {
            #[cfg(target_os = "linux")]
            Self::Interface(interface) => interface.index,
            Self::Addresses { .. } => 0,
        }
    }

    /// The addresses to open plain sockets on.
    ///
    /// # Errors
    ///
    /// The interface has none.
    pub fn addresses(&self) -> Result<Vec<IpAddr>, String> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Interface(interface) => addresses_of(&interface.name),
            Self::Addresses { addresses, .. } => Ok(addresses.clone()),
        }
    }
}

/// The addresses of an interface. Link-local ones of IPv6 are left out: they
/// mean nothing without their interface.
fn addresses_of(name: &str) -> Result<Vec<IpAddr>, String> {
    let all = if_addrs::get_if_addrs()
        .map_err(|error| format!("cannot list the addresses of this host: {error}"))?;
    let addresses: Vec<_> = all
        .iter()
        .filter(|one| one.name == name)
        .map(if_addrs::Interface::ip)
        .filter(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect();
    if addresses.is_empty() {
        let mut names: Vec<_> = all.into_iter().map(|one| one.name).collect();
        names.dedup();
        return Err(format!(
            "{name} has no IP address to open a UDP socket on; these have one: {}",
            names.join(", ")
        ));
    }
    Ok(addresses)
}
