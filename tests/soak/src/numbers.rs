//! Random enough numbers.

/// A stream of numbers that follows from its seed.
#[derive(Debug)]
pub(crate) struct Numbers(fastrand::Rng);

impl Numbers {
    /// Starts with a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// The next number, less than `end`; 0 if `end` is.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.u64(..end) }
    }
}
