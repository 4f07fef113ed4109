//! Addresses of UDP sockets as the kernel reads and writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const INET_OCTETS: usize = 16;
const INET6_OCTETS: usize = 28;

/// The octets of a `sockaddr_in` or `sockaddr_in6`.
#[repr(align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    octets: [u8; INET6_OCTETS],
    length: usize,
}

impl Name {
    /// Room for any address.
    pub(crate) const EMPTY: Self = Self { octets: [0; INET6_OCTETS], length: INET6_OCTETS };

    /// The name of an address for a socket of version 4 or, with IPv4 addresses
    /// mapped (RFC 4291 section 2.5.5.2), of version 6.
    pub(crate) fn new(address: SocketAddr, is_v6_socket: bool) -> Self {
        let mut octets = [0; INET6_OCTETS];
        octets[2..4].copy_from_slice(&address.port().to_be_bytes());
        let length = match address.ip() {
            IpAddr::V4(ip) if !is_v6_socket => {
                octets[..2].copy_from_slice(&family(libc::AF_INET));
                octets[4..8].copy_from_slice(&ip.octets());
                INET_OCTETS
            }
            ip => {
                let ip = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                octets[..2].copy_from_slice(&family(libc::AF_INET6));
                octets[8..24].copy_from_slice(&ip.octets());
                if let SocketAddr::V6(v6) = address {
                    octets[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                }
                INET6_OCTETS
            }
        };
        Self { octets, length }
    }

    /// Its octets, as many as the family has.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// Room for the kernel to write.
    pub(crate) const fn room(&mut self) -> &mut [u8; INET6_OCTETS] {
        &mut self.octets
    }

    /// The address; `None` if it is of another family.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let [a, b, c, d, ..] = self.octets;
        let port = u16::from_be_bytes([c, d]);
        if [a, b] == family(libc::AF_INET) {
            let ip: [u8; 4] = self.octets[4..8].try_into().ok()?;
            return Some(SocketAddr::new(Ipv4Addr::from(ip).into(), port));
        }
        if [a, b] != family(libc::AF_INET6) {
            return None;
        }
        let ip: [u8; 16] = self.octets[8..24].try_into().ok()?;
        let scope: [u8; 4] = self.octets[24..28].try_into().ok()?;
        let ip = Ipv6Addr::from(ip);
        if let Some(mapped) = ip.to_ipv4_mapped() {
            return Some(SocketAddr::new(mapped.into(), port));
        }
        let v6 = std::net::SocketAddrV6::new(ip, port, 0, u32::from_ne_bytes(scope));
        Some(v6.into())
    }
}

fn family(family: libc::c_int) -> [u8; 2] {
    // Families are small numbers.
    u16::try_from(family).unwrap_or(0).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_read_as_it_was_written() {
        for text in ["192.0.2.1:9443", "[2001:db8::1]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            for is_v6_socket in [true, address.is_ipv6()] {
                assert_eq!(Name::new(address, is_v6_socket).address(), Some(address));
            }
        }
        assert_eq!(Name::EMPTY.address(), None);
    }
}
