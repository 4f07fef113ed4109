//! Chooses the tier of a target.

use super::{Platform, Target, session::Opened};
use crate::{
    failure::Failure,
    observe::ObserverFactory,
    plan::Plan,
    tier::{PolicyRefusal, TierError, TierName},
};

/// Why one rung of the ladder does not hold.
enum Refusal {
    /// The next may.
    Tier(TierError),
    /// No other would.
    Plan(Failure),
}

impl From<PolicyRefusal> for Refusal {
    fn from(refusal: PolicyRefusal) -> Self {
        match refusal {
            PolicyRefusal::Unfit(message) => Self::Tier(TierError::new(message)),
            PolicyRefusal::Contradiction(failure) => Self::Plan(failure),
        }
    }
}

/// Looks for contradictions before anything is opened.
pub(super) fn check<P: Platform>(
    platform: &P,
    plan: &Plan<P>,
    target: &P::Target,
) -> Result<(), Failure> {
    platform.check_target(plan, target)?;
    let tier = P::tier(plan);
    for tier in tier.as_ref().map_or(P::Tier::LADDER, std::slice::from_ref) {
        match platform.policy(plan, target, *tier) {
            // Where the tier is to be found, one that does not fit is no error.
            Err(PolicyRefusal::Unfit(_)) if P::tier(plan).is_none() => {}
            outcome => return Ok(outcome.map(drop)?),
        }
    }
    Ok(())
}

/// Opens the tier that the plan names, or the best that works; tells `skipped`
/// of each better one why it does not.
pub(super) fn open<P: Platform>(
    platform: &mut P,
    plan: &Plan<P>,
    target: &P::Target,
    observers: &ObserverFactory,
    skipped: impl FnMut(P::Tier, &TierError),
) -> Result<Opened<P::Tier>, Failure> {
    climb(platform, plan, target, skipped, |platform, tier| {
        let policy = platform.policy(plan, target, tier)?;
        let open = platform.open(plan, target, tier, &policy, observers);
        Ok(Opened { name: tier, policy, tier: open.map_err(Refusal::Tier)? })
    })
}

/// Finds the tier that would be opened, without touching the target.
pub(super) fn rehearse<P: Platform>(
    platform: &mut P,
    plan: &Plan<P>,
    target: &P::Target,
    skipped: impl FnMut(P::Tier, &TierError),
) -> Result<P::Tier, Failure> {
    climb(platform, plan, target, skipped, |platform, tier| {
        let policy = platform.policy(plan, target, tier)?;
        platform.rehearse(plan, target, tier, &policy).map_err(Refusal::Tier)?;
        Ok(tier)
    })
}

fn climb<P: Platform, T>(
    platform: &mut P,
    plan: &Plan<P>,
    target: &P::Target,
    mut skipped: impl FnMut(P::Tier, &TierError),
    mut attempt: impl FnMut(&mut P, P::Tier) -> Result<T, Refusal>,
) -> Result<T, Failure> {
    if let Some(tier) = P::tier(plan) {
        return attempt(platform, tier).map_err(|refusal| match refusal {
            Refusal::Plan(failure) => failure,
            Refusal::Tier(error) => Failure::run_time(format!("{}: {error}", target.name())),
        });
    }
    for tier in P::Tier::LADDER {
        let outcome = match platform.unfit(plan, target, *tier) {
            Some(error) => Err(Refusal::Tier(error)),
            None => attempt(platform, *tier),
        };
        match outcome {
            Ok(found) => return Ok(found),
            Err(Refusal::Tier(error)) => skipped(*tier, &error),
            Err(Refusal::Plan(failure)) => return Err(failure),
        }
    }
    Err(Failure::run_time(format!(
        "{}: no tier works here; the lines above say why",
        target.name()
    )))
}
