//! Waiting for the other side: look, spin a little, then sleep in slices.

use core::marker::PhantomData;

use super::{
    Error, Liveness, Owner,
    doorbell::{Armed, Doorbell},
    owner::Claim,
    seeded::{Fault, is_seeded},
    spinning::Spinning,
};
use crate::sync::{Futex, Shared, Spin, Waited, primitive::spin_loop};

/// How long a side sleeps before it looks whether its peer lives, where the system does
/// not tell ([`Liveness::watched`]): a peer's death is noticed within this time.
pub const LIVENESS_SLICE_NS: u64 = 8_000_000;

/// Looks between two readings of the clock while spinning.
const LOOKS_PER_READING: u32 = if cfg!(any(farend_loom, farend_shuttle)) { 1 } else { 16 };

/// When the peer is looked after next, and how long to spin for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Watch {
    next_ns: u64,
    spinning: Spinning,
}

impl Watch {
    /// Whether a slice has gone by since the last time.
    pub(super) fn is_due(&mut self, now_ns: u64) -> bool {
        let is_due = self.next_ns != 0 && now_ns >= self.next_ns;
        if is_due || self.next_ns == 0 {
            self.next_ns = now_ns.saturating_add(LIVENESS_SLICE_NS);
        }
        is_due
    }
}

/// Those whom a side waits for.
pub(super) trait Peers {
    /// Looks after them, and closely if that `is_due`.
    ///
    /// # Errors
    /// Why waiting is in vain.
    fn check(&self, is_due: bool) -> Result<(), Error>;

    /// Those whose end the wait must learn of; `None` if some of them are not known.
    fn owners(&self) -> Option<impl Iterator<Item = Owner>>;
}

/// Waits until `look` finds something, at most until `deadline_ns`.
///
/// `look` is asked at least once, and once more after the deadline. `peers` are looked
/// after while nothing comes; their error ends the wait, unless a peer sent something
/// before. Nobody wakes while nothing happens, if the system tells of the end of peers;
/// otherwise they are looked after once a slice.
///
/// # Errors
/// [`Error::TimedOut`], and those of `look` and `peers`.
pub(super) fn wait_until<F: Futex<Shared>, L: Liveness>(
    bell: Doorbell<'_>,
    watch: &mut Watch,
    deadline_ns: u64,
    mut look: impl FnMut() -> Result<bool, Error>,
    peers: &impl Peers,
) -> Result<(), Error> {
    if look()? {
        return Ok(());
    }
    let mut now_ns = F::now_ns();
    if matches!(F::SPIN, Spin::Adaptive) && now_ns < deadline_ns {
        let spin_until_ns = now_ns.saturating_add(watch.spinning.spin_ns()).min(deadline_ns);
        while now_ns < spin_until_ns {
            for _ in 0..LOOKS_PER_READING {
                spin_loop();
                if look()? {
                    watch.spinning.met();
                    return Ok(());
                }
            }
            now_ns = F::now_ns();
        }
        watch.spinning.slept();
    }
    // Whether something other than a message woke this side: a peer's end, perhaps.
    let mut is_suspicious = false;
    loop {
        let is_over = now_ns >= deadline_ns;
        if is_seeded(Fault::ArmedAfterTheLook) && look()? {
            return Ok(());
        }
        // Who does not sleep need not be woken.
        let armed = if is_over { None } else { Some(bell.arm::<L>()) };
        if !is_seeded(Fault::ArmedAfterTheLook) && look()? {
            return Ok(());
        }
        let is_due = watch.is_due(now_ns) || is_suspicious;
        let checked = peers.check(is_due);
        // The peer may have sent something before it ended, or what the check did
        // may be what this waits for.
        if (is_due || checked.is_err()) && look()? {
            return Ok(());
        }
        checked?;
        let Some(armed) = armed else { return Err(Error::TimedOut) };
        is_suspicious = sleep::<F, L>(bell, armed, now_ns, deadline_ns, peers) == Waited::Woken;
        if look()? {
            return Ok(());
        }
        now_ns = F::now_ns();
    }
}

/// Sleeps until the bell rings or a peer ends: for a slice at most, if a ring or a
/// peer's end could go unheard.
fn sleep<F: Futex<Shared>, L: Liveness>(
    bell: Doorbell<'_>,
    armed: Armed,
    now_ns: u64,
    deadline_ns: u64,
    peers: &impl Peers,
) -> Waited {
    let slice_end_ns = now_ns.saturating_add(LIVENESS_SLICE_NS).min(deadline_ns);
    let Some(owners) = peers.owners().filter(|_| armed.is_sure) else {
        return bell.sleep::<F>(armed, slice_end_ns);
    };
    let mut waited = Waited::Woken;
    L::watched(owners, bell.word(), |is_watched| {
        let until_ns = if is_watched { deadline_ns } else { slice_end_ns };
        waited = bell.sleep::<F>(armed, until_ns);
    });
    waited
}

/// The one peer of a side, and the side itself.
pub(super) struct Peer<'m, L> {
    pub(super) own: Claim<'m>,
    pub(super) other: Claim<'m>,
    pub(super) liveness: PhantomData<fn() -> L>,
}

impl<L: Liveness> Peers for Peer<'_, L> {
    /// Whether the caller still has its side, and the peer can still send or receive;
    /// one that never came still can. Whether it lives is asked only if that is due.
    fn check(&self, is_due: bool) -> Result<(), Error> {
        self.own.check_own::<L>()?;
        let owner = self.other.owner();
        if owner == Owner::LEFT {
            return Err(Error::PeerLeft);
        }
        if is_due && owner.is_process() && !L::is_alive(owner) {
            return Err(Error::PeerDied(owner));
        }
        Ok(())
    }

    fn owners(&self) -> Option<impl Iterator<Item = Owner>> {
        // Whoever comes later rings.
        Some(core::iter::once(self.other.owner()).filter(|owner| owner.is_process()))
    }
}
