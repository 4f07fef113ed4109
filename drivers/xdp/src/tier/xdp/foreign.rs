//! An XDP program on the interface that is not ours.

use std::os::fd::AsFd;

use aya::programs::loaded_programs;

use super::TierError;
use crate::{
    interface::{Interface, Rtnetlink},
    sys,
};

/// Names the program that holds the interface.
pub(super) fn describe(interface: &Interface) -> TierError {
    let now = look_again(interface);
    let who = match now.xdp.any() {
        Some(id) => match program_name(id) {
            Some(name) => format!("another XDP program is attached (id {id}, {name})"),
            None => format!("another XDP program is attached (id {id})"),
        },
        None => "another XDP program is attached".to_owned(),
    };
    TierError::new(who).with_advice("stop its owner, or give --replace to take its place")
}

/// Detaches whatever XDP program is on the interface.
pub(super) fn detach(interface: &Interface) -> Result<(), TierError> {
    let now = look_again(interface);
    let Some(id) = now.xdp.any() else { return Ok(()) };
    let refused = |what: &str, error: &dyn std::fmt::Display| {
        TierError::new(format!("cannot detach XDP program {id}: {what}: {error}"))
            .with_advice("stop its owner")
    };
    let link = sys::xdp_link_of(id, interface.index)
        .map_err(|error| refused("looking for its bpf link needs CAP_SYS_ADMIN", &error))?;
    if let Some(link) = link {
        return sys::link_detach(link.as_fd()).map_err(|error| refused("its bpf link", &error));
    }
    Rtnetlink::open()
        .and_then(|mut rtnetlink| rtnetlink.detach_xdp(&now))
        .map_err(|error| refused("by netlink", &error))
}

/// Its state now; the one before if it cannot be had.
fn look_again(interface: &Interface) -> Interface {
    let now = Rtnetlink::open().and_then(|mut rtnetlink| rtnetlink.by_index(interface.index));
    now.ok().flatten().unwrap_or_else(|| interface.clone())
}

fn program_name(id: u32) -> Option<String> {
    let program = loaded_programs().filter_map(Result::ok).find(|program| program.id() == id)?;
    program.name_as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}
