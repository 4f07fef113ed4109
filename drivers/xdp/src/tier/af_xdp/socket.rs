//! Sockets on the receive queues of one interface, over one UMEM.

use std::{
    ffi::c_int,
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use farend_core::port::ring::{AddressSlot, DescriptorSlot};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, socket_with,
    sockopt::{
        set_xdp_rx_ring_size, set_xdp_tx_ring_size, set_xdp_umem_completion_ring_size,
        set_xdp_umem_fill_ring_size, set_xdp_umem_reg, xdp_mmap_offsets, xdp_options,
    },
    xdp::{
        SocketAddrXdp, SocketAddrXdpFlags, SocketAddrXdpWithSharedUmem, XdpOptionsFlags,
        XdpUmemReg, XdpUmemRegFlags,
    },
};

use super::{
    error::OpenError,
    layout::Layout,
    memory::{Part, Ring, Umem},
    sys::{SocketOption, set_option},
};

/// Where the rings of a socket are mapped (`linux/if_xdp.h`).
mod page {
    pub(super) const RX: u64 = 0;
    pub(super) const TX: u64 = 0x8000_0000;
    pub(super) const FILL: u64 = 0x1_0000_0000;
    pub(super) const COMPLETION: u64 = 0x1_8000_0000;
}

/// Frames that one look of busy polling takes at most: the kernel's own
/// weight of a poll.
const BUSY_POLL_FRAMES: c_int = 64;

/// How long a queue that is held is waited for.
const RELEASE_TIME: Duration = Duration::from_secs(1);

/// Whether frames are copied between the driver's memory and the UMEM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BindMode {
    /// The interface writes frames where user space sees them.
    ZeroCopy,
    /// The kernel copies each frame once on the way in and once out.
    Copy,
}

impl fmt::Display for BindMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroCopy => "zero-copy mode",
            Self::Copy => "copy mode",
        })
    }
}

/// One socket, bound to one queue, with its rings and its part of the UMEM.
pub(super) struct Socket {
    /// The receive queue.
    pub(super) queue: u32,
    pub(super) fill: Ring<AddressSlot>,
    pub(super) rx: Ring<DescriptorSlot>,
    pub(super) tx: Ring<DescriptorSlot>,
    pub(super) completion: Ring<AddressSlot>,
    pub(super) part: Part,
    pub(super) fd: OwnedFd,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// All sockets of one interface.
pub(super) struct Sockets {
    pub(super) all: Vec<Socket>,
    pub(super) is_huge: bool,
    pub(super) is_zero_copy: bool,
    /// Whether frames may come in several parts.
    pub(super) has_fragments: bool,
}

/// What all sockets of an interface share.
pub(super) struct Request<'a> {
    pub(super) interface_index: u32,
    pub(super) queues: &'a [u32],
    pub(super) layout: Layout,
    pub(super) busy_poll_us: Option<u16>,
}

/// Opens a socket on each queue. Nothing comes in before a program redirects
/// to it.
///
/// The kernel lets go of a queue some time after its last socket was closed:
/// one that is held is waited for, for a bounded time.
pub(super) fn open(request: &Request<'_>, mode: BindMode) -> Result<Sockets, OpenError> {
    let deadline = Instant::now() + RELEASE_TIME;
    loop {
        match open_now(request, mode) {
            Err(error) if error.is_taken() && Instant::now() < deadline => {
                thread::sleep(RELEASE_TIME / 50);
            }
            outcome => return outcome,
        }
    }
}

fn open_now(request: &Request<'_>, mode: BindMode) -> Result<Sockets, OpenError> {
    let Request { layout, queues, .. } = request;
    let octets = layout.umem_octets();
    let umem = Umem::map(octets).map_err(|error| OpenError::Umem { octets, error })?;
    let is_huge = umem.is_huge();
    let registration = XdpUmemReg {
        addr: umem.address(),
        len: umem.octets() as u64,
        chunk_size: layout.chunk_octets,
        headroom: 0,
        flags: XdpUmemRegFlags::empty(),
        tx_metadata_len: 0,
    };
    // In copy mode the parts cost nothing where there are none, and the MTU
    // may grow later; not every driver has them in zero-copy mode.
    let has_fragments =
        layout.has_fragments && (mode == BindMode::Copy || layout.needs_fragments());
    let mut all: Vec<Socket> = Vec::with_capacity(queues.len());
    for (queue, part) in queues.iter().zip(umem.split(queues.len())) {
        let fd = open_one(request, all.is_empty().then_some(registration))?;
        let mut flags = SocketAddrXdpFlags::empty();
        if all.is_empty() {
            flags |= SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
            flags |= match mode {
                BindMode::ZeroCopy => SocketAddrXdpFlags::XDP_ZEROCOPY,
                BindMode::Copy => SocketAddrXdpFlags::XDP_COPY,
            };
            if has_fragments {
                flags |= SocketAddrXdpFlags::XDP_USE_SG;
            }
        } else {
            // Everything else is taken over from the first.
            flags |= SocketAddrXdpFlags::XDP_SHARED_UMEM;
        }
        let socket = map(fd, *queue, part, *layout)?;
        let address = SocketAddrXdp::new(flags, request.interface_index, *queue);
        let bound = match all.first() {
            None => bind(&socket, &address),
            Some(first) => {
                let shared_umem_fd = first.as_fd();
                bind(&socket, &SocketAddrXdpWithSharedUmem { addr: address, shared_umem_fd })
            }
        };
        bound.map_err(|error| OpenError::Bind { queue: *queue, mode, error: error.into() })?;
        all.push(socket);
    }
    let is_zero_copy = all.first().is_some_and(|socket| {
        let options = xdp_options(socket).unwrap_or(XdpOptionsFlags::empty());
        options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY)
    });
    Ok(Sockets { all, is_huge, is_zero_copy, has_fragments })
}

/// Whether there are such sockets here, and whether this process may have one.
pub(super) fn rehearse() -> Result<(), OpenError> {
    open_socket().map(drop)
}

fn open_socket() -> Result<OwnedFd, OpenError> {
    socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .map_err(|error| OpenError::Socket(error.into()))
}

/// Opens a socket, and gives it the memory if it is the first.
fn open_one(request: &Request<'_>, registration: Option<XdpUmemReg>) -> Result<OwnedFd, OpenError> {
    let fd = open_socket()?;
    if let Some(registration) = registration {
        let octets = request.layout.umem_octets();
        set_xdp_umem_reg(&fd, registration)
            .map_err(|error| OpenError::Umem { octets, error: error.into() })?;
    }
    let entries = request.layout.ring_entries();
    let option =
        |what| move |error: rustix::io::Errno| OpenError::Option { what, error: error.into() };
    set_xdp_umem_fill_ring_size(&fd, entries).map_err(option("the fill ring"))?;
    set_xdp_umem_completion_ring_size(&fd, entries).map_err(option("the completion ring"))?;
    set_xdp_rx_ring_size(&fd, entries).map_err(option("the receive ring"))?;
    set_xdp_tx_ring_size(&fd, entries).map_err(option("the transmit ring"))?;
    // Where the kernel has no such option, a kick moves less.
    let budget = c_int::try_from(entries).unwrap_or(c_int::MAX);
    let _ = set_option(fd.as_fd(), SocketOption::TransmitBudget, budget);
    if let Some(time_us) = request.busy_poll_us {
        let set = |option, value, what| {
            set_option(fd.as_fd(), option, value).map_err(|error| OpenError::Option { what, error })
        };
        set(SocketOption::PreferBusyPoll, 1, "--busy-poll needs Linux 5.11 (SO_PREFER_BUSY_POLL)")?;
        set(SocketOption::BusyPoll, time_us.into(), "--busy-poll (SO_BUSY_POLL)")?;
        set(SocketOption::BusyPollBudget, BUSY_POLL_FRAMES, "--busy-poll (SO_BUSY_POLL_BUDGET)")?;
    }
    Ok(fd)
}

/// Maps the rings.
fn map(fd: OwnedFd, queue: u32, part: Part, layout: Layout) -> Result<Socket, OpenError> {
    let error = |what| move |error: io::Error| OpenError::Option { what, error };
    let offsets =
        xdp_mmap_offsets(&fd).map_err(|errno| error("the offsets of the rings")(errno.into()))?;
    let entries = layout.ring_entries();
    Ok(Socket {
        queue,
        fill: Ring::map(fd.as_fd(), page::FILL, &offsets.fr, entries)
            .map_err(error("mapping the fill ring"))?,
        rx: Ring::map(fd.as_fd(), page::RX, &offsets.rx, entries)
            .map_err(error("mapping the receive ring"))?,
        tx: Ring::map(fd.as_fd(), page::TX, &offsets.tx, entries)
            .map_err(error("mapping the transmit ring"))?,
        completion: Ring::map(fd.as_fd(), page::COMPLETION, &offsets.cr, entries)
            .map_err(error("mapping the completion ring"))?,
        part,
        fd,
    })
}
