//! The side that receives.

use core::{array, cell::Cell, marker::PhantomData};

use super::{Channel, Claim, LANES};
use crate::{
    ring::{
        Alert, Error, Liveness, Owner,
        alert::Peers as Alerting,
        broadcast::Reader,
        seeded::{Fault, is_seeded},
        wait::{Peers, Watch, wait_until},
    },
    sync::{Futex, Shared},
};

/// How many messages in a row are taken from one sender while others have some.
const TURN_MESSAGES: u32 = 16;

/// One of a channel's receivers.
pub struct Receiver<'m, F: Futex<Shared>, L: Liveness> {
    channel: Channel<'m>,
    place: Claim<'m>,
    lanes: [Option<Reader<'m, F, L>>; LANES],
    /// The lane that is looked at first.
    turn: usize,
    /// Messages that it had in this turn.
    taken: u32,
    /// The lane whose message was peeked at.
    peeked: Option<usize>,
    watch: Watch,
    /// Senders that were found dead, by their lanes.
    dead: [Cell<Owner>; LANES],
}

/// A message that was copied out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Its octets in the buffer.
    pub octets: usize,
    /// How many messages of this sender before it were overwritten before they could be
    /// read.
    pub lost: u64,
    /// The sender's number, from 0: of a sender that left or died, a later one can have it.
    pub sender: usize,
}

impl<'m, F: Futex<Shared>, L: Liveness> Receiver<'m, F, L> {
    pub(super) fn new(channel: Channel<'m>, place: Claim<'m>, index: u32) -> Result<Self, Error> {
        let mut lanes = array::from_fn(|_| None);
        for ((_, lane), reader) in channel.lanes().zip(&mut lanes) {
            *reader = Some(lane.reader_at::<F, L>(index)?);
        }
        let (watch, dead) = (Watch::default(), array::from_fn(|_| Cell::new(Owner::NOBODY)));
        Ok(Self { channel, place, lanes, turn: 0, taken: 0, peeked: None, watch, dead })
    }

    /// Octets of the longest message.
    #[must_use]
    pub fn message_octets_max(&self) -> usize {
        usize::try_from(self.channel.layout.message_octets_max()).unwrap_or(usize::MAX)
    }

    /// Copies the next message into `buffer`; `None` if there is none yet.
    ///
    /// # Errors
    /// [`Error::BufferTooShort`], [`Error::Corrupt`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Message>, Error> {
        self.peeked = None;
        for _ in 0..self.channel.layout.senders_max() {
            if let Some((sender, lane)) = self.lane()
                && let Some(message) = lane.read(buffer)?
            {
                self.count();
                let (octets, lost) = (message.octets, message.lost);
                return Ok(Some(Message { octets, lost, sender }));
            }
            self.go_on();
        }
        Ok(None)
    }

    /// Shows the next message where it lies; `None` if there is none yet.
    ///
    /// # Errors
    /// [`Error::NotInPlace`] with
    /// [`SlowReader::Overwrite`](crate::ring::SlowReader::Overwrite); [`Error::Corrupt`].
    pub fn peek(&mut self) -> Result<Option<&[u8]>, Error> {
        self.peeked = None;
        for _ in 0..self.channel.layout.senders_max() {
            if let Some((sender, lane)) = self.lane()
                && lane.has_message()?
            {
                self.peeked = Some(sender);
                break;
            }
            self.go_on();
        }
        let lane = self.peeked.and_then(|sender| self.lanes.get_mut(sender)?.as_mut());
        lane.map_or(Ok(None), Reader::peek)
    }

    /// Goes past the message that [`peek`](Self::peek) showed last; does nothing if there is
    /// none, or if another was [read](Self::read) since.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the message was overwritten while it was read.
    pub fn release(&mut self) -> Result<(), Error> {
        let peeked = self.peeked.take();
        let Some(lane) = peeked.and_then(|sender| self.lanes.get_mut(sender)?.as_mut()) else {
            return Ok(());
        };
        let released = lane.release();
        self.count();
        released
    }

    /// Gives all messages that were read back to their senders now, and wakes those that
    /// sleep.
    pub fn flush(&mut self) {
        self.lanes.iter_mut().flatten().for_each(Reader::flush);
    }

    /// Waits for a message, at most until `deadline_ns` of the backend's clock. While no
    /// sender has ever come, it waits for one.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::PeerLeft`] if no message is left and all senders have
    /// left, [`Error::PeerDied`] if one of them was killed; [`Error::Corrupt`].
    pub fn wait_message(&mut self, deadline_ns: u64) -> Result<(), Error> {
        let (channel, place, mut watch) = (self.channel, self.place, self.watch);
        let dead = self.dead.clone();
        let senders = Senders::<L> { channel, place, dead: &dead, liveness: PhantomData };
        let look = || self.has_message();
        let waited = wait_until::<F, L>(channel.bell, &mut watch, deadline_ns, look, &senders);
        self.watch = watch;
        self.dead = dead;
        waited
    }

    /// Looks closely whether anybody can still send.
    ///
    /// # Errors
    /// [`Error::PeerDied`] or [`Error::PeerLeft`] if nobody can, even if what they did
    /// before is still to be seen; [`Error::Taken`] in a forked child.
    pub fn check_peers(&self) -> Result<(), Error> {
        let (channel, place, dead) = (self.channel, self.place, &self.dead);
        Senders::<L> { channel, place, dead, liveness: PhantomData }.check(true)
    }

    /// What this side sleeps for, for somebody who waits in its place.
    #[must_use]
    pub fn alert(&self) -> Alert<'m> {
        Alert::new(self.channel.bell, Alerting::Senders(self.channel))
    }

    /// Whether any lane has a message.
    fn has_message(&mut self) -> Result<bool, Error> {
        for _ in 0..self.channel.layout.senders_max() {
            if let Some((_sender, lane)) = self.lane()
                && lane.has_message()?
            {
                return Ok(true);
            }
            if is_seeded(Fault::OneLaneLookedAt) {
                return Ok(false);
            }
            self.go_on();
        }
        Ok(false)
    }

    /// The lane whose turn it is, if it was ever used.
    fn lane(&mut self) -> Option<(usize, &mut Reader<'m, F, L>)> {
        let turn = self.turn;
        let is_used = self.channel.is_used(turn);
        self.lanes.get_mut(turn)?.as_mut().filter(|_| is_used).map(|lane| (turn, lane))
    }

    /// A message was taken from the lane whose turn it is.
    fn count(&mut self) {
        self.taken = self.taken.wrapping_add(1);
        if self.taken >= TURN_MESSAGES {
            self.go_on();
        }
    }

    /// It is the next lane's turn.
    fn go_on(&mut self) {
        self.taken = 0;
        self.turn = self.turn.wrapping_add(1);
        let has_lane = self.lanes.get(self.turn).is_some_and(Option::is_some);
        if !has_lane {
            self.turn = 0;
        }
    }
}

/// Those that a receiver waits for, and its place.
struct Senders<'m, 'r, L> {
    channel: Channel<'m>,
    place: Claim<'m>,
    dead: &'r [Cell<Owner>; LANES],
    liveness: PhantomData<fn() -> L>,
}

impl<L> Senders<'_, '_, L> {
    fn is_known_dead(&self, lane: usize, owner: Owner) -> bool {
        self.dead.get(lane).is_some_and(|dead| dead.get() == owner)
    }

    fn mourn(&self, lane: usize, owner: Owner) {
        if let Some(dead) = self.dead.get(lane) {
            dead.set(owner);
        }
    }
}

impl<L: Liveness> Peers for Senders<'_, '_, L> {
    /// Whether one of the senders can still send, or none has come yet. Whether they live is
    /// asked only if that is due.
    fn check(&self, is_due: bool) -> Result<(), Error> {
        self.place.check_own::<L>()?;
        let (mut end, mut is_anybody_left) = (Ok(()), false);
        for (lane, claim) in self.channel.sender_claims() {
            let owner = claim.owner();
            if owner == Owner::LEFT {
                end = end.and(Err(Error::PeerLeft));
            } else if !owner.is_process() {
                // About to come.
            } else if self.is_known_dead(lane, owner) || is_due && !L::is_alive(owner) {
                self.mourn(lane, owner);
                end = Err(Error::PeerDied(owner));
            } else {
                is_anybody_left = true;
            }
        }
        if is_anybody_left { Ok(()) } else { end }
    }

    /// Not those that are known to be dead: while others send, this side sleeps beside them.
    fn owners(&self) -> Option<impl Iterator<Item = Owner>> {
        let claims = self.channel.sender_claims();
        let owners = claims.map(|(lane, claim)| (lane, claim.owner()));
        let awaited =
            owners.filter(|(lane, owner)| owner.is_process() && !self.is_known_dead(*lane, *owner));
        Some(awaited.map(|(_, owner)| owner))
    }
}

impl<F: Futex<Shared>, L: Liveness> Drop for Receiver<'_, F, L> {
    fn drop(&mut self) {
        // Before the place: its next owner takes the same readers of all lanes.
        self.lanes.iter_mut().for_each(|lane| drop(lane.take()));
        self.place.leave::<L>();
    }
}

impl<F: Futex<Shared>, L: Liveness> core::fmt::Debug for Receiver<'_, F, L> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Receiver").field("turn", &self.turn).finish_non_exhaustive()
    }
}
