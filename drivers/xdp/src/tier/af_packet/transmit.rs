//! The way out: frames are sent from the block that they were received in.
//!
//! Not a transmit ring: its slots are other memory, so each payload would be
//! copied in user space, and the kernel hands a slot back while a virtual peer
//! may still be reading its pages.

use std::{io, ops::Range, os::fd::OwnedFd, thread::sleep, time::Duration};

use farend_linux::packet;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::sockopt,
    thread::sched_yield,
};

use super::{
    error::OpenError,
    ring::open_socket,
    sys::{self, BURST_FRAMES},
};

/// Octets to ask of the kernel for frames under way.
const SEND_BUFFER_OCTETS: usize = 4 << 20;

/// Tries to send one frame for which there is no room. What is refused for all
/// of them, about 2 ms, is lost.
const TRIES_MAX: u32 = 28;

/// The first tries, right after each other: a virtual peer makes room within
/// microseconds.
const QUICK_TRIES: u32 = 8;

/// Pause before each later try.
const PAUSE_US: u32 = 100;

/// Frames lost on the way out, by cause.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    /// No room in the interface's queue or the socket's buffer, for longer than
    /// it is waited for.
    pub(super) refused: u64,
    /// Everything else: too long, interface down.
    pub(super) failed: u64,
}

/// Sends frames, some of which wait for offloads.
pub(super) struct Transmitter {
    finished: OwnedFd,
    /// Takes an offload header before each frame.
    offloaded: OwnedFd,
    frames: Vec<Range<usize>>,
    is_offloaded: bool,
    /// Frames that the kernel has taken.
    pub(super) sent: u64,
    pub(super) losses: Losses,
    /// Why the last of the failed frames failed, and its octets.
    failure: Option<(Errno, usize)>,
}

impl Transmitter {
    pub(super) fn open(interface_index: u32) -> Result<Self, OpenError> {
        let open = |option, what| {
            let socket = open_socket()?;
            packet::set_option(&socket, option, &1)
                .map_err(|error| OpenError::Option { what, error })?;
            grow_send_buffer(&socket);
            packet::bind(&socket, interface_index, 0).map_err(OpenError::Bind)?;
            Ok(socket)
        };
        Ok(Self {
            finished: open(libc::PACKET_QDISC_BYPASS, "PACKET_QDISC_BYPASS")?,
            // Through the queueing discipline, which does in software what the
            // interface cannot.
            offloaded: open(libc::PACKET_VNET_HDR, "PACKET_VNET_HDR")?,
            frames: Vec::with_capacity(BURST_FRAMES),
            is_offloaded: false,
            sent: 0,
            losses: Losses::default(),
            failure: None,
        })
    }

    /// Says why frames failed since the last call, if some did.
    pub(super) fn take_failure(&mut self) -> Option<String> {
        let (error, octets) = self.failure.take()?;
        // The kernel's packet sockets take one 802.1Q tag beyond the MTU, no
        // 802.1ad one and no second one.
        let way_out = if error == Errno::MSGSIZE {
            "; raise the MTU of the interface by 4 for each tag"
        } else {
            ""
        };
        Some(format!("an answer of {octets} octets could not be sent: {error}{way_out}"))
    }

    /// Queues a part of the block, and sends what is queued once that is a
    /// burst. Order is kept.
    pub(super) fn push(&mut self, block: &[u8], frame: Range<usize>, is_offloaded: bool) {
        if is_offloaded != self.is_offloaded {
            self.flush(block);
            self.is_offloaded = is_offloaded;
        }
        self.frames.push(frame);
        if self.frames.len() >= BURST_FRAMES {
            self.flush(block);
        }
    }

    /// Sends all that is queued. What the kernel has no room for is tried
    /// again for a bounded time.
    pub(super) fn flush(&mut self, block: &[u8]) {
        let socket = if self.is_offloaded { &self.offloaded } else { &self.finished };
        let mut rest = self.frames.as_slice();
        let mut tries = 0;
        while let Some((first, others)) = rest.split_first() {
            match sys::send(socket, block, rest) {
                Ok(sent) => {
                    self.sent += sent as u64;
                    rest = rest.get(sent..).unwrap_or_default();
                    tries = 0;
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => {
                        tries += 1;
                        if tries > TRIES_MAX {
                            self.losses.refused += rest.len() as u64;
                            break;
                        }
                        wait_for_room(socket, &error, tries);
                    }
                    Some(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => {
                        // The link's own notice tells it.
                        self.losses.failed += rest.len() as u64;
                        break;
                    }
                    error => {
                        self.losses.failed += 1;
                        self.failure = error.map(|error| (error, first.len()));
                        rest = others;
                        tries = 0;
                    }
                },
            }
        }
        self.frames.clear();
    }
}

fn grow_send_buffer(socket: &OwnedFd) {
    // Beyond the system's limit for those who may; else as far as it goes. A
    // smaller one costs time only.
    if sockopt::set_socket_send_buffer_size_force(socket, SEND_BUFFER_OCTETS).is_err() {
        let _ = sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER_OCTETS);
    }
}

fn wait_for_room(socket: &OwnedFd, error: &io::Error, tries: u32) {
    if Errno::from_io_error(error) == Some(Errno::AGAIN) {
        // The socket's own buffer: the kernel says when there is room.
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(PAUSE_US) * 1_000 };
        let _ = poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&timeout));
    } else if tries <= QUICK_TRIES {
        sched_yield();
    } else {
        sleep(Duration::from_micros(PAUSE_US.into()));
    }
}
