//! The frames and policies that are measured.

use anyhow::Result;
use farend_core::{Guards, Kind, MacAddress, Policy};
use farend_lab::frames::Flow;

/// The tester: an address of `NetAlly`.
pub(crate) const NEAR: MacAddress = MacAddress([0x00, 0xc0, 0x17, 0, 0, 1]);
/// The reflector.
pub(crate) const FAR: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 2]);
/// Somebody else.
pub(crate) const OTHER: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 3]);

/// A customer's tag, of IEEE 802.1Q.
pub(crate) const TAG: (u16, u16) = (0x8100, 100);
/// A provider's tag, of IEEE 802.1ad.
pub(crate) const PROVIDER_TAG: (u16, u16) = (0x88a8, 200);

/// The defaults of the drivers.
pub(crate) fn default_policy() -> Result<Policy> {
    Policy::builder().own_mac(FAR).build().map_err(|error| anyhow::anyhow!("{error}"))
}

/// The defaults, but for frames that are answered as often as they are turned
/// round: between any two stations, from the port that is served to itself.
/// Such a frame is at risk of a loop, which is what is wanted here; nor does
/// its hop limit fall, or it would end before the measurement.
pub(crate) fn both_ways_policy() -> Result<Policy> {
    let policy = Policy::builder().own_mac(OTHER).any_destination();
    let guards = Guards::ALL.without(Guards::LOOP_RISK).without(Guards::HOP_LIMIT);
    let policy = policy.guards(guards);
    policy.build().map_err(|error| anyhow::anyhow!("{error}"))
}

/// A flow for [`both_ways_policy`].
pub(crate) fn both_ways(flow: &Flow) -> Flow {
    flow.clone().with_equal_ports()
}

/// A frame for us, but without any signature.
pub(crate) fn unsigned() -> Flow {
    Flow { signature: Kind::Any, ..Flow::ipv4(NEAR, FAR) }
}
