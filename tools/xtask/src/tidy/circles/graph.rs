//! Circles of a graph.

use std::collections::{BTreeMap, BTreeSet};

/// What each needs.
pub(super) type Needs = BTreeMap<String, BTreeSet<String>>;

/// The largest sets of which each can be reached from each other.
pub(super) fn circles(needs: &Needs) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<_, _> = needs.keys().map(|from| (from, reachable(needs, from))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (one, others) in &reached {
        let is_mutual =
            |other: &&String| reached.get(other).is_some_and(|back| back.contains(*one));
        let circle: BTreeSet<String> = others.iter().filter(is_mutual).cloned().collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

/// All that can be reached by at least one step.
fn reachable(needs: &Needs, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(one) = waiting.pop() {
        for next in needs.get(one).into_iter().flatten() {
            if reached.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(edges: &[(&str, &str)]) -> Vec<Vec<String>> {
        let mut needs = Needs::new();
        for (from, to) in edges {
            needs.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        circles(&needs).into_iter().map(|circle| circle.into_iter().collect()).collect()
    }

    #[test]
    fn circle_is_found_and_a_line_is_none() {
        assert_eq!(found(&[("a", "b"), ("b", "c"), ("a", "c")]), Vec::<Vec<String>>::new());
        let circle = found(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]);
        assert_eq!(circle, [["a", "b", "c"]]);
        let two = found(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")]);
        assert_eq!(two, [["a", "b"], ["c", "d"]]);
    }
}
