//! What the threads of a link share.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use farend_core::link::rtt::RttEstimator;

use crate::{counts::Counts, device::Device, seal::Keyring, socket::Socket};

/// Replies that are remembered.
const REPLIES: usize = 16;

/// One link.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) device: Device,
    pub(crate) socket: Socket,
    pub(crate) counts: Counts,
    pub(crate) keyring: Keyring,
    pub(crate) peer: Peer,
    pub(crate) echoes: Echoes,
    /// The largest outer IP packet that the path takes.
    pub(crate) path_octets: AtomicU64,
    /// The size of an outer packet that the host itself refused, or 0.
    pub(crate) refused_octets: AtomicU64,
    /// Whether packets are joined for the host.
    pub(crate) joins: AtomicBool,
    notices: Mutex<Vec<String>>,
    started: Instant,
    /// When the peer was last heard, in milliseconds since the start.
    heard_ms: AtomicU64,
}

impl Shared {
    pub(crate) fn new(device: Device, socket: Socket, keyring: Keyring, path_octets: u16) -> Self {
        Self {
            device,
            socket,
            counts: Counts::default(),
            keyring,
            peer: Peer::default(),
            echoes: Echoes::default(),
            path_octets: AtomicU64::new(path_octets.into()),
            refused_octets: AtomicU64::new(0),
            joins: AtomicBool::new(true),
            notices: Mutex::default(),
            started: Instant::now(),
            heard_ms: AtomicU64::new(0),
        }
    }

    /// Leaves a line for the person who runs the link.
    pub(crate) fn notice(&self, line: impl Into<String>) {
        /// A thread that has so much to say is heard no more.
        const LINES_MAX: usize = 100;
        let mut notices = lock(&self.notices);
        if notices.len() < LINES_MAX {
            notices.push(line.into());
        }
    }

    /// Takes the lines.
    pub(crate) fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.notices))
    }

    /// The peer was heard just now.
    pub(crate) fn hear(&self) {
        self.heard_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// For how long the peer has not been heard, in milliseconds.
    pub(crate) fn silence_ms(&self) -> u64 {
        self.now_ms().saturating_sub(self.heard_ms.load(Ordering::Relaxed))
    }

    /// Octets around an inner packet: outer IP and UDP headers, the frame's
    /// header, the tag.
    pub(crate) fn overhead_octets(&self, tag_octets: usize) -> usize {
        const UDP_OCTETS: usize = 8;
        let ip_octets = match self.peer.address() {
            Some(address) if address.is_ipv4() => 20,
            _ => 40,
        };
        ip_octets + UDP_OCTETS + farend_core::link::header::HEADER_OCTETS + tag_octets
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Where the peer is.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    generation: AtomicU64,
    address: Mutex<Option<SocketAddr>>,
}

impl Peer {
    /// Changes with each change of the address.
    pub(crate) fn generation(&self) -> u64 {
        // Acquire: pairs with the Release in `move_to`.
        self.generation.load(Ordering::Acquire)
    }

    /// The address, if it is known.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        *lock(&self.address)
    }

    /// Frames go there from now on.
    pub(crate) fn move_to(&self, address: SocketAddr) {
        *lock(&self.address) = Some(address);
        // Release: whoever sees the number finds the address behind the lock.
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// What echo replies have told.
#[derive(Debug, Default)]
pub(crate) struct Echoes {
    rtt: Mutex<RttEstimator>,
    /// The times of the last requests that were answered, which are their names.
    replies: [AtomicU64; REPLIES],
    next: AtomicU64,
}

impl Echoes {
    /// A reply to the request of this time came now.
    pub(crate) fn answered(&self, request_unix_ns: u64, now_unix_ns: u64) {
        let Some(rtt_ns) = now_unix_ns.checked_sub(request_unix_ns) else { return };
        if !lock(&self.rtt).record(rtt_ns) {
            return;
        }
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let at = usize::try_from(at).unwrap_or(0) % REPLIES;
        self.replies[at].store(request_unix_ns, Ordering::Relaxed);
    }

    /// Whether the request of this time was answered lately.
    pub(crate) fn is_answered(&self, request_unix_ns: u64) -> bool {
        self.replies.iter().any(|reply| reply.load(Ordering::Relaxed) == request_unix_ns)
    }

    /// The round-trip times so far.
    pub(crate) fn rtt(&self) -> RttEstimator {
        *lock(&self.rtt)
    }
}

/// The host's clock: nanoseconds since 1970.
pub(crate) fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
