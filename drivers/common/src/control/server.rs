//! The loop: sockets in, calls to the runtime, answers out.

use std::{
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use farend_control::{
    Call, Error, INTERFACE, Request,
    calls::{GetStatistics, GetStatus, Since, StatisticsReply},
    request, service,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    Journal, Reading,
    connection::{Connection, Pending},
    peer::{Peer, Roles},
    stream::{Changes, Readings, Stream},
};
use crate::runtime::{Answer, Handle, Outcome};

/// Connections at once, and those of one user.
const CONNECTIONS_MAX: usize = 64;
const CONNECTIONS_OF_USER_MAX: usize = 16;

/// When to come again, if there are too many.
const RETRY_MS: u64 = 1_000;

/// How old a reading may be where nobody says.
const READING_AGE_MS: u64 = 10;

/// Connections that are taken in one round.
const ACCEPTED_MAX: usize = 16;

/// Without taking connections, after the system has refused one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// For whom an answer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum To {
    /// This connection.
    Connection(u64),
    /// Everybody who waits for a reading.
    Readings,
}

/// All that the thread has.
pub(super) struct Server {
    listener: UnixListener,
    woken: UnixStream,
    wake: Arc<UnixStream>,
    handle: Handle,
    journal: Arc<Journal>,
    /// Of the event that was seen last, to know of new ones.
    seen: u64,
    roles: Roles,
    program: (&'static str, &'static str),
    /// Given to the runtime with each call, and where answers arrive.
    hear: Sender<(To, Outcome)>,
    answers: Receiver<(To, Outcome)>,
    connections: Vec<Connection>,
    next_id: u64,
    refused: u64,
    reading: Option<Arc<Reading>>,
    is_reading_asked: bool,
    is_reading_wanted: bool,
    accept_after: Option<Instant>,
}

impl Server {
    pub(super) fn new(
        (listener, woken, wake): (UnixListener, UnixStream, Arc<UnixStream>),
        handle: Handle,
        journal: Arc<Journal>,
        roles: Roles,
        program: (&'static str, &'static str),
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (hear, answers) = mpsc::channel();
        Ok(Self {
            listener,
            woken,
            wake,
            handle,
            seen: journal.next(),
            journal,
            roles,
            program,
            hear,
            answers,
            connections: Vec::new(),
            next_id: 0,
            refused: 0,
            reading: None,
            is_reading_asked: false,
            is_reading_wanted: false,
            accept_after: None,
        })
    }

    /// Serves until it is stopped.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        // Acquire: pairs with the Release of whoever stops it.
        while !stop.load(Ordering::Acquire) {
            let timeout = self.due().map(|due| due.saturating_duration_since(Instant::now()));
            let ready = self.wait(timeout);
            let now = Instant::now();
            // After a pause, whether somebody waits is asked by accepting.
            if ready || self.accept_after.is_some_and(|at| now >= at) {
                self.accept(now);
            }
            self.take_answers();
            self.stir_streams();
            let mut connections = std::mem::take(&mut self.connections);
            for connection in &mut connections {
                self.work(connection, now);
            }
            connections.retain(|connection| !connection.is_over());
            self.connections = connections;
            self.ask_reading();
        }
        let now = Instant::now();
        self.take_answers();
        self.connections.iter_mut().for_each(|connection| connection.write(now));
    }

    /// Waits for something to do; gives whether somebody wants to connect.
    fn wait(&mut self, timeout: Option<Duration>) -> bool {
        let timeout = timeout.map(|time| {
            // Rounded up, so that what is due is due.
            let time = time + Duration::from_millis(1);
            Timespec::try_from(time).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
        });
        let accepts = self.accept_after.is_none();
        let flags = |reads, writes| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, reads);
            flags.set(PollFlags::OUT, writes);
            flags
        };
        let mut waiting = vec![
            PollFd::from_borrowed_fd(self.woken.as_fd(), flags(true, false)),
            PollFd::from_borrowed_fd(self.listener.as_fd(), flags(accepts, false)),
        ];
        waiting.extend(self.connections.iter().map(|connection| {
            let (reads, writes) = connection.wants();
            PollFd::from_borrowed_fd(connection.socket().as_fd(), flags(reads, writes))
        }));
        let polled = poll(&mut waiting, timeout.as_ref());
        let ready: Vec<_> = waiting.iter().map(PollFd::revents).collect();
        drop(waiting);
        if polled.is_err_and(|error| error != rustix::io::Errno::INTR) {
            // Not to be expected; and not a reason to burn a CPU.
            std::thread::sleep(ACCEPT_PAUSE);
        }
        let mut octets = [0; 64];
        while matches!(self.woken.read(&mut octets), Ok(read) if read > 0) {}
        for (connection, ready) in self.connections.iter_mut().zip(ready.iter().skip(2)) {
            if ready.contains(PollFlags::IN) {
                connection.read();
            } else if ready.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                connection.hang_up();
            }
        }
        ready.get(1).is_some_and(|ready| ready.contains(PollFlags::IN))
    }

    /// When the next thing is due.
    fn due(&self) -> Option<Instant> {
        let connections = self.connections.iter().flat_map(|connection| {
            let stream = match &connection.pending {
                Pending::Stream(stream) => match stream.as_ref() {
                    Stream::Statistics(readings) => Some(readings.due()),
                    // Until what was told is taken, nothing is asked.
                    Stream::Status(changes) => changes.due().filter(|_| connection.is_taken()),
                    Stream::Monitor(_) => None,
                },
                _ => None,
            };
            // While a reading is on its way, its arrival wakes.
            let stream = stream.filter(|_| !self.is_reading_asked);
            connection.due().into_iter().chain(stream)
        });
        connections.chain(self.accept_after).min()
    }

    fn accept(&mut self, now: Instant) {
        self.accept_after = None;
        for _ in 0..ACCEPTED_MAX {
            match self.listener.accept() {
                Ok((socket, _)) => self.admit(socket),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // Out of descriptors, perhaps.
                    self.accept_after = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, mut socket: UnixStream) {
        let Ok(()) = socket.set_nonblocking(true) else { return };
        let Ok(peer) = Peer::of(&socket) else {
            self.refused += 1;
            return;
        };
        let of_user = self.connections.iter().filter(|one| one.uid == peer.uid).count();
        if self.connections.len() >= CONNECTIONS_MAX || of_user >= CONNECTIONS_OF_USER_MAX {
            self.refused += 1;
            // A new socket has room for it.
            let _ = socket.write(&request::refusal(&Error::Busy { retry_after_ms: RETRY_MS }));
            return;
        }
        let role = self.roles.of(&peer);
        self.connections.push(Connection::new(self.next_id, peer.uid, role, socket));
        self.next_id += 1;
    }

    fn take_answers(&mut self) {
        while let Ok((to, outcome)) = self.answers.try_recv() {
            match (to, outcome) {
                (To::Readings, outcome) => {
                    self.is_reading_asked = false;
                    if let Ok(Answer::Reading(reading)) = outcome {
                        self.reading = Some(Arc::new(reading));
                    }
                }
                (To::Connection(id), outcome) => {
                    if matches!(outcome, Ok(Answer::Reset(_))) {
                        // It is of the epoch before.
                        self.reading = None;
                    }
                    let (count, refused) = (self.connections.len(), self.refused);
                    let found = self.connections.iter_mut().find(|one| one.id == id);
                    // A client that is gone hears nothing.
                    let Some(connection) = found else { continue };
                    answer(connection, outcome, count, refused);
                }
            }
        }
    }

    /// Has streams of the status look again, if anything has happened.
    fn stir_streams(&mut self) {
        let next = self.journal.next();
        if std::mem::replace(&mut self.seen, next) == next {
            return;
        }
        for connection in &mut self.connections {
            if let Pending::Stream(stream) = &mut connection.pending
                && let Stream::Status(changes) = stream.as_mut()
            {
                changes.stir();
            }
        }
    }

    /// Does what is to be done for one client.
    fn work(&mut self, connection: &mut Connection, now: Instant) {
        loop {
            // What is taken here makes room for requests that wait.
            let mut goes_on = connection.is_full();
            while let Some(taken) = connection.take(now) {
                goes_on = true;
                match taken {
                    Ok(request) => self.take_request(connection, request, now),
                    Err(error) => self.turn_away(connection, &error),
                }
            }
            // What is answered here makes room for the next request.
            goes_on |= self.go_on(connection, now);
            connection.write(now);
            if !goes_on || !connection.is_taken() {
                break;
            }
        }
        if connection.is_late(now) {
            let reason = "it was not whole after 5 s".to_owned();
            self.turn_away(connection, &Error::InvalidRequest { reason });
            connection.write(now);
        }
    }

    fn turn_away(&mut self, connection: &mut Connection, error: &Error) {
        self.refused += 1;
        connection.refuse(error);
        connection.close();
    }

    fn take_request(&mut self, connection: &mut Connection, request: Request, now: Instant) {
        connection.is_oneway = request.is_oneway;
        if request.is_service() {
            let (product, version) = self.program;
            match service::answer(&request.method, request.parameters, product, version) {
                Ok(reply) => connection.reply(&reply, false),
                Err(error) => connection.refuse(&error),
            }
            return;
        }
        if request.interface != INTERFACE {
            return connection.refuse(&Error::InterfaceNotFound { interface: request.interface });
        }
        let is_more = request.is_more;
        let begun = Call::read(&request.method, request.parameters)
            .and_then(|call| self.begin(connection, call, is_more, now));
        if let Err(error) = begun {
            self.refused += u64::from(matches!(error, Error::PermissionDenied { .. }));
            connection.refuse(&error);
        }
    }

    fn begin(
        &mut self,
        connection: &mut Connection,
        call: Call,
        is_more: bool,
        now: Instant,
    ) -> Result<(), Error> {
        if connection.role < call.role() {
            return Err(Error::PermissionDenied { role: call.role().name().to_owned() });
        }
        connection.pending = match call {
            Call::Monitor(_) if !is_more => return Err(Error::ExpectedMore {}),
            Call::Monitor(_) => Pending::Stream(Box::new(Stream::Monitor(self.journal.next()))),
            Call::GetStatistics(parameters) if is_more => {
                Pending::Stream(Box::new(Stream::Statistics(Readings::new(parameters, now)?)))
            }
            Call::GetStatistics(parameters) => Pending::Reading { parameters, asked: now },
            Call::GetStatus(_) if is_more => {
                Pending::Stream(Box::new(Stream::Status(Changes::new(now))))
            }
            call => {
                self.ask(To::Connection(connection.id), call, connection.role);
                Pending::Answer
            }
        };
        Ok(())
    }

    fn ask(&self, to: To, call: Call, role: farend_control::Role) {
        let (sender, wake) = (self.hear.clone(), Arc::clone(&self.wake));
        self.handle.ask(call, role, move |outcome| {
            let _ = sender.send((to, outcome));
            // A full socket wakes as well.
            let _ = (&*wake).write(&[0]);
        });
    }

    /// Asks for a reading, if somebody waits and none is on its way.
    fn ask_reading(&mut self) {
        if std::mem::take(&mut self.is_reading_wanted) && !self.is_reading_asked {
            self.is_reading_asked = true;
            let call = Call::GetStatistics(GetStatistics::default());
            self.ask(To::Readings, call, farend_control::Role::Viewer);
        }
    }

    /// The reading, if it is of this moment or later.
    fn reading_from(&mut self, moment: Option<Instant>) -> Option<Arc<Reading>> {
        let is_new = |reading: &Arc<Reading>| moment.is_none_or(|moment| reading.taken >= moment);
        let reading = self.reading.clone().filter(is_new);
        self.is_reading_wanted |= reading.is_none();
        reading
    }

    /// Goes on with what a client waits for; gives whether that has ended.
    fn go_on(&mut self, connection: &mut Connection, now: Instant) -> bool {
        let (parameters, asked) = match &connection.pending {
            Pending::Nothing | Pending::Answer => return false,
            Pending::Reading { parameters, asked } => (parameters.clone(), *asked),
            Pending::Stream(_) => {
                self.go_on_streaming(connection, now);
                return matches!(connection.pending, Pending::Nothing);
            }
        };
        let age = Duration::from_millis(parameters.max_age_ms.unwrap_or(READING_AGE_MS));
        let Some(reading) = self.reading_from(asked.checked_sub(age)) else { return false };
        let since = parameters.since.unwrap_or(Since::Reset);
        match reading.line(since, parameters.interfaces.as_deref(), None) {
            Ok(statistics) => {
                let epoch = reading.epoch;
                connection.reply(&StatisticsReply { statistics, epoch, missed: 0 }, false);
            }
            Err(error) => connection.refuse(&error),
        }
        true
    }

    fn go_on_streaming(&mut self, connection: &mut Connection, now: Instant) {
        let (is_taken, id, role) = (connection.is_taken(), connection.id, connection.role);
        let Pending::Stream(stream) = &mut connection.pending else { return };
        match stream.as_mut() {
            Stream::Statistics(readings) if now >= readings.due() => {
                if !is_taken {
                    return readings.leave_out(now);
                }
                let age = Duration::from_millis(READING_AGE_MS);
                let Some(reading) = self.reading_from(now.checked_sub(age)) else { return };
                match readings.tell(&reading, now) {
                    Ok(reply) => connection.reply(&reply, true),
                    Err(error) => connection.refuse(&error),
                }
            }
            Stream::Status(changes) if is_taken && changes.due().is_some_and(|due| now >= due) => {
                changes.ask(now);
                self.ask(To::Connection(id), Call::GetStatus(GetStatus {}), role);
            }
            Stream::Monitor(_) => self.tell_events(connection, now),
            Stream::Statistics(_) | Stream::Status(_) => {}
        }
    }

    /// Tells events, one after the other, while they are taken.
    fn tell_events(&self, connection: &mut Connection, now: Instant) {
        while connection.is_taken()
            && let Pending::Stream(stream) = &mut connection.pending
            && let Stream::Monitor(next) = stream.as_mut()
            && let Some(event) = self.journal.from(*next)
        {
            *next = event.sequence + 1;
            connection.reply(&event, true);
            connection.write(now);
        }
    }
}

/// Tells a client what came of its call.
fn answer(connection: &mut Connection, outcome: Outcome, connections: usize, refused: u64) {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => return connection.refuse(&error),
    };
    match answer {
        Answer::Status(mut status) => {
            status.connections = u64::try_from(connections).unwrap_or(u64::MAX);
            status.refused = refused;
            let Pending::Stream(stream) = &mut connection.pending else {
                return connection.reply(&*status, false);
            };
            if let Stream::Status(changes) = stream.as_mut()
                && let Some(status) = changes.tell(*status)
            {
                connection.reply(&status, true);
            }
        }
        Answer::Configuration(reply) => connection.reply(&reply, false),
        Answer::Configured(reply) => connection.reply(&reply, false),
        Answer::Reset(reply) => connection.reply(&*reply, false),
        Answer::Started(reply) => connection.reply(&reply, false),
        Answer::Stopped(reply) => connection.reply(&*reply, false),
        // Readings are for all who wait.
        Answer::Reading(_) => {}
    }
}
