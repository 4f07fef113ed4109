//! What a side waits on, for somebody who waits in its place.

use super::{
    Liveness, Owner,
    broadcast::ReaderClaims,
    channel::{self, Channel},
    doorbell::{Armed, Doorbell},
    owner::Claim,
    wait::LIVENESS_SLICE_NS,
};
use crate::sync::{Futex, Shared};

/// Hears what a side of a ring sleeps for: messages, or room for them, and peers that
/// come, leave or die. Gives no access to messages, so any thread can have one, for as
/// long as the ring's memory is there.
///
/// First [`arm`](Self::arm), then look for messages; what is there by then is not told.
#[derive(Debug, Clone, Copy)]
pub struct Alert<'m> {
    bell: Doorbell<'m>,
    peers: Peers<'m>,
}

/// Those who ring.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peers<'m> {
    One(Claim<'m>),
    Readers(ReaderClaims<'m>),
    Senders(Channel<'m>),
}

/// From when on an [`Alert`] tells what happens.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    armed: Armed,
    /// Senders of a channel that were dead by then, a bit for each: nobody is told of them
    /// again.
    dead: u32,
}

impl<'m> Alert<'m> {
    pub(super) const fn new(bell: Doorbell<'m>, peers: Peers<'m>) -> Self {
        Self { bell, peers }
    }

    /// Has peers ring from now on.
    #[must_use]
    pub fn arm<L: Liveness>(&self) -> Since {
        let dead = match self.peers {
            Peers::Senders(channel) => channel.dead_senders::<L>(),
            Peers::One(_) | Peers::Readers(_) => 0,
        };
        Since { armed: self.bell.arm::<L>(), dead }
    }

    /// Sleeps until something happens. May end for no reason.
    pub fn wait<F: Futex<Shared>, L: Liveness>(&self, since: Since) {
        loop {
            let mut is_told = true;
            let mut has_slept = false;
            L::watched(self.owners(since), self.bell.word(), |is_watched| {
                is_told = is_watched && since.armed.is_sure;
                has_slept = true;
                let until_ns = if is_told {
                    crate::sync::NEVER
                } else {
                    F::now_ns().saturating_add(LIVENESS_SLICE_NS)
                };
                self.bell.sleep::<F>(since.armed, until_ns);
            });
            // Without barriers a message may have come unheard, and whoever is alerted
            // looks; without a watch, only deaths may have.
            let has_ended = !has_slept || !since.armed.is_sure || self.bell.has_rung(since.armed);
            if has_ended || is_told || self.owners(since).any(|owner| !L::is_alive(owner)) {
                return;
            }
        }
    }

    /// Wakes everybody who sleeps here, for no reason.
    pub fn disturb<F: Futex<Shared>>(&self) {
        self.bell.disturb::<F>();
    }

    fn owners(&self, since: Since) -> impl Iterator<Item = Owner> {
        let (one, readers, senders) = match self.peers {
            Peers::One(claim) => (Some(claim), None, None),
            Peers::Readers(readers) => (None, Some(readers), None),
            Peers::Senders(channel) => (None, None, Some(channel.sender_claims())),
        };
        let senders = senders.into_iter().flatten();
        let awaited = senders.filter(move |(lane, _)| since.dead & channel::bit(*lane) == 0);
        let claims = one.into_iter().chain(readers.into_iter().flatten());
        let claims = claims.chain(awaited.map(|(_, claim)| claim));
        claims.map(Claim::owner).filter(|owner| owner.is_process())
    }
}
