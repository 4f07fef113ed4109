//! What is told, as lines of JSON.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::world::World;

/// How far it is.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether this is the last line.
    pub(crate) is_end: bool,
    pub(crate) seconds: f64,
    /// Workers killed.
    pub(crate) kills: u64,
    /// Locks taken and messages passed.
    pub(crate) operations: u64,
    /// Locks taken from the dead, told as such.
    pub(crate) owners_died: u64,
    /// Messages that arrived whole and in their order.
    pub(crate) messages: u64,
    /// Messages that a subscriber was told to have missed.
    pub(crate) lagged: u64,
    /// Calms, in each of which every living worker went on.
    pub(crate) calms: u64,
    /// Median time until all workers went on, from the start of a calm.
    pub(crate) went_on_p50_ms: f64,
    /// The longest.
    pub(crate) went_on_max_ms: f64,
    /// What was not as it must be.
    pub(crate) faults: Vec<String>,
}

impl Report {
    /// Adds up what the workers tell, and prints a line.
    pub(crate) fn print(&mut self, world: &World) {
        let sum = |of: fn(&crate::world::Seat) -> &std::sync::atomic::AtomicU64| {
            world.seats.iter().map(|seat| of(seat).load(Ordering::Relaxed)).sum()
        };
        self.operations = sum(|seat| &seat.operations);
        self.owners_died = sum(|seat| &seat.owners_died);
        self.messages = sum(|seat| &seat.messages);
        self.lagged = sum(|seat| &seat.lagged);
        match serde_json::to_string(self) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("cannot write JSON: {error}"),
        }
    }
}
