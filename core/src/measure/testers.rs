//! Who sends test traffic here, and how much: a table of bounded size.
//!
//! A tester is known by its MAC and IP address. The table is cut into sets of
//! [`WAYS`] places; an address belongs to one set, so looking it up costs the
//! same however many there are. When a set is full, its tester that was silent
//! for the longest time makes room, and what it had is added to
//! [`Evicted`]: nothing is forgotten, only no longer told apart. A table of one
//! set evicts exactly the longest silent of all.
//!
//! The memory is the caller's: an array in firmware, a boxed slice in a
//! driver. One worker owns one table; tables are [merged](Testers::merge)
//! afterwards.

mod sender;

pub use sender::Sender;

use crate::{Verdict, reflect::verdict::Class};

/// Places of one set.
pub const WAYS: usize = 8;

/// What one tester, or several, have sent. Sums wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Frames sent back.
    pub reflected_frames: u64,
    /// Octets of them, Ethernet header in, FCS out.
    pub reflected_octets: u64,
    /// Frames that were not sent back, for the rate cap alone.
    pub capped_frames: u64,
}

impl Tally {
    /// Counts one frame; `false` if its verdict is none on a tester's.
    const fn count(&mut self, verdict: Verdict, octets: usize) -> bool {
        match verdict.class() {
            Class::Reflected => {
                self.reflected_frames = self.reflected_frames.wrapping_add(1);
                self.reflected_octets = self.reflected_octets.wrapping_add(octets as u64);
            }
            Class::Dropped => self.capped_frames = self.capped_frames.wrapping_add(1),
            Class::Answered | Class::Passed | Class::Malformed => return false,
        }
        true
    }

    /// Adds what another has counted.
    pub const fn merge(&mut self, other: &Self) {
        self.reflected_frames = self.reflected_frames.wrapping_add(other.reflected_frames);
        self.reflected_octets = self.reflected_octets.wrapping_add(other.reflected_octets);
        self.capped_frames = self.capped_frames.wrapping_add(other.capped_frames);
    }
}

/// One tester.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tester {
    /// Its addresses.
    pub sender: Sender,
    /// What it has sent.
    pub tally: Tally,
    /// When its last frame came, on the caller's clock, in nanoseconds.
    pub last_seen_ns: u64,
}

/// Testers that made room for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Evicted {
    /// How often one did. One that came back and left again counts twice.
    pub testers: u64,
    /// What all of them had sent.
    pub tally: Tally,
}

/// Places for [`WAYS`] testers, all empty by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Set {
    places: [Option<Tester>; WAYS],
}

/// Counts frames by tester in memory of `S`: `[Set; N]`, a boxed slice, ...
///
/// ```
/// use farend_core::{Kind, Verdict, measure::testers::{Sender, Set, Testers}};
///
/// let mut frame = [0_u8; 60];
/// frame[12..14].copy_from_slice(&[0x08, 0x00]);
/// frame[14] = 0x45;
/// frame[26..30].copy_from_slice(&[192, 0, 2, 1]);
/// let sender = Sender::read(&frame[..]).expect("an IPv4 frame");
///
/// let mut testers = Testers::new([Set::default(); 4], 0);
/// testers.count(&sender, Verdict::Reflect(Kind::Probeot), 60, 1);
/// assert_eq!(testers.iter().map(|tester| tester.tally.reflected_frames).sum::<u64>(), 1);
/// ```
#[derive(Debug)]
pub struct Testers<S> {
    sets: S,
    seed: u64,
    evicted: Evicted,
}

impl<S: Clone> Clone for Testers<S> {
    fn clone(&self) -> Self {
        let Self { sets, seed, evicted } = self;
        Self { sets: sets.clone(), seed: *seed, evicted: *evicted }
    }

    /// Into the memory that is there, if that of the sets can be used again.
    fn clone_from(&mut self, from: &Self) {
        let Self { sets, seed, evicted } = from;
        self.sets.clone_from(sets);
        (self.seed, self.evicted) = (*seed, *evicted);
    }
}

impl<S: AsRef<[Set]> + AsMut<[Set]>> Testers<S> {
    /// Starts with empty sets. A `seed` that senders cannot know keeps them
    /// from crowding one set on purpose.
    pub const fn new(sets: S, seed: u64) -> Self {
        Self { sets, seed, evicted: Evicted { testers: 0, tally: NOTHING } }
    }

    /// Testers that there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.sets.as_ref().len().saturating_mul(WAYS)
    }

    /// Counts one frame of a tester: one that is reflected, or would be but
    /// for the rate cap. Other verdicts are no tester's and are not counted.
    ///
    /// `octets` are those of the frame, Ethernet header in, FCS out; `now_ns`
    /// is on a clock that never goes back.
    #[inline]
    pub fn count(&mut self, sender: &Sender, verdict: Verdict, octets: usize, now_ns: u64) {
        let mut tally = NOTHING;
        if !tally.count(verdict, octets) {
            return;
        }
        self.add(Tester { sender: *sender, tally, last_seen_ns: now_ns });
    }

    /// Adds what another table has counted. Of its testers and ours, those
    /// that are evicted are the longest silent ones of their set.
    pub fn merge<T: AsRef<[Set]>>(&mut self, other: &Testers<T>) {
        for tester in places(other.sets.as_ref()) {
            self.add(*tester);
        }
        self.evicted.testers = self.evicted.testers.wrapping_add(other.evicted.testers);
        self.evicted.tally.merge(&other.evicted.tally);
    }

    /// The testers that are told apart, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Tester> {
        places(self.sets.as_ref())
    }

    /// Those that are not any more.
    #[must_use]
    pub const fn evicted(&self) -> &Evicted {
        &self.evicted
    }

    fn add(&mut self, tester: Tester) {
        let sets = self.sets.as_mut();
        let at = set_of(&tester.sender, self.seed, sets.len());
        let left_out = match sets.get_mut(at) {
            Some(set) => set.add(tester),
            None => Some(tester),
        };
        if let Some(left_out) = left_out {
            self.evicted.testers = self.evicted.testers.wrapping_add(1);
            self.evicted.tally.merge(&left_out.tally);
        }
    }
}

const NOTHING: Tally = Tally { reflected_frames: 0, reflected_octets: 0, capped_frames: 0 };

impl Set {
    /// Adds to a tester, or puts it in; gives the one that is left out.
    #[inline]
    fn add(&mut self, tester: Tester) -> Option<Tester> {
        let mut last = u64::MAX;
        let mut room = None;
        for place in &mut self.places {
            match place {
                Some(known) if known.sender == tester.sender => {
                    known.tally.merge(&tester.tally);
                    known.last_seen_ns = known.last_seen_ns.max(tester.last_seen_ns);
                    return None;
                }
                // The first of the longest silent ones.
                Some(known) if room.is_none() || known.last_seen_ns < last => {
                    last = known.last_seen_ns;
                    room = Some(place);
                }
                Some(_) => {}
                // Places are taken from the first one on, and never given
                // back: behind an empty one are empty ones.
                None => {
                    *place = Some(tester);
                    return None;
                }
            }
        }
        match room {
            Some(place) if last <= tester.last_seen_ns => place.replace(tester),
            _ => Some(tester),
        }
    }
}

fn places(sets: &[Set]) -> impl Iterator<Item = &Tester> {
    sets.iter().flat_map(|set| set.places.iter().flatten())
}

/// The set that a sender belongs to, below `sets`.
#[inline]
fn set_of(sender: &Sender, seed: u64, sets: usize) -> usize {
    let hash = mix(sender.words().into_iter().fold(seed, |hash, word| mix(hash ^ word)));
    // The upper half of a product with 32 random bits is evenly spread.
    let product = u128::from(hash).wrapping_mul(sets as u128);
    #[expect(clippy::cast_possible_truncation, reason = "it is below `sets`")]
    let set = (product >> u64::BITS) as usize;
    set
}

/// Spreads every bit over all bits: the finaliser of `SplitMix64` (Steele, Lea
/// and Flood, 2014).
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests;
