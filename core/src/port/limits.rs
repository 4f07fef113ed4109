//! What a port can do.

/// What a frame of a port starts with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Medium {
    /// An Ethernet header.
    Ethernet,
    /// An IPv4 or IPv6 header: a tunnel's packets, or a system's that takes the
    /// Ethernet header off.
    Ip,
}

/// Fixed for the life of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of the longest packet: Ethernet header and VLAN tags in, FCS
    /// out; all frames of a packet in several together.
    pub frame_octets_max: u32,
    /// Frames that one call moves at most, up to
    /// [`BURST_FRAMES_MAX`](super::BURST_FRAMES_MAX).
    pub burst_frames_max: u16,
    /// Whether octets are copied on the way in or out, by the port or by the
    /// system.
    pub is_copying: bool,
}
