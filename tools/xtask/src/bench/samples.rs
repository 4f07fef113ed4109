//! Repeated measurements and what is told of them.

use anyhow::Result;

/// Measurements of one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one; of an even number, the mean of both.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// How far apart the middle half of them is.
    pub(crate) fn spread(&self) -> f64 {
        self.quantile(0.75) - self.quantile(0.25)
    }

    /// Each with its partner of the same turn.
    pub(crate) fn zip(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| combine(*one, *other)).collect())
    }

    /// Interpolates between the two nearest.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index among some samples"
    )]
    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let place = part * last as f64;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract()
    }
}

/// One thing to measure, again and again.
pub(crate) type Measurement<'a> = Box<dyn FnMut() -> Result<f64> + 'a>;

/// Measures in turns: each thing once, then each once more. The first turn
/// warms up and is not kept.
pub(crate) fn in_turns(turns: usize, things: &mut [Measurement<'_>]) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples::default(); things.len()];
    for turn in 0..=turns {
        for (thing, samples) in things.iter_mut().zip(&mut samples) {
            let value = thing()?;
            if turn > 0 {
                samples.push(value);
            }
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let samples = Samples(vec![4.0, 1.0, 2.0, 3.0]);
        assert!((samples.median() - 2.5).abs() < 1e-9);
        assert!((samples.spread() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn the_first_turn_is_not_kept() {
        let mut calls = 0.0;
        let samples = in_turns(
            3,
            &mut [Box::new(|| {
                calls += 1.0;
                Ok(calls)
            })],
        )
        .unwrap();
        assert_eq!(samples[0].0, [2.0, 3.0, 4.0]);
    }
}
