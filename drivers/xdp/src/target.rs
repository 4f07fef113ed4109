//! What is served: an interface, or addresses of this host.

use farend_driver::{failure::Failure, runtime};
use farend_udp::Addresses;

#[cfg(target_os = "linux")]
use crate::interface::{Interface, Rtnetlink};
use crate::tier::TierChoice;

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
        /// Which.
        addresses: Addresses,
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
            return Ok(vec![Self::Addresses { name, addresses: Addresses::All }]);
        }
        names.iter().map(|name| Self::find(name, tier)).collect()
    }

    fn find(name: &str, tier: TierChoice) -> Result<Self, Failure> {
        let addresses = Addresses::of(name);
        if matches!(addresses, Addresses::One(_)) {
            if tier == TierChoice::Udp {
                return Ok(Self::Addresses { name: name.to_owned(), addresses });
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
        let addresses = Addresses::of(name);
        addresses.now().map_err(Failure::run_time)?;
        Ok(Self::Addresses { name: name.to_owned(), addresses })
    }

    /// The addresses to open plain sockets on.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        match self {
            #[cfg(target_os = "linux")]
            Self::Interface(interface) => {
                Addresses::of_interface(&interface.name, Some(interface.index))
            }
            Self::Addresses { addresses, .. } => addresses.clone(),
        }
    }

    /// The interface, if it is one.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn interface(&self) -> Option<&Interface> {
        match self {
            Self::Interface(interface) => Some(interface),
            Self::Addresses { .. } => None,
        }
    }
}

impl runtime::Target for Target {
    fn name(&self) -> &str {
        match self {
            #[cfg(target_os = "linux")]
            Self::Interface(interface) => &interface.name,
            Self::Addresses { name, .. } => name,
        }
    }

    fn index(&self) -> u32 {
        match self {
            #[cfg(target_os = "linux")]
            Self::Interface(interface) => interface.index,
            Self::Addresses { .. } => 0,
        }
    }

    #[cfg(target_os = "linux")]
    fn link(&self) -> Option<runtime::Link> {
        let interface = self.interface()?;
        let is_up = interface.is_up && interface.is_running;
        Some(runtime::Link { is_up, mtu_octets: interface.mtu_octets.into() })
    }
}
