//! Moves a worker to other sockets while it runs.
//!
//! They are bound before anything changes: a busy or privileged port leaves the
//! worker, and its policy, as they are.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    error::OpenError,
    socket::{Socket, open_all},
    worker::Options,
};

/// Binds sockets for a worker that runs.
#[derive(Clone)]
pub struct Mover {
    options: Options,
    shared: Arc<Shared>,
}

/// What a worker moves to.
pub(crate) struct Move {
    /// The port that its policy must have.
    pub(crate) port: u16,
    /// Where it will listen.
    pub(crate) wanted: Vec<SocketAddr>,
    /// Sockets for those of them where it does not yet.
    pub(crate) sockets: Vec<Socket>,
    addresses: Vec<IpAddr>,
}

struct Shared {
    /// Whether there is something to take: all that a worker looks at.
    is_pending: AtomicBool,
    state: Mutex<State>,
}

struct State {
    addresses: Vec<IpAddr>,
    port: u16,
    listening: Vec<SocketAddr>,
    /// Where the worker is, while it has not taken `next`.
    held: Vec<SocketAddr>,
    prepared: Option<Move>,
    next: Option<Move>,
}

impl Mover {
    pub(crate) fn new(options: &Options, port: u16, sockets: &[Socket]) -> Self {
        let listening: Vec<_> = sockets.iter().map(|socket| socket.address).collect();
        let state = State {
            addresses: options.addresses.clone(),
            port,
            held: listening.clone(),
            listening,
            prepared: None,
            next: None,
        };
        let shared = Shared { is_pending: AtomicBool::new(false), state: Mutex::new(state) };
        Self { options: options.clone(), shared: Arc::new(shared) }
    }

    /// Binds what is missing to listen there: none for all addresses.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] says what to change; the worker stays where it is.
    pub fn prepare(&self, addresses: &[IpAddr], port: Option<u16>) -> Result<(), OpenError> {
        let port = port.ok_or(OpenError::AnyPort)?;
        let mut state = self.lock();
        state.prepared = None;
        if port == state.port && addresses == state.addresses {
            return Ok(());
        }
        let Options { buffer_octets, notice, .. } = self.options;
        let is_there = |address: &SocketAddr| {
            state.listening.contains(address) || state.held.contains(address)
        };
        let mut wanted: Vec<_> =
            addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        if addresses.is_empty() {
            // Back to all addresses, before the worker has left them.
            let held = state.held.iter().copied();
            wanted.extend(held.filter(|held| held.port() == port && held.ip().is_unspecified()));
        }
        let missing: Vec<_> =
            wanted.iter().filter(|address| !is_there(address)).map(SocketAddr::ip).collect();
        let sockets = if missing.is_empty() && !wanted.is_empty() {
            Vec::new()
        } else {
            open_all(&missing, port, buffer_octets, notice)?
        };
        wanted.extend(sockets.iter().map(|socket| socket.address));
        state.prepared = Some(Move { port, wanted, sockets, addresses: addresses.to_vec() });
        Ok(())
    }

    /// Lets the worker take what was prepared, as soon as its policy has that
    /// port.
    pub fn commit(&self) {
        let mut state = self.lock();
        let Some(mut next) = state.prepared.take() else { return };
        // Those of a move that the worker has not taken are still wanted.
        let untaken = state.next.take().map_or_else(Vec::new, |untaken| untaken.sockets);
        let is_wanted = |socket: &Socket| next.wanted.contains(&socket.address);
        let still: Vec<_> = untaken.into_iter().filter(is_wanted).collect();
        next.sockets.extend(still);
        state.port = next.port;
        state.addresses.clone_from(&next.addresses);
        state.listening.clone_from(&next.wanted);
        state.next = Some(next);
        // Release: pairs with the Acquire in `take`.
        self.shared.is_pending.store(true, Ordering::Release);
    }

    /// Gives up what was prepared.
    pub fn abandon(&self) {
        self.lock().prepared = None;
    }

    /// What to move to, for a policy with this port.
    pub(crate) fn take(&self, port: Option<u16>) -> Option<Move> {
        // Acquire: pairs with the Release in `commit`.
        if !self.shared.is_pending.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.lock();
        // What is prepared may count on sockets that the worker would let go.
        let is_due = state.next.as_ref().is_some_and(|next| Some(next.port) == port);
        if !is_due || state.prepared.is_some() {
            return None;
        }
        self.shared.is_pending.store(false, Ordering::Release);
        let next = state.next.take();
        if let Some(next) = &next {
            state.held.clone_from(&next.wanted);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
