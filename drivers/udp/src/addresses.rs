//! Addresses of this host.

use std::net::IpAddr;

/// Where to listen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Addresses {
    /// On all addresses of this host.
    All,
    /// On one.
    One(IpAddr),
    /// On those of an interface, as they are when they are asked for.
    Interface {
        /// How the user called it.
        name: String,
        /// Its number in the system, which stays when it is renamed; `None` if it had
        /// no address to tell it by.
        index: Option<u32>,
    },
}

impl Addresses {
    /// An address, or else the name of an interface.
    #[must_use]
    pub fn of(name: &str) -> Self {
        name.parse().map_or_else(|_| Self::of_interface(name, index_of(name)), Self::One)
    }

    /// Those of an interface that is known by its number.
    #[must_use]
    pub fn of_interface(name: &str, index: Option<u32>) -> Self {
        Self::Interface { name: name.to_owned(), index }
    }

    /// The addresses as they are now; none for all.
    ///
    /// # Errors
    ///
    /// The interface has none.
    pub fn now(&self) -> Result<Vec<IpAddr>, String> {
        match self {
            Self::All => Ok(Vec::new()),
            Self::One(address) => Ok(vec![*address]),
            Self::Interface { name, index } => of_interface(name, *index),
        }
    }

    /// Whether one of them is a loopback address.
    #[must_use]
    pub fn has_loopback(&self) -> bool {
        let addresses = self.now().unwrap_or_default();
        addresses.is_empty() || addresses.iter().any(IpAddr::is_loopback)
    }
}

/// The number of an interface that has an address.
fn index_of(name: &str) -> Option<u32> {
    if_addrs::get_if_addrs().ok()?.iter().find(|one| one.name == name)?.index
}

/// The addresses of an interface. Link-local ones of IPv6 are left out: they
/// mean nothing without their interface.
fn of_interface(name: &str, index: Option<u32>) -> Result<Vec<IpAddr>, String> {
    let all = if_addrs::get_if_addrs()
        .map_err(|error| format!("cannot list the addresses of this host: {error}"))?;
    let is_usable =
        |address: &IpAddr| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let addresses: Vec<_> = all
        .iter()
        .filter(|one| index.map_or(one.name == name, |index| one.index == Some(index)))
        .map(if_addrs::Interface::ip)
        .filter(is_usable)
        .collect();
    if addresses.is_empty() {
        let usable = all.into_iter().filter(|one| is_usable(&one.ip()));
        let mut names: Vec<_> = usable.map(|one| one.name).collect();
        names.sort();
        names.dedup();
        return Err(format!(
            "{name} has no IP address to open a UDP socket on; these have one: {}",
            names.join(", ")
        ));
    }
    Ok(addresses)
}
