//! Datagrams that this host has dropped because their UDP checksum is wrong.

/// How many there were so far, of both IP versions, in the calling thread's network
/// namespace; `None` where the system does not tell.
#[must_use]
pub fn wrong_so_far() -> Option<u64> {
    let [v4, v6] = ["/proc/thread-self/net/snmp", "/proc/thread-self/net/snmp6"]
        .map(|path| std::fs::read_to_string(path).ok());
    let v6 = v6.as_deref().and_then(of_ipv6).unwrap_or_default();
    Some(of_ipv4(&v4?)? + v6)
}

/// Of `/proc/net/snmp` (proc(5)): a line of names, then one of values.
fn of_ipv4(table: &str) -> Option<u64> {
    let mut lines = table.lines().filter(|line| line.starts_with("Udp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split(' ').position(|name| name == "InCsumErrors")?;
    values.split(' ').nth(place)?.parse().ok()
}

/// Of `/proc/net/snmp6`: a name and a value in each line.
fn of_ipv6(table: &str) -> Option<u64> {
    let value = table.lines().find_map(|line| line.strip_prefix("Udp6InCsumErrors"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_tables_are_read() {
        let v4 = "Tcp: A B\nTcp: 1 2\nUdp: InDatagrams InCsumErrors X\nUdp: 5 7 9\nUdpLite: 1\n";
        assert_eq!(of_ipv4(v4), Some(7));
        assert_eq!(of_ipv4("Udp: InDatagrams\nUdp: 5\n"), None);
        assert_eq!(of_ipv4(""), None);
        assert_eq!(of_ipv6("Udp6InErrors   \t1\nUdp6InCsumErrors   \t42\n"), Some(42));
        assert_eq!(of_ipv6("Udp6InErrors 1\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells() {
        assert!(wrong_so_far().is_some());
    }
}
