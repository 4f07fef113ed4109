//! Linux capabilities.

use std::io;

use rustix::thread::{
    CapabilitySet, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// A capability that some driver needs, and its name in `capabilities(7)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability {
    /// As in `setcap`, in lower case and without `cap_`.
    pub name: &'static str,
    set: CapabilitySet,
    /// An older capability that grants the same.
    grown_from: CapabilitySet,
}

impl Capability {
    /// Attach to interfaces, change their filters.
    pub const NET_ADMIN: Self = Self::new("net_admin", CapabilitySet::NET_ADMIN);
    /// Packet sockets.
    pub const NET_RAW: Self = Self::new("net_raw", CapabilitySet::NET_RAW);
    /// Lock more memory than the limit allows.
    pub const IPC_LOCK: Self = Self::new("ipc_lock", CapabilitySet::IPC_LOCK);
    /// UDP ports below 1024.
    pub const NET_BIND_SERVICE: Self =
        Self::new("net_bind_service", CapabilitySet::NET_BIND_SERVICE);
    /// Load programs and maps (Linux 5.8; before, `sys_admin`).
    pub const BPF: Self =
        Self { name: "bpf", set: CapabilitySet::BPF, grown_from: CapabilitySet::SYS_ADMIN };

    /// Programs that compute with pointers (Linux 5.8; before, `sys_admin`).
    pub const PERFMON: Self =
        Self { name: "perfmon", set: CapabilitySet::PERFMON, grown_from: CapabilitySet::SYS_ADMIN };
    /// Everything that is not finer; here, to reach other programs' bpf links.
    pub const SYS_ADMIN: Self = Self::new("sys_admin", CapabilitySet::SYS_ADMIN);

    /// Read files of others, and search their folders.
    pub const DAC_READ_SEARCH: Self = Self::new("dac_read_search", CapabilitySet::DAC_READ_SEARCH);
    /// Take capabilities out of the bounding set.
    pub const SETPCAP: Self = Self::new("setpcap", CapabilitySet::SETPCAP);

    const fn new(name: &'static str, set: CapabilitySet) -> Self {
        Self { name, set, grown_from: CapabilitySet::empty() }
    }

    /// Whether this process may use it now.
    #[must_use]
    pub fn is_held(self) -> bool {
        let Ok(sets) = capabilities(None) else { return false };
        sets.effective.intersects(self.set.union(self.grown_from))
    }
}

/// Gives up every capability except these, for good: no program that this one
/// might start gets any back. The kernel keeps capabilities for each thread:
/// this is about the one that calls, and those that it starts later.
///
/// Gives the names of those that are still held.
///
/// # Errors
///
/// The kernel refuses.
pub fn drop_all_but(kept: &[Capability]) -> io::Result<Option<Vec<&'static str>>> {
    let mut sets = capabilities(None)?;
    let mut wanted = CapabilitySet::empty();
    for capability in kept {
        let direct = capability.set.intersection(sets.permitted);
        // Where the finer capability is not there, the coarser one it came
        // from has to stay.
        wanted |= if direct.is_empty() { capability.grown_from } else { direct };
    }
    // Without SETPCAP the bounding set stays, and no_new_privs does its work.
    if sets.effective.contains(CapabilitySet::SETPCAP) {
        for bit in 0..u64::BITS {
            let Some(one) = CapabilitySet::from_bits(1 << bit) else { continue };
            if !wanted.contains(one) && matches!(capability_is_in_bounding_set(one), Ok(true)) {
                remove_capability_from_bounding_set(one)?;
            }
        }
    }
    clear_ambient_capability_set()?;
    sets.permitted &= wanted;
    sets.effective = sets.permitted;
    sets.inheritable = CapabilitySet::empty();
    set_capabilities(None, sets)?;
    set_no_new_privs(true)?;
    let held = kept.iter().filter(|capability| capability.is_held());
    Ok(Some(held.map(|capability| capability.name).collect()))
}

/// Gives up every capability of this thread.
///
/// # Errors
///
/// The kernel refuses.
pub fn drop_of_thread() -> io::Result<()> {
    drop_all_but(&[]).map(drop)
}

/// Does something without the rights over other users' files that root has, as
/// it will be once they are given up.
pub fn without_file_rights<T>(work: impl FnOnce() -> T) -> T {
    let Ok(before) = capabilities(None) else { return work() };
    let mut without = before;
    without.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    let is_without = set_capabilities(None, without).is_ok();
    let outcome = work();
    if is_without {
        // These were held a moment ago, and are still permitted.
        let _ = set_capabilities(None, before);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::{super::missing, *};

    #[test]
    fn dropping_leaves_what_was_kept_and_nothing_else() {
        // Capabilities belong to a thread: this one alone loses them.
        let dropped = std::thread::spawn(|| {
            if !Capability::NET_ADMIN.is_held() {
                farend_effort::skip("dropping capabilities needs root");
                return;
            }
            assert_eq!(drop_all_but(&[Capability::NET_ADMIN]).unwrap().unwrap(), ["net_admin"]);
            assert!(Capability::NET_ADMIN.is_held());
            assert_eq!(
                missing(&[Capability::NET_ADMIN, Capability::NET_RAW, Capability::BPF]),
                [Capability::NET_RAW, Capability::BPF]
            );
        });
        dropped.join().unwrap();
    }
}
