//! One client: what it sends, what it is told, and what it waits for.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use farend_control::{
    Error, Request, Role,
    calls::GetStatistics,
    framing::{Inbox, REQUEST_OCTETS_MAX},
    request,
};
use serde::Serialize;

use super::stream::Stream;

/// For a whole request from its first octet.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Without a reader of what is written.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// While so many octets are unsent, no request is taken. A reply has less than
/// the rest of 1 MiB.
const UNSENT_OCTETS_MAX: usize = 64 << 10;

/// What a client waits for.
#[derive(Debug)]
pub(super) enum Pending {
    /// Nothing.
    Nothing,
    /// The runtime's answer.
    Answer,
    /// A reading that is new enough.
    Reading {
        parameters: GetStatistics,
        /// When it was asked for.
        asked: Instant,
    },
    /// Whatever comes.
    Stream(Box<Stream>),
}

/// How far the end of a connection is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Life {
    Open,
    /// The client sends no more.
    ReadWhole,
    /// No more is taken from it; what is unsent goes.
    Closing,
    /// The other end is gone.
    Broken,
}

/// One client.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) uid: u32,
    pub(super) role: Role,
    pub(super) pending: Pending,
    /// Whether the call that is under way wants no reply.
    pub(super) is_oneway: bool,
    socket: UnixStream,
    inbox: Inbox,
    unsent: Vec<u8>,
    /// Since when the request that has begun is not whole.
    begun: Option<Instant>,
    /// Since when nothing of `unsent` was taken.
    stalled: Option<Instant>,
    life: Life,
}

impl Connection {
    pub(super) fn new(id: u64, uid: u32, role: Role, socket: UnixStream) -> Self {
        Self {
            id,
            uid,
            role,
            pending: Pending::Nothing,
            is_oneway: false,
            socket,
            inbox: Inbox::new(REQUEST_OCTETS_MAX),
            unsent: Vec::new(),
            begun: None,
            stalled: None,
            life: Life::Open,
        }
    }

    pub(super) const fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Whether to wait for octets, and for room.
    pub(super) fn wants(&self) -> (bool, bool) {
        let can_read = self.life == Life::Open && self.inbox.room() > 0;
        (can_read, !self.unsent.is_empty())
    }

    /// Whether all that was written is taken.
    pub(super) const fn is_taken(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Whether as much is unsent as may be: no request is taken meanwhile.
    pub(super) const fn is_full(&self) -> bool {
        self.unsent.len() >= UNSENT_OCTETS_MAX
    }

    /// Whether nothing more will come of it.
    pub(super) fn is_over(&self) -> bool {
        let is_idle = matches!(self.pending, Pending::Nothing);
        let is_stream = matches!(self.pending, Pending::Stream(_));
        let ends = match self.life {
            Life::Open => false,
            Life::ReadWhole => is_idle || is_stream,
            Life::Closing => true,
            Life::Broken => return true,
        };
        ends && self.unsent.is_empty()
    }

    /// Takes what has arrived.
    pub(super) fn read(&mut self) {
        let mut octets = [0; 4096];
        while self.wants().0 {
            let room = self.inbox.room().min(octets.len());
            match (&self.socket).read(&mut octets[..room]) {
                Ok(0) => self.ends(Life::ReadWhole),
                Ok(read) => self.inbox.push(&octets[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.ends(Life::Broken),
            }
        }
    }

    /// The next request, if one may be taken now; `None` if there is none.
    pub(super) fn take(&mut self, now: Instant) -> Option<Result<Request, Error>> {
        let is_idle = matches!(self.pending, Pending::Nothing);
        if !is_idle || self.life >= Life::Closing || self.is_full() {
            return None;
        }
        match self.inbox.take() {
            Ok(Some(message)) => {
                self.begun = None;
                Some(Request::read(&message))
            }
            Ok(None) => {
                let begun = (!self.inbox.is_empty()).then(|| *self.begun.get_or_insert(now));
                self.begun = begun;
                None
            }
            Err(error) => Some(Err(Error::InvalidRequest { reason: error.to_string() })),
        }
    }

    /// Whether a request was begun and not ended in time.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.life < Life::Closing && self.begun.is_some_and(|begun| now >= begun + REQUEST_TIMEOUT)
    }

    /// When something of it is due, beside streams.
    pub(super) fn due(&self) -> Option<Instant> {
        let begun =
            self.begun.filter(|_| self.life < Life::Closing).map(|begun| begun + REQUEST_TIMEOUT);
        let stalled = self.stalled.map(|stalled| stalled + STALL_TIMEOUT);
        begun.into_iter().chain(stalled).min()
    }

    /// Tells something; another reply follows if `continues`.
    pub(super) fn reply(&mut self, parameters: &impl Serialize, continues: bool) {
        if !self.is_oneway {
            self.unsent.extend(request::reply(parameters, continues));
        }
        if !continues {
            self.finish();
        }
    }

    /// Refuses the call.
    pub(super) fn refuse(&mut self, error: &Error) {
        if !self.is_oneway || matches!(error, Error::InvalidRequest { .. }) {
            self.unsent.extend(request::refusal(error));
        }
        self.finish();
    }

    /// Takes no more from it; what is unsent still goes.
    pub(super) fn close(&mut self) {
        self.ends(Life::Closing);
    }

    fn finish(&mut self) {
        self.pending = Pending::Nothing;
        self.is_oneway = false;
    }

    /// Sends what it takes.
    pub(super) fn write(&mut self, now: Instant) {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match (&self.socket).write(&self.unsent[sent..]) {
                Ok(0) => self.ends(Life::Broken),
                Ok(octets) => {
                    sent += octets;
                    self.stalled = None;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.ends(Life::Broken),
            }
            break;
        }
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            // Given back, because a reply may have been long.
            self.unsent = Vec::new();
            self.stalled = None;
        } else if now >= *self.stalled.get_or_insert(now) + STALL_TIMEOUT {
            self.ends(Life::Broken);
        }
    }

    /// The other end is gone.
    pub(super) fn hang_up(&mut self) {
        self.ends(Life::Broken);
    }

    fn ends(&mut self, life: Life) {
        self.life = self.life.max(life);
    }
}
