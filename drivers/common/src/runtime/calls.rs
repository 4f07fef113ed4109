//! Steering a running driver from another thread.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, SyncSender},
    },
};

use super::{Platform, Run, Session, ladder};
use crate::{
    event::{Code, Event},
    statistics::{Snapshot, line_of},
    tier::TierName,
};

/// What is asked of the runtime.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Call {
    /// Answers on this target again.
    Start(String),
    /// Stops answering on it.
    Stop(String),
    /// Begins an epoch of statistics.
    Reset,
    /// Counts of this epoch.
    Statistics,
    /// Reads the configuration again.
    Reload,
}

/// What the runtime says to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// It is not, for this reason.
    Refused(String),
    /// Statistics: a line as `--stats json` has it, and the number of the
    /// epoch.
    Statistics(String, u64),
}

/// Steers the runtime from another thread. Calls are answered one after the
/// other, between two rounds of its loop.
#[derive(Clone, Debug)]
pub struct Handle {
    sender: Sender<(Call, SyncSender<Reply>)>,
    wake: Arc<UnixStream>,
}

impl Handle {
    /// Answers on a target again that was stopped.
    #[must_use]
    pub fn start(&self, target: &str) -> Reply {
        self.call(Call::Start(target.to_owned()))
    }

    /// Stops answering on a target: the host sees every frame. Others go on.
    #[must_use]
    pub fn stop(&self, target: &str) -> Reply {
        self.call(Call::Stop(target.to_owned()))
    }

    /// Begins an epoch; gives what the one before it counted.
    #[must_use]
    pub fn reset(&self) -> Reply {
        self.call(Call::Reset)
    }

    /// What was counted since the last reset.
    #[must_use]
    pub fn statistics(&self) -> Reply {
        self.call(Call::Statistics)
    }

    /// Reads the configuration again, as SIGHUP does.
    #[must_use]
    pub fn reload(&self) -> Reply {
        self.call(Call::Reload)
    }

    fn call(&self, call: Call) -> Reply {
        let gone = || Reply::Refused("the driver has ended".to_owned());
        let (reply, answer) = mpsc::sync_channel(1);
        if self.sender.send((call, reply)).is_err() {
            return gone();
        }
        // A full socket wakes as well.
        let _ = (&*self.wake).write(&[0]);
        answer.recv().unwrap_or_else(|_| gone())
    }
}

/// The runtime's side.
#[derive(Debug)]
pub(super) struct Calls {
    received: Receiver<(Call, SyncSender<Reply>)>,
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
    /// Answers what was asked meanwhile.
    pub(super) fn answer_calls(&mut self) {
        while let Some(Ok((call, reply))) = self.calls.as_ref().map(|it| it.received.try_recv()) {
            let answer = self.answer(&call);
            // Whoever asked may be gone.
            let _ = reply.try_send(answer);
        }
    }

    fn answer(&mut self, call: &Call) -> Reply {
        match call {
            Call::Start(target) => self.start_session(target).into(),
            Call::Stop(target) => self.stop_session(target).into(),
            Call::Reset => {
                let now = self.snapshot();
                let (last, epoch) = self.epochs.reset(now);
                statistics("reset", &last, epoch)
            }
            Call::Statistics => {
                let now = self.snapshot();
                let (lately, epoch) = self.epochs.since_reset(&now);
                statistics("statistics", &lately, epoch)
            }
            Call::Reload => {
                self.reload();
                Reply::Done
            }
        }
    }

    fn session(&mut self, target: &str) -> Result<&mut Session<P>, String> {
        let known: Vec<_> = self.sessions.iter().map(|one| one.name().to_owned()).collect();
        let found = self.sessions.iter_mut().find(|session| session.name() == target);
        match found {
            Some(session) if session.has_ended() => Err(format!("{target} is gone")),
            Some(session) => Ok(session),
            None => Err(format!("{target} is not served; these are: {}", known.join(", "))),
        }
    }

    fn stop_session(&mut self, target: &str) -> Result<(), String> {
        self.session(target)?;
        let platform = &mut self.platform;
        for session in self.sessions.iter_mut().filter(|one| one.name() == target) {
            if session.is_open() {
                session.stop(platform);
                self.sink.emit(&Event::about(Code::Notice, target, "stopped"));
            }
        }
        Ok(())
    }

    fn start_session(&mut self, target: &str) -> Result<(), String> {
        if self.session(target)?.is_open() {
            return Ok(());
        }
        let sink = self.sink;
        let Some(session) = self.sessions.iter_mut().find(|one| one.name() == target) else {
            return Ok(());
        };
        let (place, observers) = (session.target().clone(), session.observers().clone());
        let opened =
            ladder::open(&mut self.platform, &self.plan, &place, &observers, |tier, error| {
                sink.emit(&Event::skipped(target, tier.name(), error.to_string()));
            });
        let opened = opened.map_err(|failure| failure.to_string())?;
        let message = format!("started, tier={}", opened.name.name());
        session.restart(opened).map_err(|error| error.to_string())?;
        sink.emit(&Event::about(Code::Notice, target, message));
        Ok(())
    }
}

impl From<Result<(), String>> for Reply {
    fn from(outcome: Result<(), String>) -> Self {
        match outcome {
            Ok(()) => Self::Done,
            Err(reason) => Self::Refused(reason),
        }
    }
}

fn statistics(event: &str, snapshot: &Snapshot, epoch: u64) -> Reply {
    let line = line_of(event, snapshot, snapshot);
    Reply::Statistics(serde_json::to_string(&line).unwrap_or_default(), epoch)
}
