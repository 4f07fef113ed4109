//! The way out: names, connections to origins, connections that are used again.
//!
//! **Invariant:** no other file opens a socket to somebody else or asks for a name, and
//! a reactor that was started as `replay` has none of this.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::Arc,
    thread,
};

use farend_http::Origin;
use mio::{Registry, net::TcpStream};

use crate::jobs::{Done, Jobs, Ticket};

/// Connections that wait for an origin's next request.
const IDLE_MAX: usize = 64;

pub(crate) struct Outward {
    idle: HashMap<Origin, Vec<TcpStream>>,
    known: HashMap<Origin, SocketAddr>,
    jobs: Arc<Jobs>,
}

/// How an origin is reached.
pub(crate) enum Reached {
    /// By a connection that was used before, or by one that begins.
    Socket { socket: TcpStream, is_reused: bool },
    /// Its name is being looked up: [`Done::Resolved`] follows.
    Later,
}

impl Outward {
    pub(crate) fn new(jobs: Arc<Jobs>) -> Self {
        Self { idle: HashMap::new(), known: HashMap::new(), jobs }
    }

    pub(crate) fn reach(
        &mut self,
        origin: &Origin,
        is_fresh: bool,
        ticket: Ticket,
    ) -> io::Result<Reached> {
        if is_fresh {
            self.idle.remove(origin);
            self.known.remove(origin);
        } else if let Some(socket) = self.idle.get_mut(origin).and_then(Vec::pop) {
            return Ok(Reached::Socket { socket, is_reused: true });
        }
        let host = origin.host.trim_start_matches('[').trim_end_matches(']');
        let literal = host.parse().ok().map(|address| SocketAddr::new(address, origin.port));
        if let Some(address) = literal.or_else(|| self.known.get(origin).copied()) {
            return self.connect(address);
        }
        let (jobs, host, port) = (Arc::clone(&self.jobs), host.to_owned(), origin.port);
        thread::Builder::new().name("resolver".into()).spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            let found = found.and_then(|mut all| {
                let error = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                let all: Vec<_> = all.by_ref().collect();
                // Origins of tests often listen on IPv4 alone.
                let first = all.iter().find(|address| address.is_ipv4()).or(all.first());
                first.copied().ok_or_else(error)
            });
            jobs.done(ticket, Done::Resolved(found));
        })?;
        Ok(Reached::Later)
    }

    /// Connects to an address that was looked up.
    pub(crate) fn resolved(&mut self, origin: &Origin, address: SocketAddr) -> io::Result<Reached> {
        self.known.insert(origin.clone(), address);
        self.connect(address)
    }

    #[expect(clippy::unused_self, reason = "who has no Outward can connect to nobody")]
    fn connect(&self, address: SocketAddr) -> io::Result<Reached> {
        let socket = TcpStream::connect(address)?;
        let _best_effort = socket.set_nodelay(true);
        Ok(Reached::Socket { socket, is_reused: false })
    }

    /// Keeps a connection for the next request to the same origin.
    pub(crate) fn give_back(
        &mut self,
        origin: &Origin,
        mut socket: TcpStream,
        registry: &Registry,
    ) {
        let idle = self.idle.entry(origin.clone()).or_default();
        if registry.deregister(&mut socket).is_ok() && idle.len() < IDLE_MAX {
            idle.push(socket);
        }
    }
}
