//! Which capabilities are kept, and when the others go.
//!
//! Twice: what no tier needs goes before anything is opened, and what the
//! chosen tiers do not need to follow a reload goes before they start.

#[cfg(target_os = "linux")]
use farend_driver::privileges::{Capability, drop_all_but};

#[cfg(target_os = "linux")]
use crate::tier::xdp::CAPABILITIES;
use crate::{failure::Failure, tier::TierChoice};

/// Gives up what opening does not need.
#[cfg(target_os = "linux")]
pub(super) fn drop_to_open() -> Result<(), Failure> {
    let mut kept = CAPABILITIES.to_vec();
    kept.extend([Capability::NET_RAW, Capability::NET_BIND_SERVICE]);
    // Frame memory of AF_XDP beyond the limit of locked memory.
    kept.push(Capability::IPC_LOCK);
    // To name a program of somebody else and find its bpf link; and to drop
    // more.
    kept.extend([Capability::SYS_ADMIN, Capability::SETPCAP]);
    drop_all_but(&kept).map(drop).map_err(|error| failure(&error))
}

/// Gives up what serving does not need; names what is left.
#[cfg(target_os = "linux")]
pub(super) fn drop_to_serve(choices: &[TierChoice]) -> Result<Option<Vec<&'static str>>, Failure> {
    let mut kept = Vec::new();
    // A reload loads another program.
    if choices.iter().any(|choice| *choice != TierChoice::Udp) {
        kept.extend(CAPABILITIES);
    }
    // Queues that an interface gets later need sockets and memory.
    if choices.contains(&TierChoice::AfXdp) {
        kept.extend([Capability::NET_RAW, Capability::IPC_LOCK]);
    }
    drop_all_but(&kept).map(Some).map_err(|error| failure(&error))
}

#[cfg(target_os = "linux")]
fn failure(error: &std::io::Error) -> Failure {
    Failure::run_time(format!("cannot give up capabilities: {error}"))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn drop_to_open() -> Result<(), Failure> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn drop_to_serve(_choices: &[TierChoice]) -> Result<Option<Vec<&'static str>>, Failure> {
    Ok(None)
}
