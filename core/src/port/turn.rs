//! The reflector's loop, the same for every port.

use super::{Burst, Observer, Port};
use crate::{Counters, Limit, Policy, frame::window::Fragmented, reflect};

/// What one turn moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// Frames received, and judged.
    pub received_frames: usize,
    /// Answers that the port took, those kept from earlier turns too.
    pub transmitted_frames: usize,
    /// Answers that found no room and are kept for the next turn.
    pub pending_frames: usize,
}

impl Turn {
    /// Whether nothing moved: time to wait.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.received_frames == 0 && self.transmitted_frames == 0
    }
}

/// Does what [`Port::turn`] provides, for ports that do a part of it in a way of
/// their own and leave the rest to this.
///
/// # Errors
///
/// As [`Port::turn`].
#[inline(always)]
pub fn turn<P, L, O>(
    port: &mut P,
    policy: &Policy,
    limit: &mut L,
    counters: &mut Counters,
    observer: &mut O,
    pending: &mut Burst,
) -> Result<Turn, P::Error>
where
    P: Port,
    L: Limit,
    O: Observer,
{
    let mut turn = Turn::default();
    if !pending.is_empty() {
        transmit(port, observer, pending, &mut turn)?;
    }
    // Behind the answers that are kept, so that no more is taken than fits.
    let kept = pending.len();
    let received = port.receive(pending);
    turn.received_frames = pending.len().saturating_sub(kept);
    let mut refused = Burst::new();
    if let Err(error) = received {
        pending.sift(kept, &mut refused, |_, _| false);
        port.recycle(&mut refused);
        return Err(error);
    }
    if turn.received_frames > 0 {
        observer.burst_received(turn.received_frames);
        pending.sift(kept, &mut refused, |frame, whole_octets| {
            let Some(octets) = port.octets(frame) else { return false };
            observer.received(octets, whole_octets);
            let mut window = Fragmented::new(octets, whole_octets);
            let verdict = reflect(&mut window, policy, limit);
            counters.count(verdict, whole_octets);
            observer.judged(window.first(), whole_octets, verdict);
            verdict.is_sent()
        });
        if !refused.is_empty() {
            port.recycle(&mut refused);
        }
        transmit(port, observer, pending, &mut turn)?;
    }
    turn.pending_frames = pending.len();
    port.kick()?;
    Ok(turn)
}

#[inline(always)]
fn transmit<P: Port, O: Observer>(
    port: &mut P,
    observer: &mut O,
    pending: &mut Burst,
    turn: &mut Turn,
) -> Result<(), P::Error> {
    let frames_before = pending.len();
    let packets_before = if O::IS_LOOKING { pending.packets() } else { 0 };
    let outcome = port.transmit(pending);
    let taken = frames_before.saturating_sub(pending.len());
    if taken > 0 {
        turn.transmitted_frames = turn.transmitted_frames.saturating_add(taken);
        if O::IS_LOOKING {
            observer.burst_transmitted(packets_before.saturating_sub(pending.packets()));
        }
    }
    outcome
}
