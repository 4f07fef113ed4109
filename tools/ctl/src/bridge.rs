//! `bridge`: a driver's socket on standard input and output, for ssh.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    thread,
};

use clap::Args;
use farend_control::{address, client::ClientError};

use crate::{
    drivers::{Which, paths},
    error::Error,
    print,
};

/// What `bridge` is given.
#[derive(Args, Clone, Debug)]
pub struct BridgeArgs {
    /// Print the names of the drivers, and end
    #[arg(long)]
    pub list: bool,
}

/// Copies both ways until one end closes.
///
/// # Errors
///
/// Nobody is there, several are, or whoever asks may not connect.
pub fn bridge(args: &BridgeArgs, which: &Which, out: &mut impl Write) -> Result<(), Error> {
    let paths = paths(which);
    if args.list {
        for path in &paths {
            print::line(out, &address::driver(path))?;
        }
        return Ok(());
    }
    let path = match paths.as_slice() {
        [path] => path,
        [] => return Err(Error::Nobody("no such driver is there".to_owned())),
        _ => return Err(Error::usage("several drivers are there: name one with --driver")),
    };
    let socket = UnixStream::connect(path);
    let socket = socket
        .map_err(|error| Error::of_call(&address::driver(path), &ClientError::from(error)))?;
    let failed = |error: io::Error| Error::run(format!("bridge: {error}"));
    let mut input = socket.try_clone().map_err(failed)?;
    thread::spawn(move || {
        let _ = copy(&mut io::stdin().lock(), &mut input);
        // The driver sees the end of what is asked.
        let _ = input.shutdown(Shutdown::Write);
    });
    copy(&mut &socket, out).map_err(failed)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut octets = [0; 16 << 10];
    loop {
        match from.read(&mut octets) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                to.write_all(&octets[..read])?;
                to.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
