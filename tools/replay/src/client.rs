//! One client's connection: what is read from it, what goes to it, what is under way.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    sync::Arc,
    time::Instant,
};

use farend_http::Version;
use mio::{Interest, Registry, Token, net::TcpStream};

use crate::{
    buffer::{Buffer, Moved},
    counters::{Counters, Outcome},
    forward::Forward,
    jobs::{Done, Jobs, Ticket},
    library::Library,
    message::own_answer,
    outward::Outward,
    play::Play,
    relay::Relay,
    request::Collect,
    settings::Settings,
    tape::Tape,
    websocket::Lockstep,
};

/// More is not read before some of it went on.
pub(crate) const WAITING_OCTETS_MAX: usize = 256 << 10;

/// What the connections of one reactor share.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) library: Option<&'a mut Library>,
    pub(crate) outward: Option<&'a mut Outward>,
    pub(crate) tape: Option<&'a Arc<Tape>>,
    pub(crate) registry: &'a Registry,
    pub(crate) jobs: &'a Arc<Jobs>,
    pub(crate) counters: &'a Counters,
    pub(crate) ticket: Ticket,
    /// When the connection wants to be looked at without an event.
    pub(crate) wake_at: Option<Instant>,
}

/// What a connection is about.
pub(crate) enum Phase {
    /// Waits for a request.
    Idle,
    /// Reads a request whole, to look for it.
    Collect(Box<Collect>),
    /// Waits until a miss is explained.
    Explain { is_head: bool, is_kept: bool },
    /// Waits until the answer is due.
    Delay { due: Instant, answer: Vec<u8>, is_kept: bool },
    /// Between client and origin.
    Forward(Box<Forward>),
    /// Answers from an exchange in pieces.
    Play(Box<Play>),
    /// Between client and origin, frames of a WebSocket.
    Relay(Box<Relay>),
    /// Answers frames from a recording.
    Lockstep(Box<Lockstep>),
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each direction of a socket is open or not, ready or not"
)]
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) address: SocketAddr,
    /// The number in the cassette.
    pub(crate) number: u32,
    pub(crate) is_readable: bool,
    /// An event said that the end follows what is there: it brings no event of its own.
    pub(crate) is_read_closed: bool,
    pub(crate) is_writable: bool,
    /// The client sends no more.
    pub(crate) has_ended: bool,
    pub(crate) input: Buffer,
    pub(crate) output: Buffer,
    pub(crate) phase: Phase,
    /// Nothing follows what is in `output`.
    pub(crate) is_closing: bool,
    /// The connection is of no use any more.
    pub(crate) is_dead: bool,
    pub(crate) version: Version,
}

impl Client {
    pub(crate) fn new(socket: TcpStream, address: SocketAddr, number: u32) -> Self {
        Self {
            socket,
            address,
            number,
            is_readable: true,
            is_read_closed: false,
            is_writable: true,
            has_ended: false,
            input: Buffer::default(),
            output: Buffer::default(),
            phase: Phase::Idle,
            is_closing: false,
            is_dead: false,
            version: Version::Http11,
        }
    }

    /// Reads and thinks, until nothing moves. What is for the client stays in `output`
    /// until [`write`](Self::write). Says whether there is more to do at once.
    pub(crate) fn work(&mut self, context: &mut Context<'_>) -> bool {
        for _round in 0..64 {
            let mut has_moved = self.read();
            has_moved |= self.step(context);
            if !has_moved || self.is_dead || self.is_closing {
                return false;
            }
        }
        true
    }

    fn read(&mut self) -> bool {
        let has_room =
            self.input.len() < WAITING_OCTETS_MAX && self.output.len() < WAITING_OCTETS_MAX;
        if !self.is_readable || self.has_ended || !has_room {
            return false;
        }
        match self.input.read(&mut self.socket) {
            Ok(Moved::Some) => true,
            Ok(Moved::Last) => {
                self.is_readable = self.is_read_closed;
                true
            }
            Ok(Moved::NotReady) => {
                self.is_readable = false;
                false
            }
            Ok(Moved::End) => {
                self.has_ended = true;
                true
            }
            Err(_) => {
                self.lost();
                false
            }
        }
    }

    fn step(&mut self, context: &mut Context<'_>) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => self.step_idle(context),
            Phase::Collect(collect) => self.step_collect(collect, context),
            phase @ Phase::Explain { .. } => {
                self.phase = phase;
                false
            }
            Phase::Delay { due, answer, is_kept } => {
                if Instant::now() < due {
                    context.wake_at = Some(due);
                    self.phase = Phase::Delay { due, answer, is_kept };
                    return false;
                }
                self.output.push(&answer);
                self.answered(is_kept);
                true
            }
            Phase::Forward(forward) => forward.step(self, context),
            Phase::Play(play) => play.step(self, context),
            Phase::Relay(relay) => relay.step(self, context),
            Phase::Lockstep(lockstep) => lockstep.step(self, context),
        }
    }

    /// What a thread has found out for this connection.
    pub(crate) fn done(&mut self, what: Done, context: &mut Context<'_>) {
        match (what, std::mem::replace(&mut self.phase, Phase::Idle)) {
            (Done::Explained(text), Phase::Explain { is_head, is_kept }) => {
                self.output.push(&own_answer(502, &text, is_head, is_kept));
                self.answered(is_kept);
            }
            (Done::Resolved(found), Phase::Forward(forward)) => {
                forward.resolved(self, found, context);
            }
            (_, phase) => self.phase = phase,
        }
    }

    /// An answer is in `output`.
    pub(crate) fn answered(&mut self, is_kept: bool) {
        self.phase = Phase::Idle;
        self.is_closing |= !is_kept;
    }

    /// Answers for itself that a request cannot be served.
    pub(crate) fn refuse(
        &mut self,
        status: u16,
        why: &str,
        outcome: Outcome,
        context: &Context<'_>,
    ) {
        context.counters.count(outcome);
        self.output.push(&own_answer(status, &format!("{why}\n"), false, false));
        self.answered(false);
    }

    /// The client is gone, or must not believe that its answer was whole.
    pub(crate) fn lost(&mut self) {
        self.is_dead = true;
    }

    /// Writes what waits.
    pub(crate) fn write(&mut self) {
        if self.is_dead || self.output.is_empty() && !self.is_closing {
            return;
        }
        if self.is_writable {
            match self.output.write(&mut self.socket) {
                Ok(Moved::NotReady) => self.is_writable = false,
                Ok(_) => {}
                Err(_) => self.lost(),
            }
        }
        if self.is_closing && self.output.is_empty() {
            let _gone = self.socket.shutdown(Shutdown::Write);
            self.is_dead = true;
        }
    }

    /// The origin's socket, if there is one.
    pub(crate) fn origin_ready(&mut self, is_readable: bool, is_closed: bool, is_writable: bool) {
        let origin = match &mut self.phase {
            Phase::Forward(forward) => forward.origin_socket(),
            Phase::Relay(relay) => Some(&mut relay.origin),
            _ => None,
        };
        if let Some(origin) = origin {
            origin.is_readable |= is_readable;
            origin.is_read_closed |= is_closed;
            origin.is_writable |= is_writable;
        }
    }
}

/// The connection to an origin, while one client uses it.
#[expect(clippy::struct_excessive_bools, reason = "each direction is open or not, ready or not")]
pub(crate) struct OriginSocket {
    pub(crate) socket: TcpStream,
    pub(crate) is_readable: bool,
    /// As for a client.
    pub(crate) is_read_closed: bool,
    pub(crate) is_writable: bool,
    pub(crate) has_ended: bool,
    pub(crate) input: Buffer,
}

impl OriginSocket {
    pub(crate) fn new(
        mut socket: TcpStream,
        is_reused: bool,
        context: &Context<'_>,
    ) -> io::Result<Self> {
        let token = Token(context.ticket.index * 2 + 1);
        let interest = Interest::READABLE | Interest::WRITABLE;
        context.registry.register(&mut socket, token, interest)?;
        Ok(Self {
            socket,
            is_readable: is_reused,
            is_read_closed: false,
            is_writable: is_reused,
            has_ended: false,
            input: Buffer::default(),
        })
    }

    /// Reads if there is room; says whether something moved.
    pub(crate) fn read(&mut self) -> io::Result<bool> {
        if !self.is_readable || self.has_ended || self.input.len() >= WAITING_OCTETS_MAX {
            return Ok(false);
        }
        match self.input.read(&mut self.socket)? {
            Moved::Some => Ok(true),
            Moved::Last => {
                self.is_readable = self.is_read_closed;
                Ok(true)
            }
            Moved::NotReady => {
                self.is_readable = false;
                Ok(false)
            }
            Moved::End => {
                self.has_ended = true;
                Ok(true)
            }
        }
    }

    pub(crate) fn write(&mut self, waiting: &mut Buffer) -> io::Result<bool> {
        if !self.is_writable || waiting.is_empty() {
            return Ok(false);
        }
        let before = waiting.len();
        if waiting.write(&mut self.socket)? == Moved::NotReady {
            self.is_writable = false;
        }
        Ok(waiting.len() < before)
    }
}
