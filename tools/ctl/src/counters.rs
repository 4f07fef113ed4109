//! The `counters` command: shows the page of counters that a driver keeps in
//! shared memory.

pub(crate) mod text;

use std::{
    io::{self, ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::Value;

use crate::{
    attach::{Attached, Next},
    error::Error,
    time::parse_seconds_ns,
};

const EXAMPLES: &str = "\
The driver makes the page: farend-xdp eth1 --counters-page lab. It is up to a quarter
of a second old, and reading it does not ask the driver for anything.

Examples:
  What has it done so far?
    sudo farendctl counters lab

  Every second, until Ctrl-C:
    sudo farendctl counters lab --watch

  For a program: the JSON of farend-xdp --stats json, one line
    sudo farendctl counters lab --json

Exit codes: 0 shown, 1 no such page, it cannot be read, or its driver was killed,
2 wrong arguments.";

/// The schema of the drivers' lines, and the version that is read.
const SCHEMA: &str = "farend.statistics";
const VERSION: u64 = 1;

/// How long a page may stay empty: as long as a driver takes to start.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at who asks to stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Shows the counters that a driver on this host keeps in shared memory.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CountersArgs {
    /// Name of the page, as the driver was given it:
    /// farend-xdp --counters-page NAME
    pub name: String,

    /// Go on, once every --interval
    #[arg(long)]
    pub watch: bool,

    /// Seconds between two looks
    #[arg(long, value_name = "S", default_value = "1", value_parser = parse_seconds_ns,
          requires = "watch")]
    pub interval: u64,

    /// Wait for the driver if it is not there yet
    #[arg(long)]
    pub wait: bool,
}

/// Shows the page, once or again and again. Returns whether its driver lives
/// or ended in order.
///
/// # Errors
///
/// [`Error::Usage`] for a name that is none; [`Error::Run`] for a page that is
/// not there or cannot be read.
pub fn counters(
    args: &CountersArgs,
    is_json: bool,
    stop: &AtomicBool,
    out: &mut impl Write,
) -> Result<bool, Error> {
    let mut attached = Attached::open(&args.name, 1, args.wait, stop)?;
    let mut is_orderly = true;
    let deadline = Instant::now() + PATIENCE;
    let mut is_shown = false;
    while !stop.load(Ordering::Relaxed) {
        let (page, end) = latest(&mut attached)?;
        if let Some(page) = page {
            is_shown = true;
            match show(is_json, &page, out) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(is_orderly),
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return Err(Error::run(format!("{}: {error}", args.name)));
                }
                Err(error) => {
                    return Err(Error::run(format!("cannot write to standard output: {error}")));
                }
            }
        }
        if let Some(is_killed) = end {
            let how = if is_killed { "was killed or crashed" } else { "has ended" };
            eprintln!("the driver {how}: these are its last counters");
            is_orderly = !is_killed;
        }
        if !args.watch {
            if is_shown || end.is_some() {
                return Ok(is_orderly);
            }
            if Instant::now() >= deadline {
                return Err(Error::run(format!(
                    "{}: nothing is on the page: is it one of counters?",
                    args.name
                )));
            }
            thread::sleep(LOOK_INTERVAL);
            continue;
        }
        sleep(Duration::from_nanos(args.interval), stop);
    }
    Ok(is_orderly)
}

/// The latest page, if there is a new one, and whether the driver was killed,
/// if it has ended.
fn latest(attached: &mut Attached) -> Result<(Option<Vec<u8>>, Option<bool>), Error> {
    let mut page = None;
    loop {
        match attached.try_next()? {
            Next::Message(message) => page = Some(attached.octets(message).to_vec()),
            Next::Nothing => return Ok((page, None)),
            Next::Ended { is_killed } => return Ok((page, Some(is_killed))),
        }
    }
}

fn show(is_json: bool, page: &[u8], out: &mut impl Write) -> io::Result<()> {
    let read: Value = serde_json::from_slice(page).map_err(|_| foreign())?;
    if read["schema"] != SCHEMA {
        return Err(foreign());
    }
    if read["version"] != VERSION {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            format!(
                "the page is of version {}, this program reads version {VERSION}: use driver \
                 and farendctl of one release, or --json of the driver's",
                read["version"]
            ),
        ));
    }
    if is_json {
        out.write_all(page)?;
        writeln!(out)?;
    } else {
        text::write(out, &read)?;
    }
    out.flush()
}

fn foreign() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "it is no page of counters: check the name")
}

fn sleep(time: Duration, stop: &AtomicBool) {
    let end = Instant::now() + time;
    while !stop.load(Ordering::Relaxed) && Instant::now() < end {
        thread::sleep(LOOK_INTERVAL.min(time));
    }
}
