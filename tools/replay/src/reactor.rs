//! One thread's sockets: a turn reads and thinks, writes the turn's records, and only
//! then lets the answers go.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpListener};

use crate::{
    client::{Client, Context, Phase, WAITING_OCTETS_MAX},
    counters::Counters,
    jobs::{Jobs, Ticket},
    library::Library,
    outward::Outward,
    settings::Settings,
    tape::Tape,
};

pub(crate) const WAKER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);
const TIMER: Token = Token(usize::MAX - 2);

/// Connections that one reactor has at most; further ones wait in the listener's queue.
const CLIENTS_MAX: usize = 20_000;
/// So many are accepted in one turn.
const ACCEPTED_MAX: usize = 64;

struct Slot {
    generation: u64,
    client: Option<Client>,
    /// Looked at in this turn already.
    is_touched: bool,
}

pub(crate) struct Reactor {
    poll: Poll,
    listener: TcpListener,
    /// Whether somebody may wait to be accepted: the listener tells it once.
    has_waiting: bool,
    slots: Vec<Slot>,
    free: Vec<usize>,
    touched: Vec<usize>,
    /// Connections with more to do at once.
    again: Vec<usize>,
    timers: BinaryHeap<Reverse<(Instant, Ticket)>>,
    timer: crate::timer::Timer,
    settings: Arc<Settings>,
    library: Option<Library>,
    outward: Option<Outward>,
    tape: Option<Arc<Tape>>,
    jobs: Arc<Jobs>,
    counters: Arc<Counters>,
    is_stopping: Arc<AtomicBool>,
}

/// What a reactor is given.
pub(crate) struct Parts {
    pub(crate) poll: Poll,
    pub(crate) listener: TcpListener,
    pub(crate) settings: Arc<Settings>,
    pub(crate) library: Option<Library>,
    pub(crate) outward: Option<Outward>,
    pub(crate) tape: Option<Arc<Tape>>,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) is_stopping: Arc<AtomicBool>,
}

impl Reactor {
    pub(crate) fn new(parts: Parts) -> io::Result<Self> {
        let Parts { poll, mut listener, settings, library, outward, tape, .. } = parts;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let timer = crate::timer::Timer::new(poll.registry(), TIMER)?;
        Ok(Self {
            poll,
            listener,
            has_waiting: true,
            slots: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
            again: Vec::new(),
            timers: BinaryHeap::new(),
            timer,
            settings,
            library,
            outward,
            tape,
            jobs: parts.jobs,
            counters: parts.counters,
            is_stopping: parts.is_stopping,
        })
    }

    /// Serves until it is told to stop; gives the library back, with what was used of it.
    pub(crate) fn run(mut self) -> io::Result<Option<Library>> {
        let mut events = Events::with_capacity(256);
        while !self.is_stopping.load(Ordering::Relaxed) {
            let timeout = if self.again.is_empty() && !self.has_waiting {
                self.timers.peek().map(|Reverse((due, _))| self.timer.wait(*due))
            } else {
                Some(Duration::ZERO)
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.has_waiting = true,
                    WAKER => {}
                    TIMER => self.timer.clear(),
                    Token(token) => self.ready(token, event),
                }
            }
            if self.has_waiting {
                self.has_waiting = self.accept();
            }
            self.turn();
        }
        for index in 0..self.slots.len() {
            self.remove(index);
        }
        Ok(self.library)
    }

    fn ready(&mut self, token: usize, event: &mio::event::Event) {
        let index = token / 2;
        let Some(client) = self.slots.get_mut(index).and_then(|slot| slot.client.as_mut()) else {
            return;
        };
        // An error shows itself at the next read or write.
        let is_error = event.is_error();
        let is_closed = event.is_read_closed() || is_error;
        let is_readable = event.is_readable() || is_closed;
        let is_writable = event.is_writable() || event.is_write_closed() || is_error;
        if token.is_multiple_of(2) {
            client.is_readable |= is_readable;
            client.is_read_closed |= is_closed;
            client.is_writable |= is_writable;
        } else {
            client.origin_ready(is_readable, is_closed, is_writable);
        }
        self.touch(index);
    }

    fn touch(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index)
            && !std::mem::replace(&mut slot.is_touched, true)
        {
            self.touched.push(index);
        }
    }

    /// Takes new connections; says whether there may be more.
    fn accept(&mut self) -> bool {
        for _one in 0..ACCEPTED_MAX {
            if self.slots.len() - self.free.len() >= CLIENTS_MAX {
                return false;
            }
            match self.listener.accept() {
                Ok((socket, address)) => {
                    if let Err(error) = self.add(socket, address) {
                        crate::say::line(&format!("a connection is refused: {error}"));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // No descriptor is free: others will close some.
                Err(_) => return false,
            }
        }
        true
    }

    fn add(&mut self, mut socket: mio::net::TcpStream, address: SocketAddr) -> io::Result<()> {
        let _best_effort = socket.set_nodelay(true);
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, client: None, is_touched: false });
            self.slots.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut socket, Token(index * 2), interest) {
            self.free.push(index);
            return Err(error);
        }
        let number = self.tape.as_ref().map_or(0, |tape| tape.next_connection());
        self.slots[index].client = Some(Client::new(socket, address, number));
        self.touch(index);
        Ok(())
    }

    /// Reads and thinks, writes records, lets answers go.
    fn turn(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((due, ticket))) = self.timers.peek().copied()
            && due <= now
        {
            self.timers.pop();
            if self.slots.get(ticket.index).is_some_and(|slot| slot.generation == ticket.generation)
            {
                self.touch(ticket.index);
            }
        }
        for index in std::mem::take(&mut self.again) {
            self.touch(index);
        }
        for (ticket, what) in self.jobs.take() {
            let is_there = |slot: &Slot| slot.generation == ticket.generation;
            if self.slots.get(ticket.index).is_some_and(is_there) {
                let mut what = Some(what);
                self.with(ticket.index, |client, context| {
                    if let Some(what) = what.take() {
                        client.done(what, context);
                    }
                    false
                });
                self.touch(ticket.index);
            }
        }
        let touched = std::mem::take(&mut self.touched);
        for index in &touched {
            let has_more = self.with(*index, Client::work);
            if has_more {
                self.again.push(*index);
            }
        }
        // Before the last octets of an answer go, its record is in the file.
        if let Some(tape) = &self.tape {
            tape.flush();
        }
        for index in &touched {
            let Some(slot) = self.slots.get_mut(*index) else { continue };
            slot.is_touched = false;
            let Some(client) = &mut slot.client else { continue };
            let was_full = client.output.len() >= WAITING_OCTETS_MAX;
            client.write();
            if client.is_dead {
                self.remove(*index);
            } else if was_full
                && client.output.len() < WAITING_OCTETS_MAX
                && !self.again.contains(index)
            {
                // What waited for room may go on.
                self.again.push(*index);
            }
        }
        // The memory is used again.
        self.touched = touched;
        self.touched.clear();
    }

    fn with(
        &mut self,
        index: usize,
        work: impl FnOnce(&mut Client, &mut Context<'_>) -> bool,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(index) else { return false };
        let Some(client) = &mut slot.client else { return false };
        let ticket = Ticket { index, generation: slot.generation };
        let mut context = Context {
            settings: &self.settings,
            library: self.library.as_mut(),
            outward: self.outward.as_mut(),
            tape: self.tape.as_ref(),
            registry: self.poll.registry(),
            jobs: &self.jobs,
            counters: &self.counters,
            ticket,
            wake_at: None,
        };
        let has_more = work(client, &mut context);
        if let Some(due) = context.wake_at {
            self.timers.push(Reverse((due, ticket)));
        }
        has_more
    }

    fn remove(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Some(client) = slot.client.take() else { return };
        slot.generation += 1;
        slot.is_touched = false;
        self.free.push(index);
        // Whoever found no room, or no descriptor, is not told of twice.
        self.has_waiting = true;
        match client.phase {
            Phase::Forward(forward) => forward.abandoned(),
            Phase::Relay(relay) => relay.abandoned(),
            _ => {}
        }
    }
}
