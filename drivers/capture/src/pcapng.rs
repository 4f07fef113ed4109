//! Writes blocks of a pcapng file (draft-ietf-opsawg-pcapng): one section, an
//! interface for each name, then frames with nanoseconds, direction and a
//! comment.
//!
//! Blocks are appended to a buffer; where it goes is the caller's business.
//! Every block is whole when it is there, so a file that is cut anywhere is
//! sound up to its last whole block.

/// Octets of a frame that are kept at most, as other tools have it.
pub const FRAME_OCTETS_MAX: u32 = 262_144;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// What a section starts with; readers tell by it which end is first.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// The octets that every pcapng file starts with.
pub const MAGIC: [u8; 4] = SECTION_HEADER.to_le_bytes();

const LINK_TYPE_ETHERNET: u16 = 1;

/// Timestamps count units of 10 to the minus so many seconds.
const TIMESTAMP_RESOLUTION: u8 = 9;

/// Option codes; those of different blocks share numbers.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SECTION_USER_APPLICATION: u16 = 4;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const INTERFACE_TIMESTAMP_RESOLUTION: u16 = 9;
    pub(super) const PACKET_FLAGS: u16 = 2;
}

/// Which way a frame went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Received.
    Inbound,
    /// Sent.
    Outbound,
}

/// One frame and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Place of the interface among those that were written, from 0 on.
    pub interface: u32,
    /// Nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// Its octets, as many as were kept; those over [`FRAME_OCTETS_MAX`] are
    /// left out.
    pub octets: &'a [u8],
    /// Octets that it had, FCS out.
    pub whole_octets: u32,
    /// Which way it went.
    pub direction: Direction,
    /// What became of it.
    pub comment: &'a str,
}

/// Starts a section. It comes first.
pub fn write_section(output: &mut Vec<u8>, application: &str) {
    block(output, SECTION_HEADER, |output| {
        output.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        // Version 1.0.
        output.extend(1_u16.to_le_bytes());
        output.extend(0_u16.to_le_bytes());
        // The section's length is not known.
        output.extend((-1_i64).to_le_bytes());
        write_option(output, option::SECTION_USER_APPLICATION, application.as_bytes());
        write_option(output, option::END, &[]);
    });
}

/// Describes an Ethernet interface of which at most `frame_octets_max` octets
/// of each frame are kept. The first one has place 0.
pub fn write_interface(output: &mut Vec<u8>, name: &str, frame_octets_max: u32) {
    block(output, INTERFACE_DESCRIPTION, |output| {
        output.extend(LINK_TYPE_ETHERNET.to_le_bytes());
        output.extend(0_u16.to_le_bytes());
        output.extend(frame_octets_max.to_le_bytes());
        write_option(output, option::INTERFACE_NAME, name.as_bytes());
        write_option(output, option::INTERFACE_TIMESTAMP_RESOLUTION, &[TIMESTAMP_RESOLUTION]);
        write_option(output, option::END, &[]);
    });
}

/// Writes one frame.
pub fn write_packet(output: &mut Vec<u8>, packet: &Packet<'_>) {
    let (high, low) = (packet.time_unix_ns >> 32, packet.time_unix_ns & u64::from(u32::MAX));
    let kept = packet.octets.len().min(FRAME_OCTETS_MAX as usize);
    let octets = packet.octets.get(..kept).unwrap_or_default();
    let flags: u32 = match packet.direction {
        Direction::Inbound => 1,
        Direction::Outbound => 2,
    };
    block(output, ENHANCED_PACKET, |output| {
        output.extend(packet.interface.to_le_bytes());
        output.extend(low_half(high).to_le_bytes());
        output.extend(low_half(low).to_le_bytes());
        output.extend(low_half(kept as u64).to_le_bytes());
        output.extend(packet.whole_octets.to_le_bytes());
        output.extend(octets);
        pad(output);
        write_option(output, option::COMMENT, packet.comment.as_bytes());
        write_option(output, option::PACKET_FLAGS, &flags.to_le_bytes());
        write_option(output, option::END, &[]);
    });
}

/// How much of `blocks`, which starts with a block, is whole blocks when only
/// the first `octets` of it count, and how many of those blocks hold a frame.
///
/// A length that no block can have ends the search.
#[must_use]
pub fn whole_blocks(blocks: &[u8], octets: usize) -> (usize, u64) {
    let (mut end, mut frames) = (0_usize, 0);
    while let Some([kind, length]) = blocks.get(end..).and_then(block_start) {
        let next = end.saturating_add(length as usize);
        if length < BLOCK_OCTETS_MIN || length % 4 != 0 || next > octets {
            break;
        }
        frames += u64::from(kind == ENHANCED_PACKET);
        end = next;
    }
    (end, frames)
}

/// A block without a body: type, and the length twice. Every length is a
/// multiple of 4.
const BLOCK_OCTETS_MIN: u32 = 12;

fn block_start(octets: &[u8]) -> Option<[u32; 2]> {
    let (kind, rest) = octets.split_first_chunk()?;
    let (length, _) = rest.split_first_chunk()?;
    Some([u32::from_le_bytes(*kind), u32::from_le_bytes(*length)])
}

/// Writes a block: type, length, body, and the length again.
fn block(output: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = output.len();
    output.extend(kind.to_le_bytes());
    output.extend([0; 4]);
    body(output);
    let length = low_half((output.len() - start + 4) as u64).to_le_bytes();
    output.extend(length);
    if let Some(field) = output.get_mut(start + 4..start + 8) {
        field.copy_from_slice(&length);
    }
}

/// Writes an option: code, length, value up to the next 32 bits.
fn write_option(output: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = value.len().min(usize::from(u16::MAX));
    output.extend(code.to_le_bytes());
    output.extend(u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    output.extend(value.get(..length).unwrap_or_default());
    pad(output);
}

/// Fills up to the next 32 bits. Every block starts at such a place.
fn pad(output: &mut Vec<u8>) {
    output.resize(output.len().next_multiple_of(4), 0);
}

#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
const fn low_half(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests;
