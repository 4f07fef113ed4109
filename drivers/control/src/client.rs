//! A client that waits for replies.

use std::{
    fmt,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    calls::Parameters,
    error::Error,
    framing::{Inbox, REPLY_OCTETS_MAX},
    json::Object,
    request::{Reply, Request},
};

/// Why there is no reply.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody is there, or nobody any more.
    Gone(io::Error),
    /// Whoever asks may not connect.
    NotAllowed(io::Error),
    /// The driver refuses.
    Refused(Error),
    /// What came is no reply.
    Broken(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(error) => write!(f, "nobody answers: {error}"),
            Self::NotAllowed(error) => write!(f, "not allowed to connect: {error}"),
            Self::Refused(error) => error.fmt(f),
            Self::Broken(reason) => write!(f, "no valid reply: {reason}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NotAllowed(error),
            _ => Self::Gone(error),
        }
    }
}

/// A connection to a driver.
pub struct Client {
    input: Box<dyn Read + Send>,
    output: Box<dyn Write + Send>,
    inbox: Inbox,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to a socket. A reply that does not come in this time is an
    /// error; streams need `None`.
    ///
    /// # Errors
    ///
    /// Nobody is there, or whoever asks may not connect.
    pub fn connect(path: &Path, timeout: Option<Duration>) -> Result<Self, ClientError> {
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(timeout)?;
        socket.set_write_timeout(timeout)?;
        let input = socket.try_clone()?;
        Ok(Self::over(input, socket))
    }

    /// Speaks over any two directions, such as those of a process.
    pub fn over(input: impl Read + Send + 'static, output: impl Write + Send + 'static) -> Self {
        let inbox = Inbox::new(REPLY_OCTETS_MAX);
        Self { input: Box::new(input), output: Box::new(output), inbox }
    }

    /// Makes a call and waits for its reply.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn call<P: Parameters>(&mut self, parameters: &P) -> Result<P::Reply, ClientError> {
        let reply = self.raw(P::METHOD, object(parameters)?)?;
        typed(reply)
    }

    /// Makes a call that gives a stream; takes each reply until `take` says
    /// false or there are no more.
    ///
    /// # Errors
    ///
    /// Why there are none, or no more.
    pub fn stream<P: Parameters>(
        &mut self,
        parameters: &P,
        mut take: impl FnMut(P::Reply) -> bool,
    ) -> Result<(), ClientError> {
        self.raw_stream(P::METHOD, object(parameters)?, |reply| Ok(take(typed(reply)?)))
    }

    /// Makes any call, and gives its reply as it is.
    ///
    /// # Errors
    ///
    /// As in [`call`](Self::call).
    pub fn raw(&mut self, method: &str, parameters: Object) -> Result<Object, ClientError> {
        self.send(method, parameters, false)?;
        self.receive()?.outcome.map_err(ClientError::Refused)
    }

    /// Makes any call that gives a stream.
    ///
    /// # Errors
    ///
    /// As in [`stream`](Self::stream), and those of `take`.
    pub fn raw_stream(
        &mut self,
        method: &str,
        parameters: Object,
        mut take: impl FnMut(Object) -> Result<bool, ClientError>,
    ) -> Result<(), ClientError> {
        self.send(method, parameters, true)?;
        loop {
            let Reply { outcome, continues } = self.receive()?;
            let goes_on = take(outcome.map_err(ClientError::Refused)?)?;
            if !goes_on || !continues {
                return Ok(());
            }
        }
    }

    fn send(&mut self, method: &str, parameters: Object, is_more: bool) -> Result<(), ClientError> {
        let (interface, method) = method.rsplit_once('.').unwrap_or(("", method));
        let (interface, method) = (interface.to_owned(), method.to_owned());
        let request = Request { interface, method, parameters, is_more, is_oneway: false };
        self.output.write_all(&request.write())?;
        self.output.flush()?;
        Ok(())
    }

    fn receive(&mut self) -> Result<Reply, ClientError> {
        let mut octets = [0; 4096];
        loop {
            let message = self.inbox.take();
            if let Some(message) =
                message.map_err(|error| ClientError::Broken(error.to_string()))?
            {
                return Reply::read(&message).map_err(ClientError::Broken);
            }
            match self.input.read(&mut octets) {
                Ok(0) => return Err(ClientError::Gone(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => self.inbox.push(&octets[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn object(parameters: &impl serde::Serialize) -> Result<Object, ClientError> {
    match serde_json::to_value(parameters) {
        Ok(Value::Object(mut object)) => {
            // What is not said is left out, so that an older driver understands.
            object.retain(|_, value| !value.is_null());
            Ok(object)
        }
        Ok(_) => Ok(Object::new()),
        Err(error) => Err(ClientError::Broken(error.to_string())),
    }
}

fn typed<T: DeserializeOwned>(reply: Object) -> Result<T, ClientError> {
    serde_json::from_value(Value::Object(reply))
        .map_err(|error| ClientError::Broken(error.to_string()))
}
