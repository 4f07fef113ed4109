//! Ports that no other test takes.

use std::{
    iter, mem,
    net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    ops::Range,
};

/// Below those that systems hand out by themselves: 49152 and above, on Linux 32768.
const PORTS: Range<u16> = 20_000..32_000;

/// A UDP port of this process alone, on which nobody listens yet.
///
/// A port that was free a moment ago may be taken since. So this one is held by a TCP
/// listener, for as long as the process lives: no other test is given it.
///
/// # Panics
///
/// If a thousand ports drawn by chance are all taken.
#[must_use]
pub fn own_port() -> u16 {
    let drawn = iter::repeat_with(|| fastrand::u16(PORTS)).take(1_000);
    for port in drawn {
        let any = (Ipv4Addr::UNSPECIFIED, port);
        let Ok(holder) = TcpListener::bind(any) else { continue };
        // Nor has it a program that is none of ours.
        if UdpSocket::bind(any).is_ok() && UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
            mem::forget(holder);
            return port;
        }
    }
    panic!("all ports that were drawn of {PORTS:?} are taken");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn own_ports_are_free_and_no_two_are_the_same() {
        let ports: BTreeSet<_> = (0..20).map(|_| own_port()).collect();
        assert_eq!(ports.len(), 20);
        for port in ports {
            assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok(), "{port}");
        }
    }
}
