//! Calls to a running driver, from another thread.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use farend_control::{
    Call, Error, Role,
    calls::{ResetReply, Started, Stopped},
    configuration::{Configuration, Configured},
    status::Status,
};

use super::{Platform, Run};
use crate::control::Reading;

/// How long calls are answered before the rest of the loop has its turn: one may
/// take longer.
const CALLS_TIME_MAX: Duration = Duration::from_millis(10);

/// What came of a call.
pub(crate) type Outcome = Result<Answer, Error>;

/// What the runtime says to a call.
#[derive(Debug)]
pub(crate) enum Answer {
    /// All counters at one moment.
    Reading(Reading),
    /// What is served.
    Status(Box<Status>),
    /// What is in force.
    Configuration(Configuration),
    /// What has changed.
    Configured(Configured),
    /// An epoch has ended.
    Reset(Box<ResetReply>),
    /// It answers again.
    Started(Started),
    /// It has stopped.
    Stopped(Box<Stopped>),
}

/// A call, who makes it, and who is to hear of its end.
struct Asked {
    call: Call,
    role: Role,
    hear: Box<dyn FnOnce(Outcome) + Send>,
}

/// Steers the runtime from another thread. Calls are answered one after the
/// other, between two rounds of its loop.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    sender: Sender<Asked>,
    wake: Arc<UnixStream>,
}

impl Handle {
    /// Makes a call, and does not wait: `hear` is called by the runtime, and
    /// must not wait either.
    pub(crate) fn ask(&self, call: Call, role: Role, hear: impl FnOnce(Outcome) + Send + 'static) {
        let asked = Asked { call, role, hear: Box::new(hear) };
        if let Err(refused) = self.sender.send(asked) {
            let reason = "the driver has ended".to_owned();
            (refused.0.hear)(Err(Error::NotRunning { reason }));
            return;
        }
        // A full socket wakes as well.
        let _ = (&*self.wake).write(&[0]);
    }
}

/// The runtime's side.
#[derive(Debug)]
pub(super) struct Calls {
    received: Receiver<Asked>,
    handle: Handle,
    wake: UnixStream,
}

impl Calls {
    pub(super) fn new() -> io::Result<Self> {
        let (wake, theirs) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let (sender, received) = mpsc::channel();
        Ok(Self { received, handle: Handle { sender, wake: Arc::new(theirs) }, wake })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Makes the descriptor ready: calls wait that nobody will ask for again.
    fn wake(&self) {
        // A full socket wakes as well.
        let _ = (&*self.handle.wake).write(&[0]);
    }

    /// Makes the descriptor wait again.
    pub(super) fn drain(&mut self) {
        let mut octets = [0; 64];
        while matches!(self.wake.read(&mut octets), Ok(read) if read > 0) {}
    }
}

impl AsFd for Calls {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl<P: Platform> Run<'_, P> {
    /// Answers what was asked meanwhile, for a while: however fast clients ask,
    /// signals and deadlines have their turn.
    pub(super) fn answer_calls(&mut self) {
        let deadline = Instant::now() + CALLS_TIME_MAX;
        while let Some(Ok(asked)) = self.calls.as_ref().map(|calls| calls.received.try_recv()) {
            let outcome = self.answer(asked.call, asked.role);
            (asked.hear)(outcome);
            if Instant::now() >= deadline {
                if let Some(calls) = &self.calls {
                    calls.wake();
                }
                return;
            }
        }
    }

    fn answer(&mut self, call: Call, role: Role) -> Outcome {
        match call {
            Call::GetStatistics(_) => Ok(Answer::Reading(self.reading())),
            Call::GetStatus(_) => Ok(Answer::Status(Box::new(self.status()))),
            Call::GetConfiguration(_) => Ok(Answer::Configuration(self.configuration())),
            Call::SetConfiguration(set) => self.configure(&set, role).map(Answer::Configured),
            Call::ResetStatistics(reset) => {
                self.reset(&reset).map(|reply| Answer::Reset(Box::new(reply)))
            }
            Call::Start(start) => self.start_session(&start).map(Answer::Started),
            Call::Stop(stop) => {
                self.stop_sessions(&stop).map(|reply| Answer::Stopped(Box::new(reply)))
            }
            // The server's own: it has the journal of events.
            Call::Monitor(_) => Err(Error::ExpectedMore {}),
        }
    }
}
