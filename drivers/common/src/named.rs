//! Counts that have names, such as losses.

/// Adds counts of the same name.
pub(crate) fn merge_named(sum: &mut Vec<(&'static str, u64)>, more: &[(&'static str, u64)]) {
    for (name, frames) in more {
        match sum.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = known.wrapping_add(*frames),
            None => sum.push((name, *frames)),
        }
    }
}

/// What was counted since `earlier`, by name.
pub(crate) fn named_since(
    now: &[(&'static str, u64)],
    earlier: &[(&'static str, u64)],
) -> Vec<(&'static str, u64)> {
    let before = |name| earlier.iter().find(|(known, _)| *known == name).map_or(0, |(_, n)| *n);
    now.iter().map(|(name, frames)| (*name, frames.saturating_sub(before(*name)))).collect()
}
