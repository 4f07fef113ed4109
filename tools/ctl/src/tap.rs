//! The `tap` command: shows frames that a driver puts into shared memory.

mod line;
mod record;

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use clap::Args;
use farend_capture::tap::Head;

use self::record::Record;
use crate::{
    attach::{Attached, Next},
    error::Error,
    time::parse_seconds_ns,
};

const EXAMPLES: &str = "\
The driver makes the tap: farend-xdp eth1 --tap lab. Attaching, falling behind or being
killed here does not slow it: what this reader is too slow for is counted, and said.

Examples:
  Frames as they pass, one a line, until Ctrl-C:
    sudo farendctl tap lab

  A thousand of them into a file for Wireshark:
    sudo farendctl tap lab --write lab.pcapng --count 1000

  Ten seconds as JSON, waiting for the driver to start:
    sudo farendctl tap lab --wait --duration 10 --json

Exit codes: 0 shown, 1 no such tap, it cannot be read, or its driver was killed (without
--wait), 2 wrong arguments.";

/// Shows frames that a driver on this host sees, as they pass.
///
/// A line has the time (UTC), the interface, what became of the frame, its
/// octets without FCS, and its addresses as it was received. When the driver
/// ends, the next one with this tap is waited for.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TapArgs {
    /// Name of the tap, as the driver was given it: farend-xdp --tap NAME
    pub name: String,

    /// Write the frames to a pcapng file instead of printing them
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// Stop after so many frames [default: until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Stop after so many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds_ns)]
    pub duration: Option<u64>,

    /// Wait for the driver if it is not there yet
    #[arg(long)]
    pub wait: bool,
}

/// What was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Seen {
    frames: u64,
    /// Overwritten before they were read.
    missed: u64,
    /// Not of this version, or broken.
    unread: u64,
}

/// Shows frames until there is a reason to stop. A reader of ours that goes
/// away, as `head` does, is one.
///
/// # Errors
///
/// [`Error::Usage`] for a name that is none; [`Error::Run`] for a tap that is
/// not there or cannot be read, and a file that cannot be written.
pub fn tap(
    args: &TapArgs,
    is_json: bool,
    stop: &AtomicBool,
    out: &mut impl Write,
) -> Result<(), Error> {
    if is_json && args.write.is_some() {
        return Err(Error::usage("--write and --json exclude each other"));
    }
    let end = args.duration.map(|ns| Instant::now() + Duration::from_nanos(ns));
    let mut sink = Sink::open(args, is_json, out)?;
    let mut attached = Attached::open(&args.name, 0, args.wait, stop)?;
    let mut seen = Seen::default();
    let shown = show(args, &mut attached, &mut sink, &mut seen, stop, end);
    let finished = shown.and_then(|()| sink.finish(&seen));
    let Seen { frames, missed, unread } = seen;
    eprintln!("{frames} frames shown, {missed} missed because this reader did not keep up");
    if unread > 0 {
        eprintln!("{unread} records were not read");
    }
    match finished {
        Err(Stopped::Closed) | Ok(()) => Ok(()),
        Err(Stopped::Failed(error)) => Err(error),
    }
}

/// Why showing stopped early.
enum Stopped {
    /// Nobody reads standard output any more.
    Closed,
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn show(
    args: &TapArgs,
    attached: &mut Attached,
    sink: &mut Sink<'_, impl Write>,
    seen: &mut Seen,
    stop: &AtomicBool,
    end: Option<Instant>,
) -> Result<(), Stopped> {
    let is_over = |seen: &Seen| {
        stop.load(Ordering::Relaxed)
            || end.is_some_and(|end| Instant::now() >= end)
            || args.count.is_some_and(|count| seen.frames >= count)
    };
    // Frames that were missed and not yet told of.
    let mut missed = 0;
    while !is_over(seen) {
        let next = match attached.try_next()? {
            Next::Nothing => {
                sink.flush()?;
                attached.wait_next()?
            }
            next => next,
        };
        match next {
            Next::Nothing => {}
            Next::Ended { is_killed } => {
                sink.flush()?;
                let how = if is_killed { "was killed or crashed" } else { "has ended" };
                if is_killed && !args.wait {
                    return Err(Error::run(format!("{}: the driver {how}", args.name)).into());
                }
                eprintln!("the driver {how}; waiting for the next one with tap {}", args.name);
            }
            Next::Message(message) => {
                seen.missed += message.lost;
                missed += message.lost;
                match Head::parse(attached.octets(message)) {
                    Ok((head, octets)) => {
                        sink.put(&Record { head, octets, missed })?;
                        missed = 0;
                        seen.frames += 1;
                    }
                    Err(unread) if seen.frames == 0 => {
                        return Err(Error::run(format!("{}: {unread}", args.name)).into());
                    }
                    Err(_) => seen.unread += 1,
                }
            }
        }
    }
    Ok(())
}

/// Where frames go.
enum Sink<'out, W: Write> {
    Text(BufWriter<&'out mut W>),
    Json(BufWriter<&'out mut W>),
    File(record::Capture),
}

impl<'out, W: Write> Sink<'out, W> {
    fn open(args: &TapArgs, is_json: bool, out: &'out mut W) -> Result<Self, Error> {
        match &args.write {
            Some(path) => record::Capture::create(path).map(Self::File),
            None if is_json => Ok(Self::Json(BufWriter::new(out))),
            None => Ok(Self::Text(BufWriter::new(out))),
        }
    }

    fn put(&mut self, record: &Record<'_>) -> Result<(), Stopped> {
        match self {
            Self::Text(out) => line::write_text(out, record).map_err(unwritten),
            Self::Json(out) => line::write_json(out, record).map_err(unwritten),
            Self::File(file) => Ok(file.put(record)?),
        }
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        match self {
            Self::Text(out) | Self::Json(out) => out.flush().map_err(unwritten),
            Self::File(file) => Ok(file.flush()?),
        }
    }

    fn finish(mut self, seen: &Seen) -> Result<(), Stopped> {
        if let Self::Json(out) = &mut self {
            line::write_json_end(out, seen).map_err(unwritten)?;
        }
        self.flush()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritten(error: io::Error) -> Stopped {
    match error.kind() {
        ErrorKind::BrokenPipe => Stopped::Closed,
        _ => Error::run(format!("cannot write to standard output: {error}")).into(),
    }
}
