//! Both sides of both rings. A message is some words: who sent it, its number
//! with that sender, words that follow from both, and the sum of all.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use farend_shm::{Deadline, RingError, broadcast, spsc};

use super::Worker;
use crate::{coordinator::MESSAGE_OCTETS_MAX, numbers::Numbers};

/// A side that was killed may be there still, for a moment.
const TAKE_OVER: Duration = Duration::from_secs(10);
pub(super) const WAIT: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_micros(200);
const WORDS_MIN: u64 = 3;
const WORDS_MAX: u64 = MESSAGE_OCTETS_MAX as u64 / 8;

impl Worker {
    pub(super) fn send(&mut self) -> Result<()> {
        let ring = spsc::Ring::attach(&format!("{}-s", self.name)).context("cannot attach")?;
        let mut sender = take(|| ring.sender())?;
        let mut message = Message::default();
        for number in 0.. {
            let octets = message.make(self.generation, number, &mut self.numbers);
            while !passed(sender.send(octets, Deadline::after(WAIT)))? {}
            self.seat.operations.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn receive(&mut self) -> Result<()> {
        let ring = spsc::Ring::attach(&format!("{}-s", self.name)).context("cannot attach")?;
        let mut receiver = take(|| ring.receiver())?;
        let mut last = None;
        loop {
            let record = match receiver.receive(Deadline::after(WAIT)) {
                Ok(record) => record,
                Err(error) => {
                    passed(Err(error))?;
                    continue;
                }
            };
            let (generation, number) = open(record)?;
            let is_next = match last {
                // A receiver that takes over may see some messages again.
                None => true,
                Some((same, before)) if same == generation => number == before + 1,
                Some((older, _)) => generation > older && number == 0,
            };
            ensure!(is_next, "spsc: {generation}/{number} after {last:?}");
            last = Some((generation, number));
            self.seat.messages.fetch_add(1, Ordering::Relaxed);
            self.seat.operations.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn publish(&mut self) -> Result<()> {
        let ring = broadcast::Ring::attach(&format!("{}-b", self.name)).context("cannot attach")?;
        let mut publisher = take(|| ring.publisher())?;
        let mut message = Message::default();
        for number in 0.. {
            let octets = message.make(self.generation, number, &mut self.numbers);
            while !passed(publisher.send(octets, Deadline::after(WAIT)).map(|_| ()))? {}
            self.seat.operations.fetch_add(1, Ordering::Relaxed);
            // Else a subscriber that shares the CPU would hardly see one.
            if number % 64 == 0 {
                thread::yield_now();
            }
        }
        Ok(())
    }

    pub(super) fn subscribe(&mut self) -> Result<()> {
        let ring = broadcast::Ring::attach(&format!("{}-b", self.name)).context("cannot attach")?;
        let mut subscriber = take(|| ring.subscriber())?;
        let mut buffer = [0; MESSAGE_OCTETS_MAX];
        let mut last: Option<(u64, u64)> = None;
        loop {
            let message = match subscriber.receive(&mut buffer, Deadline::after(WAIT)) {
                Ok(message) => message,
                Err(error) => {
                    passed(Err(error))?;
                    continue;
                }
            };
            let octets = buffer.get(..message.octets).context("longer than the buffer")?;
            let (generation, number) = open(octets)?;
            let is_next = match last {
                None => true,
                Some((same, before)) if same == generation => number == before + 1 + message.lost,
                Some((older, _)) => generation > older && number <= message.lost,
            };
            ensure!(is_next, "broadcast: {generation}/{number} after {last:?}, {message:?}");
            last = Some((generation, number));
            self.seat.lagged.fetch_add(message.lost, Ordering::Relaxed);
            self.seat.messages.fetch_add(1, Ordering::Relaxed);
            self.seat.operations.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Becomes a side of a ring, once the last one is known to be dead.
pub(super) fn take<T>(mut side: impl FnMut() -> Result<T, RingError>) -> Result<T> {
    let start = Instant::now();
    loop {
        match side() {
            Err(
                RingError::Taken(_)
                | RingError::NoReaderFree { .. }
                | RingError::NoSenderFree { .. },
            ) if start.elapsed() < TAKE_OVER => {
                thread::sleep(PAUSE);
            }
            side => return side.context("cannot take a side of the ring"),
        }
    }
}

/// Whether it was sent or received; an error if the ring is broken. That the
/// other side is dead or slow is what this is about.
pub(super) fn passed(result: Result<(), RingError>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(RingError::TimedOut) => Ok(false),
        Err(RingError::PeerDied(_) | RingError::PeerLeft) => {
            thread::sleep(PAUSE);
            Ok(false)
        }
        Err(error) => bail!("ring: {error}"),
    }
}

/// Room for one message.
pub(super) struct Message([u8; MESSAGE_OCTETS_MAX]);

impl Default for Message {
    fn default() -> Self {
        Self([0; MESSAGE_OCTETS_MAX])
    }
}

impl Message {
    /// Writes a message of random length.
    pub(super) fn make(&mut self, generation: u64, number: u64, numbers: &mut Numbers) -> &[u8] {
        let count = WORDS_MIN + numbers.below(WORDS_MAX - WORDS_MIN + 1);
        let count = usize::try_from(count).unwrap_or(0);
        let mut sum = 0_u64;
        let words = self.0.as_chunks_mut::<8>().0.iter_mut().take(count);
        for (index, word) in words.enumerate() {
            let value = match index {
                0 => generation,
                1 => number,
                _ if index + 1 == count => sum,
                _ => generation.rotate_left(32) ^ number.wrapping_mul(index as u64),
            };
            sum = sum.rotate_left(1).wrapping_add(value);
            *word = value.to_ne_bytes();
        }
        self.0.get(..count * 8).unwrap_or(&[])
    }
}

/// Who sent a message, and its number; an error if it is not whole.
pub(super) fn open(message: &[u8]) -> Result<(u64, u64)> {
    let (words, rest) = message.as_chunks::<8>();
    let [generation, number, .., last] = words else { bail!("{} octets", message.len()) };
    let body = words.iter().take(words.len() - 1);
    let sum =
        body.fold(0_u64, |sum, word| sum.rotate_left(1).wrapping_add(u64::from_ne_bytes(*word)));
    let is_whole = rest.is_empty() && u64::from_ne_bytes(*last) == sum;
    ensure!(is_whole, "a message of {} octets is not whole", message.len());
    Ok((u64::from_ne_bytes(*generation), u64::from_ne_bytes(*number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_opened_as_it_was_made_and_not_otherwise() {
        let mut message = Message::default();
        let mut numbers = Numbers::new(1);
        for number in 0..100 {
            let octets = message.make(7, number, &mut numbers).to_vec();
            assert_eq!(open(&octets).unwrap(), (7, number));
            for index in 0..octets.len() {
                let mut torn = octets.clone();
                torn[index] ^= 1;
                assert!(open(&torn).is_err(), "octet {index}");
            }
        }
    }
}
