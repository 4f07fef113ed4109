//! What the kernel counts about a socket.

use std::{io, os::fd::AsFd};

use rustix::net::sockopt::xdp_statistics;

/// Frames that a socket has lost so far (`XDP_STATISTICS`). What an old kernel does
/// not count is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Frames not put into a chunk: none was free, or the frame was too long.
    pub receive_dropped: u64,
    /// Frames that found the rx ring full.
    pub receive_ring_full: Option<u64>,
    /// Looks for a free chunk that found none.
    pub fill_ring_empty: Option<u64>,
    /// Chunks of the fill ring that the kernel refused.
    pub fill_invalid: u64,
    /// Frames of the tx ring that the kernel refused.
    pub transmit_invalid: u64,
}

/// Asks the kernel about a socket, from any thread that has a descriptor of it.
///
/// # Errors
///
/// It is no AF_XDP socket.
pub fn statistics(socket: impl AsFd) -> io::Result<Statistics> {
    let counted = xdp_statistics(socket)?;
    Ok(Statistics {
        receive_dropped: counted.rx_dropped,
        receive_ring_full: counted.rx_ring_full,
        fill_ring_empty: counted.rx_fill_ring_empty_descs,
        fill_invalid: counted.rx_invalid_descs,
        transmit_invalid: counted.tx_invalid_descs,
    })
}
