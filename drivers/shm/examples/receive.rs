//! Makes a ring and prints the lines that `send` puts into it.
//!
//! ```text
//! cargo run -p farend-shm --example receive -- /farend-lines
//! cargo run -p farend-shm --example send -- /farend-lines
//! ```

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use farend_shm::{Deadline, RingError, spsc};

/// Octets of the ring: lines of up to half of it, less 8.
const CAPACITY_OCTETS: u64 = 1 << 16;

fn main() -> ExitCode {
    let Some(name) = env::args().nth(1) else {
        eprintln!("receive: name the ring, for example /farend-lines");
        return ExitCode::from(2);
    };
    match receive(&name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("receive: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Until the sender ends, or is killed.
fn receive(name: &str) -> Result<(), Box<dyn Error>> {
    let mut receiver = spsc::Ring::create(name, CAPACITY_OCTETS)?.receiver()?;
    let mut output = io::stdout().lock();
    loop {
        match receiver.receive(Deadline::NEVER) {
            Ok(line) => {
                output.write_all(line)?;
                output.write_all(b"\n")?;
            }
            Err(RingError::PeerLeft) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
