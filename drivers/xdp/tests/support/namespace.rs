//! Two network namespaces joined by a veth pair.

use std::{
    fs::File,
    os::fd::AsFd,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The far end, where the reflector runs, and the near one, the tester's.
/// Interfaces `far` and `near`, IP addresses of host 1 and 2, MAC
/// addresses ending in 1 and 2. Removed on drop.
pub(crate) struct Pair {
    pub(crate) far: String,
    pub(crate) near: String,
}

impl Pair {
    /// `None`, and the reason printed, without the right to make namespaces.
    pub(crate) fn new(mtu_octets: u32) -> Option<Self> {
        Self::make(mtu_octets, true, 1)
    }

    /// The same without IP addresses: hosts that say nothing by themselves.
    pub(crate) fn without_addresses(mtu_octets: u32) -> Option<Self> {
        Self::make(mtu_octets, false, 1)
    }

    /// The same with several queues at both ends.
    pub(crate) fn with_queues(mtu_octets: u32, queues: u32) -> Option<Self> {
        Self::make(mtu_octets, true, queues)
    }

    fn make(mtu_octets: u32, has_addresses: bool, queues: u32) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if farend_lab::is_skipped_without_root() {
            return None;
        }
        let id = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let pair = Self { far: format!("farend-x{id}f"), near: format!("farend-x{id}n") };
        let (far, near) = (&pair.far, &pair.near);
        ip(&format!("netns add {far}"));
        ip(&format!("netns add {near}"));
        let queues = format!("numrxqueues {queues} numtxqueues {queues}");
        ip(&format!(
            "-n {far} link add far {queues} type veth peer name near netns {near} {queues}"
        ));
        for (namespace, link, host) in [(far, "far", 1), (near, "near", 2)] {
            // No traffic but the test's: neither IPv6 autoconfiguration nor
            // neighbour discovery for an address of the link's own.
            ip(&format!("-n {namespace} link set {link} addrgenmode none"));
            ip(&format!(
                "-n {namespace} link set {link} mtu {mtu_octets} address 02:00:00:00:00:0{host}"
            ));
            if has_addresses {
                ip(&format!("-n {namespace} addr add 198.18.0.{host}/24 dev {link}"));
                ip(&format!("-n {namespace} addr add 2001:db8::{host}/64 nodad dev {link}"));
            }
            ip(&format!("-n {namespace} link set lo up"));
            ip(&format!("-n {namespace} link set {link} up"));
        }
        Some(pair)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for namespace in [&self.far, &self.near] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &str) {
    run("ip", arguments);
}

/// Runs `tc` with these arguments.
pub(crate) fn tc(arguments: &str) {
    run("tc", arguments);
}

fn run(program: &str, arguments: &str) {
    let status = Command::new(program).args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "{program} {arguments}");
}

/// Moves this thread into a namespace, for good.
pub(crate) fn enter(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Runs `work` on a thread inside a namespace.
pub(crate) fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            enter(namespace);
            work()
        });
        thread.join().unwrap()
    })
}

/// A number that the kernel keeps for this thread's namespace, of
/// `/proc/net/snmp`, such as `Icmp` `OutDestUnreachs`.
pub(crate) fn snmp(group: &str, field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with(&format!("{group}:")));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let index = names.split(' ').position(|name| name == field).unwrap();
    values.split(' ').nth(index).unwrap().parse().unwrap()
}
