//! A worker: does what its seat does, until it is killed.

mod locks;
mod named;
mod rings;

use anyhow::{Context as _, Result};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{
    numbers::Numbers,
    world::{Role, SEATS, Seat, Shared, World},
};

/// Where the worker belongs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    seat: usize,
    /// Number of the worker: no other has it.
    generation: u64,
    #[arg(long)]
    coordinator: u32,
    #[arg(long)]
    memory: i32,
    #[arg(long)]
    name: String,
}

/// What a worker has at hand.
pub(crate) struct Worker {
    world: &'static World,
    seat: &'static Seat,
    generation: u64,
    name: String,
    numbers: Numbers,
}

/// Works until killed.
///
/// # Errors
/// If anything is not as it must be.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot die with the parent")?;
    let shared = Shared::open(arguments.coordinator, arguments.memory)?;
    let seat = shared.world.seats.get(arguments.seat).context("no such seat")?;
    let mut worker = Worker {
        world: shared.world,
        seat,
        generation: arguments.generation,
        name: arguments.name.clone(),
        numbers: Numbers::new(arguments.generation),
    };
    match SEATS.get(arguments.seat).context("no such seat")? {
        Role::Locker => worker.lock(),
        Role::Sender => worker.send(),
        Role::Receiver => worker.receive(),
        Role::Publisher => worker.publish(),
        Role::Subscriber => worker.subscribe(),
        Role::ChannelSender => worker.send_to_all(),
        Role::ChannelReceiver => worker.receive_from_all(),
        Role::RouteSender => worker.route(),
        Role::RouteReceiver => worker.follow(),
        Role::Namer => worker.lock_by_name(),
    }
}
