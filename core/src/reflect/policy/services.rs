//! Which service answers what, beside the exchange of addresses and ports.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Service;

/// What a service is found by. An unknown value is data, not an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct ServedBy(u8);

impl ServedBy {
    /// A UDP destination port.
    pub const UDP_PORT: Self = Self(1);
    /// The `EtherType` behind all tags.
    pub const ETHER_TYPE: Self = Self(2);
    /// The IP protocol, or IPv6's last next header.
    pub const IP_PROTOCOL: Self = Self(3);
}

/// Which service answers what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct ServiceEntry {
    pub(super) number: u16,
    pub(super) by: ServedBy,
    /// Its code; 0 in an unused entry.
    pub(super) service: u8,
}

impl ServiceEntry {
    pub(super) const UNUSED: Self = Self { number: 0, by: ServedBy(0), service: 0 };

    pub(super) const fn is_whole(&self) -> bool {
        matches!(self.by, ServedBy::UDP_PORT | ServedBy::ETHER_TYPE | ServedBy::IP_PROTOCOL)
            && Service::from_code(self.service).is_some()
    }
}
