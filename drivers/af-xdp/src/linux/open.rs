//! Opening sockets on the queues of one interface, over one UMEM.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

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
    mode::BindMode,
    socket::{Socket, Unwired},
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

/// Sockets that were opened together.
#[derive(Debug)]
pub struct Opened {
    /// One for each queue, in the order of the request.
    pub sockets: Vec<Socket>,
    /// Whether the memory lies on huge pages.
    pub is_huge: bool,
    /// Whether frames are not copied.
    pub is_zero_copy: bool,
    /// Whether frames may come in several parts.
    pub has_fragments: bool,
}

/// What sockets to open.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The interface's number.
    pub interface_index: u32,
    /// Its queues: as many as the layout was counted for.
    pub queues: &'a [u32],
    /// Their memory.
    pub layout: Layout,
    /// Microseconds that the kernel looks for frames by itself before it waits for
    /// interrupts; `None`: not at all.
    pub busy_poll_us: Option<u16>,
}

/// Opens a socket on each queue. Nothing comes in before a program redirects to it.
///
/// The kernel lets go of a queue some time after its last socket was closed: one that
/// is held is waited for, for up to a second.
///
/// # Errors
///
/// The first thing that the kernel refuses, and nothing is open.
pub fn open(request: &Request<'_>, mode: BindMode) -> Result<Opened, OpenError> {
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

/// Says whether there are such sockets here, and whether this process may have one.
///
/// # Errors
///
/// [`OpenError::Socket`]
pub fn rehearse() -> Result<(), OpenError> {
    open_socket().map(drop)
}

fn open_now(request: &Request<'_>, mode: BindMode) -> Result<Opened, OpenError> {
    let Request { layout, queues, .. } = request;
    let octets = layout.umem_octets();
    let umem = Umem::map(octets).map_err(|error| OpenError::Umem { octets, error })?;
    let is_huge = umem.is_huge();
    let registration = XdpUmemReg {
        addr: umem.address(),
        len: umem.octets() as u64,
        chunk_size: layout.chunk_octets(),
        headroom: 0,
        flags: XdpUmemRegFlags::empty(),
        tx_metadata_len: 0,
    };
    // In copy mode the parts cost nothing where there are none, and the MTU
    // may grow later; not every driver has them in zero-copy mode.
    let has_fragments =
        layout.has_fragments() && (mode == BindMode::Copy || layout.needs_fragments());
    let mut all: Vec<Unwired> = Vec::with_capacity(queues.len());
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
    let wire = |socket| Socket::new(socket, layout, is_zero_copy);
    let sockets = all.into_iter().map(wire).collect::<Result<_, _>>()?;
    Ok(Opened { sockets, is_huge, is_zero_copy, has_fragments })
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
        set(
            SocketOption::PreferBusyPoll,
            1,
            "busy polling needs Linux 5.11 (SO_PREFER_BUSY_POLL)",
        )?;
        set(SocketOption::BusyPoll, time_us.into(), "busy polling (SO_BUSY_POLL)")?;
        set(SocketOption::BusyPollBudget, BUSY_POLL_FRAMES, "busy polling (SO_BUSY_POLL_BUDGET)")?;
    }
    Ok(fd)
}

/// Maps the rings.
fn map(fd: OwnedFd, queue: u32, part: Part, layout: Layout) -> Result<Unwired, OpenError> {
    let error = |what| move |error: io::Error| OpenError::Option { what, error };
    let offsets =
        xdp_mmap_offsets(&fd).map_err(|errno| error("the offsets of the rings")(errno.into()))?;
    let entries = layout.ring_entries();
    Ok(Unwired {
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
