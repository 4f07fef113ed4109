//! What is found by a name alone, by whoever comes first: a channel, a route, a mutex, a
//! condition variable and a semaphore. Makers are killed too, and others inherit the names.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use farend_core::sync::{Futex, LockError, MutexGuard, Owners, Shared};
use farend_shm::{
    Deadline, SlowReader, broadcast,
    channel::{Channel, Options},
    named::{Condvar, Mutex, Semaphore},
    route::{self, RouteError},
};

use super::{
    Worker,
    rings::{Message, WAIT, open, passed, take},
};
use crate::coordinator::MESSAGE_OCTETS_MAX;

const CHANNEL: Options = Options {
    capacity_messages: 16,
    message_octets_max: MESSAGE_OCTETS_MAX as u64,
    senders_max: 4,
    receivers_max: 3,
    slow_receiver: SlowReader::Block,
};

const ROUTE: broadcast::Options = broadcast::Options {
    capacity_messages: 16,
    message_octets_max: MESSAGE_OCTETS_MAX as u64,
    subscribers_max: 3,
    slow_reader: SlowReader::Block,
};

/// How long a thread waits for a named semaphore or a notice.
const SHORT: Duration = Duration::from_millis(1);

impl Worker {
    pub(super) fn send_to_all(&mut self) -> Result<()> {
        let channel = Channel::open_or_create(&format!("{}-c", self.name), CHANNEL)?;
        let mut sender = take(|| channel.sender())?;
        let mut message = Message::default();
        for number in 0.. {
            let octets = message.make(self.generation, number, &mut self.numbers);
            while !passed(sender.send(octets, Deadline::after(WAIT)).map(drop))? {}
            self.seat.operations.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn receive_from_all(&mut self) -> Result<()> {
        let channel = Channel::open_or_create(&format!("{}-c", self.name), CHANNEL)?;
        let mut receiver = take(|| channel.receiver())?;
        let mut buffer = [0; MESSAGE_OCTETS_MAX];
        let mut lasts = [None; 4];
        loop {
            let message = match receiver.receive(&mut buffer, Deadline::after(WAIT)) {
                Ok(message) => message,
                Err(error) => {
                    passed(Err(error))?;
                    continue;
                }
            };
            let octets = buffer.get(..message.octets).context("longer than the buffer")?;
            let last = lasts.get_mut(message.sender).context("no such sender")?;
            self.follows("channel", last, open(octets)?)?;
        }
    }

    pub(super) fn route(&mut self) -> Result<()> {
        let name = format!("{}-r", self.name);
        let mut sender = side(|| route::sender(&name, ROUTE))?;
        let mut message = Message::default();
        for number in 0.. {
            let octets = message.make(self.generation, number, &mut self.numbers);
            while !passed(sender.send(octets, Deadline::after(WAIT)).map(drop))? {}
            self.seat.operations.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn follow(&mut self) -> Result<()> {
        let name = format!("{}-r", self.name);
        let mut receiver = side(|| route::receiver(&name, ROUTE))?;
        let mut last = None;
        loop {
            match receiver.receive_in_place(Deadline::after(WAIT)) {
                Ok(octets) => {
                    let found = open(octets)?;
                    self.follows("route", &mut last, found)?;
                }
                Err(error) => {
                    passed(Err(error))?;
                }
            }
        }
    }

    /// Counts a message that must come after the last one of its ring.
    fn follows(
        &self,
        ring: &str,
        last: &mut Option<(u64, u64)>,
        (generation, number): (u64, u64),
    ) -> Result<()> {
        let is_next = match *last {
            None => true,
            Some((same, before)) if same == generation => number == before + 1,
            Some((older, _)) => generation > older && number == 0,
        };
        ensure!(is_next, "{ring}: {generation}/{number} after {last:?}");
        *last = Some((generation, number));
        self.seat.messages.fetch_add(1, Ordering::Relaxed);
        self.seat.operations.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn lock_by_name(&mut self) -> Result<()> {
        let count = Mutex::<[u64; 2]>::open_or_create(&format!("{}-m", self.name))?;
        let counted = Condvar::open_or_create(&format!("{}-v", self.name))?;
        let units = Semaphore::open_or_create_with_units(&format!("{}-u", self.name), 2)?;
        loop {
            let mut guard = match count.lock() {
                Ok(guard) => {
                    ensure!(guard[0] == guard[1], "named mutex: two had it: {guard:?}");
                    guard
                }
                Err(LockError::OwnerDied(guard)) => self.mended(guard)?,
                Err(LockError::Refused(refused)) => bail!("named mutex: {refused}"),
            };
            guard[0] += 1;
            guard[1] += 1;
            if self.numbers.below(64) == 0 {
                match counted.wait_for(guard, SHORT) {
                    Ok(_guard) => {}
                    // It died while this one waited, with the mutex in hand.
                    Err(LockError::OwnerDied(guard)) => drop(self.mended(guard)?),
                    Err(LockError::Refused(refused)) => {
                        bail!("named condition variable: {refused}")
                    }
                }
            } else {
                drop(guard);
            }
            counted.notify_one();
            // First given, then taken: one that dies in between leaves a unit more.
            units.post().context("named semaphore")?;
            units.acquire_for(WAIT).context("named semaphore")?;
            self.seat.operations.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a dead owner left, made whole.
    fn mended<'m, F: Futex<Shared> + Owners>(
        &self,
        mut guard: MutexGuard<'m, [u64; 2], Shared, F>,
    ) -> Result<MutexGuard<'m, [u64; 2], Shared, F>> {
        let is_sound = guard[0] == guard[1] || guard[0] == guard[1] + 1;
        ensure!(is_sound, "named mutex: {guard:?}");
        guard[1] = guard[0];
        MutexGuard::make_consistent(&guard).context("it is mine")?;
        self.seat.owners_died.fetch_add(1, Ordering::Relaxed);
        Ok(guard)
    }
}

/// Becomes a side of a route, once the last one is known to be dead.
fn side<T>(mut open: impl FnMut() -> Result<T, RouteError>) -> Result<T> {
    take(|| match open() {
        Ok(side) => Ok(Ok(side)),
        Err(RouteError::Ring(error)) => Err(error),
        Err(RouteError::Segment(error)) => Ok(Err(error)),
    })?
    .context("cannot open the route")
}
