//! Sends lines of standard input through a ring to `receive`.
//!
//! ```text
//! cargo run -p farend-shm --example receive -- /farend-lines
//! cargo run -p farend-shm --example send -- /farend-lines
//! ```

use std::{env, error::Error, io, process::ExitCode};

use farend_shm::{Deadline, spsc};

fn main() -> ExitCode {
    let Some(name) = env::args().nth(1) else {
        eprintln!("send: name the ring, for example /farend-lines");
        return ExitCode::from(2);
    };
    match send(&name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("send: {error}");
            ExitCode::FAILURE
        }
    }
}

fn send(name: &str) -> Result<(), Box<dyn Error>> {
    let mut sender = spsc::Ring::attach(name)?.sender()?;
    for line in io::stdin().lines() {
        sender.send(line?.as_bytes(), Deadline::NEVER)?;
    }
    Ok(())
}
