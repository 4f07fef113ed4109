//! Work that would hold up a reactor, done by threads that report back.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use mio::Waker;

/// Who waits: a connection's place and how often the place was given away before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) index: usize,
    pub(crate) generation: u64,
}

#[derive(Debug)]
pub(crate) enum Done {
    Resolved(io::Result<SocketAddr>),
    Explained(String),
}

/// What was done for the connections of one reactor.
pub(crate) struct Jobs {
    done: Mutex<Vec<(Ticket, Done)>>,
    waker: Waker,
}

impl Jobs {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { done: Mutex::default(), waker }
    }

    pub(crate) fn done(&self, ticket: Ticket, what: Done) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push((ticket, what));
        self.wake();
    }

    pub(crate) fn wake(&self) {
        let _nobody_left = self.waker.wake();
    }

    pub(crate) fn take(&self) -> Vec<(Ticket, Done)> {
        std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
