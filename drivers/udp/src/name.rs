//! Socket addresses as the kernel writes them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::sys;

/// Reads a socket address; `None` if it is neither IPv4 nor IPv6.
pub(crate) fn parse(name: &[u8]) -> Option<SocketAddr> {
    let v4: libc::sockaddr_in = sys::read(name)?;
    match i32::from(v4.sin_family) {
        libc::AF_INET => {
            let address = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(address, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            let v6: libc::sockaddr_in6 = sys::read(name)?;
            let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddrV6::new(address, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_short_or_of_another_family_is_none() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0; 28]), None);
        assert_eq!(parse(&[2; 15]), None);
        let mut name = [0; 28];
        sys::write(&mut name, libc::AF_INET6).unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(parse(&name[..27]), None);
        #[cfg(target_os = "linux")]
        assert_eq!(parse(&name), Some("[::]:0".parse().unwrap()));
    }
}
