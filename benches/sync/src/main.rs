//! One run of one contender of one row; `cargo xtask bench sync` calls this
//! again and again, in turns, and compares.
//!
//! Every message that counts was delivered, in order and whole: see
//! [`message`].
#![deny(unsafe_code)]

mod cpu;
mod links;
mod locks;
mod measured;
mod memory;
mod message;
mod rows;
mod session;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use self::{
    links::{Asleep, Farend, Floor, Iceoryx, Pipe, RawFutex},
    locks::{
        CompareAndSwap, ParkingLot, Private, Pthread, Reading, ReadingParking, ReadingStandard,
        Robust, Shared, Standard, Units, Writing, WritingParking, WritingStandard,
    },
    measured::Measured,
    rows::{
        broadcast, contended,
        hand_over::{
            self, FarendBarrier, FarendCondvar, FarendEvent, FarendSemaphore, Parking,
            ParkingCondvar, StandardBarrier, StandardCondvar,
        },
        many, one_way, peers, round_trip, uncontended,
    },
    session::{FarArguments, Session},
};

/// Octets of the short message and of the long one.
const SHORT_OCTETS: usize = 64;
const LONG_OCTETS: usize = 65_536;
const SHORT_WORDS: usize = SHORT_OCTETS / 8;
const LONG_WORDS: usize = LONG_OCTETS / 8;

/// Farend's rings: no more octets in flight than iceoryx2 has in its slots.
type Short = Farend<SHORT_OCTETS, { 256 * SHORT_OCTETS as u64 }>;
type Long = Farend<LONG_OCTETS, { 32 * LONG_OCTETS as u64 }>;
type Sleeping = Farend<SHORT_OCTETS, { 256 * SHORT_OCTETS as u64 }, Asleep>;
/// What a larger ring brings.
type Roomy = Farend<SHORT_OCTETS, { 1 << 18 }>;

/// Measures one contender of one row, once.
#[derive(Debug, Parser)]
#[command(name = "sync")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, and print one line of JSON
    Measure {
        /// What to measure: see `list`
        row: String,
        /// Whom
        contender: String,
        /// How many operations, instead of what takes some tenths of a second
        #[arg(long)]
        operations: Option<u64>,
    },
    /// Print every row with its contenders
    List,
    /// The other end; started by `measure`
    #[command(hide = true)]
    Far(FarArguments),
}

/// One contender of one row.
struct Contender {
    row: &'static str,
    name: &'static str,
    operations: u64,
    run: Run,
}

/// How a contender runs.
enum Run {
    /// In this process.
    Alone(fn(u64) -> Result<Option<Measured>>),
    /// Here and in another process.
    Together(fn(Session) -> Result<Option<Measured>>),
}

/// A table: what it costs to add a contender is one line.
fn contenders() -> Vec<Contender> {
    let together = |row, operations, name, run: fn(Session) -> Result<Option<Measured>>| {
        Contender { row, name, operations, run: Run::Together(run) }
    };
    let alone = |row, operations, name, run: fn(u64) -> Result<Option<Measured>>| Contender {
        row,
        name,
        operations,
        run: Run::Alone(run),
    };
    vec![
        together("round-trip", 200_000, "farend", round_trip::run::<Short>),
        together("round-trip", 200_000, "floor", round_trip::run::<Floor>),
        together("round-trip", 200_000, "iceoryx2", round_trip::run::<Iceoryx<SHORT_WORDS, 4>>),
        together("round-trip", 5_000, "raw-futex", round_trip::run::<RawFutex>),
        together("round-trip-blocking", 5_000, "farend", round_trip::run::<Sleeping>),
        together("round-trip-blocking", 5_000, "raw-futex", round_trip::run::<RawFutex>),
        alone("uncontended", 5_000_000, "farend", uncontended::run::<Private>),
        alone("uncontended", 5_000_000, "cas-swap", uncontended::run::<CompareAndSwap>),
        alone("uncontended", 5_000_000, "parking-lot", uncontended::run::<ParkingLot>),
        alone("uncontended", 5_000_000, "std", uncontended::run::<Standard>),
        alone("uncontended-shared", 5_000_000, "farend", uncontended::run::<Shared>),
        alone("uncontended-shared", 5_000_000, "pthread", uncontended::run::<Pthread>),
        alone("uncontended-shared", 5_000_000, "pthread-robust", uncontended::run::<Robust>),
        alone("contended", 0, "farend", contended::run::<Private>),
        alone("contended", 0, "farend-shared", contended::run::<Shared>),
        alone("contended", 0, "parking-lot", contended::run::<ParkingLot>),
        alone("contended", 0, "std", contended::run::<Standard>),
        alone("contended", 0, "pthread", contended::run::<Pthread>),
        together("one-way", 4_000_000, "farend", one_way::run::<Short>),
        together("one-way", 4_000_000, "farend-roomy", one_way::run::<Roomy>),
        together("one-way", 1_000_000, "iceoryx2", one_way::run::<Iceoryx<SHORT_WORDS, 256>>),
        together("one-way", 500_000, "pipe", one_way::run::<Pipe<SHORT_OCTETS>>),
        together("one-way-loaned", 40_000, "farend", one_way::run::<Long>),
        together("one-way-loaned", 40_000, "iceoryx2", one_way::run::<Iceoryx<LONG_WORDS, 32>>),
        together("one-way-loaned", 20_000, "pipe", one_way::run::<Pipe<LONG_OCTETS>>),
        together("broadcast", 4_000_000, "farend", broadcast::block::<1>),
        together("broadcast", 4_000_000, "spsc", one_way::run::<Roomy>),
        together("broadcast", 4_000_000, "overwrite", broadcast::overwrite::<1>),
        together("broadcast-4", 2_000_000, "overwrite", broadcast::overwrite::<4>),
        together("broadcast-4", 500_000, "block", broadcast::block::<4>),
        alone("rwlock-read", 5_000_000, "farend", uncontended::run::<Reading>),
        alone("rwlock-read", 5_000_000, "std", uncontended::run::<ReadingStandard>),
        alone("rwlock-read", 5_000_000, "parking-lot", uncontended::run::<ReadingParking>),
        alone("rwlock-write", 5_000_000, "farend", uncontended::run::<Writing>),
        alone("rwlock-write", 5_000_000, "std", uncontended::run::<WritingStandard>),
        alone("rwlock-write", 5_000_000, "parking-lot", uncontended::run::<WritingParking>),
        alone("semaphore", 5_000_000, "farend", uncontended::run::<Units>),
        alone("semaphore", 5_000_000, "cas-swap", uncontended::run::<CompareAndSwap>),
        alone("waiting", 100_000, "farend", hand_over::waiting::<Private>),
        alone("waiting", 100_000, "std", hand_over::waiting::<Standard>),
        alone("waiting", 100_000, "parking-lot", hand_over::waiting::<ParkingLot>),
        alone("turns-condvar", 20_000, "farend", hand_over::run::<FarendCondvar>),
        alone("turns-condvar", 20_000, "std", hand_over::run::<StandardCondvar>),
        alone("turns-condvar", 20_000, "parking-lot", hand_over::run::<ParkingCondvar>),
        alone("turns-semaphore", 20_000, "farend", hand_over::run::<FarendSemaphore>),
        alone("turns-semaphore", 20_000, "std", hand_over::run::<Parking>),
        alone("turns-event", 20_000, "farend", hand_over::run::<FarendEvent>),
        alone("turns-event", 20_000, "std", hand_over::run::<Parking>),
        alone("turns-barrier", 20_000, "farend", hand_over::run::<FarendBarrier>),
        alone("turns-barrier", 20_000, "std", hand_over::run::<StandardBarrier>),
        alone("many-to-one", 2_000_000, "farend", many::farend),
        alone("many-to-one", 2_000_000, "crossbeam", many::crossbeam),
        alone("one-to-many", 500_000, "farend", many::farend_to_many),
        alone("one-to-many", 500_000, "crossbeam", many::crossbeam_to_many),
        together("death", 200, "farend", peers::death),
        together("idle-wakes", 1, "farend", peers::idle_wakes),
        together("idle-cpu", 1, "farend", peers::idle_cpu),
    ]
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let measured = match command {
        Command::List => {
            for contender in contenders() {
                println!("{} {}", contender.row, contender.name);
            }
            None
        }
        Command::Measure { row, contender, operations } => {
            let found = find(&row, &contender)?;
            let operations = operations.unwrap_or(found.operations);
            match found.run {
                Run::Alone(run) => run(operations)?,
                Run::Together(run) => run(Session::near(&row, &contender, operations)?)?,
            }
        }
        Command::Far(arguments) => {
            let found = find(&arguments.row, &arguments.contender)?;
            let Run::Together(run) = found.run else { bail!("this row has no far side") };
            run(Session::far(arguments)?)?
        }
    };
    if let Some(measured) = measured {
        println!("{}", serde_json::to_string(&measured)?);
    }
    Ok(())
}

fn find(row: &str, name: &str) -> Result<Contender> {
    let mut contenders = contenders().into_iter();
    match contenders.find(|contender| contender.row == row && contender.name == name) {
        Some(contender) => Ok(contender),
        None => bail!("no contender {name} in a row {row}; see `sync list`"),
    }
}
