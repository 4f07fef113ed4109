//! Other reflectors of this kind on the same interface.
//!
//! A packet socket takes nothing from anybody: beside another reflector it would
//! answer every frame a second time, and a tester would take that for a sound link.

use super::{TierError, af_packet::Shield, xdp::foreign};
use crate::interface::Interface;

/// Names of the kernel programs of the other tiers.
const PROGRAMS: [&str; 2] = ["farend_reflect", "farend_redirect"];

/// What reflects on the interface already, as far as it left a program of ours there:
/// an XDP program, or the shield of a packet socket (Linux 6.6).
pub(super) fn look(interface: &Interface) -> Option<TierError> {
    if foreign::name(interface).is_some_and(|name| PROGRAMS.contains(&name.as_str())) {
        return Some(foreign::describe(interface));
    }
    Shield::is_there(interface.index).then(|| {
        TierError::new(format!(
            "another reflector answers on {} by a packet socket",
            interface.name
        ))
        .with_advice("stop it: every frame would be answered twice")
    })
}
