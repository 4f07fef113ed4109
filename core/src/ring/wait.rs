//! Waiting for the other side: look, spin a little, then sleep in slices.

use super::{
    Error, Liveness, Owner,
    doorbell::Doorbell,
    owner::Claim,
    seeded::{Fault, is_seeded},
    spinning::Spinning,
};
use crate::sync::{Futex, Shared, Spin, primitive::spin_loop};

/// How long a side sleeps before it looks whether its peer lives: a peer's death
/// is noticed within this time.
pub const LIVENESS_SLICE_NS: u64 = 8_000_000;

/// Looks between two readings of the clock while spinning.
const LOOKS_PER_READING: u32 = 16;

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

/// Waits until `look` finds something, at most until `deadline_ns`.
///
/// `look` is asked at least once, and once more after the deadline. `check` is
/// asked about the peer while nothing comes, and told once a slice that it is due
/// to look closely; its error ends the wait, unless the peer sent something
/// before.
///
/// # Errors
/// [`Error::TimedOut`], and those of `look` and `check`.
pub(super) fn wait_until<F: Futex<Shared>>(
    bell: Doorbell<'_>,
    watch: &mut Watch,
    deadline_ns: u64,
    mut look: impl FnMut() -> Result<bool, Error>,
    mut check: impl FnMut(bool) -> Result<(), Error>,
) -> Result<(), Error> {
    if look()? {
        return Ok(());
    }
    let mut now_ns = F::now_ns();
    if matches!(F::SPIN, Spin::Adaptive) {
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
    loop {
        if is_seeded(Fault::ArmedAfterTheLook) && look()? {
            return Ok(());
        }
        let armed = bell.arm();
        if !is_seeded(Fault::ArmedAfterTheLook) && look()? {
            return Ok(());
        }
        let is_due = watch.is_due(now_ns);
        let checked = check(is_due);
        // The peer may have sent something before it ended, or what the check did
        // may be what this waits for.
        if (is_due || checked.is_err()) && look()? {
            return Ok(());
        }
        checked?;
        if now_ns >= deadline_ns {
            return Err(Error::TimedOut);
        }
        let slice_end_ns = now_ns.saturating_add(LIVENESS_SLICE_NS).min(deadline_ns);
        let _why = bell.sleep::<F>(armed, slice_end_ns);
        if look()? {
            return Ok(());
        }
        now_ns = F::now_ns();
    }
}

/// Whether the caller still has its own side, and the peer that has `peer` can still
/// send or receive; one that never came still can. Whether it lives is asked only if
/// that is due.
pub(super) fn check_sides<L: Liveness>(
    own: Claim<'_>,
    peer: Claim<'_>,
    is_due: bool,
) -> Result<(), Error> {
    own.check_own::<L>()?;
    let owner = peer.owner();
    if owner == Owner::LEFT {
        return Err(Error::PeerLeft);
    }
    if is_due && owner.is_process() && !L::is_alive(owner) {
        return Err(Error::PeerDied(owner));
    }
    Ok(())
}
