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
    port: u16,
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
    prepared: Option<Move>,
    next: Option<Move>,
}

impl Mover {
    pub(crate) fn new(options: &Options, port: u16, sockets: &[Socket]) -> Self {
        let state = State {
            addresses: options.addresses.clone(),
            port,
            listening: sockets.iter().map(|socket| socket.address).collect(),
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
        let new = |address: &IpAddr| !state.listening.contains(&SocketAddr::new(*address, port));
        let missing: Vec<_> = addresses.iter().copied().filter(new).collect();
        let sockets = if missing.is_empty() && !addresses.is_empty() {
            Vec::new()
        } else {
            open_all(&missing, port, buffer_octets, notice)?
        };
        let mut wanted: Vec<_> =
            addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        wanted.extend(sockets.iter().map(|socket| socket.address));
        state.prepared = Some(Move { port, wanted, sockets, addresses: addresses.to_vec() });
        Ok(())
    }

    /// Lets the worker take what was prepared, as soon as its policy has that
    /// port.
    pub fn commit(&self) {
        let mut state = self.lock();
        let Some(next) = state.prepared.take() else { return };
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
        if state.next.as_ref().map(|next| next.port) != port {
            return None;
        }
        self.shared.is_pending.store(false, Ordering::Release);
        state.next.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
