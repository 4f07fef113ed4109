//! Numbers that a seed decides.

/// A small generator (xorshift64*): the same numbers for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts with a seed. Neighbours give unlike numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self(mixed ^ (mixed >> 31) | 1)
    }

    /// The next number, of 32 bits.
    pub const fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// A number below `end`, or 0.
    pub const fn below(&mut self, end: u32) -> u32 {
        if end == 0 { 0 } else { self.next() % end }
    }

    /// True once in so many times.
    pub const fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }
}
