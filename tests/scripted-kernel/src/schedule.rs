//! A script drawn from a seed, and the rules that must hold at every step.

use farend_af_xdp::Queue;
use farend_core::{
    Counters, Policy, Verdict,
    port::{Burst, Observer, Port},
};

use crate::{
    frames,
    kernel::{Mood, ScriptedKernel, Sizes, Wrong},
    ledger,
    random::Random,
};

/// Steps of a script.
const STEPS: u32 = 48;

/// What a script did, for a test to see that scripts do something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Probes that were received and answered.
    pub answered: u64,
    /// Packets for others.
    pub foreign: u64,
    /// Packets that the kernel dropped.
    pub dropped: u64,
    /// Wrongs that the kernel did.
    pub wrongs: u64,
    /// Turns that left answers for later.
    pub pending_turns: u64,
    /// Packets in several pieces.
    pub in_pieces: u64,
    /// Kicks.
    pub kicks: u64,
}

impl Summary {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.foreign += other.foreign;
        self.dropped += other.dropped;
        self.wrongs += other.wrongs;
        self.pending_turns += other.pending_turns;
        self.in_pieces += other.in_pieces;
        self.kicks += other.kicks;
    }
}

/// Runs the script of a seed to its end, and then in a good mood until nothing
/// moves.
///
/// At every step each chunk is in exactly one place and the queue's books agree;
/// at the end every probe that was received has been answered once, in order,
/// rightly, and every chunk is back.
///
/// # Errors
///
/// Says which rule was broken, and at which step.
pub fn run(seed: u64, is_wrong: bool) -> Result<Summary, String> {
    let mut random = Random::new(seed);
    let mut script = Script::new(&mut random)?;
    for step in 0..STEPS {
        script
            .step(&mut random, is_wrong)
            .and_then(|()| script.check())
            .map_err(|error| format!("seed {seed}, step {step}: {error}"))?;
    }
    script.settle().map_err(|error| format!("seed {seed}, at the end: {error}"))?;
    Ok(script.summary)
}

/// Somebody who looks on.
#[derive(Debug, Default)]
struct Looks {
    received: u64,
    judged: u64,
}

impl Observer for Looks {
    fn received(&mut self, _octets: &[u8], _whole_octets: usize) {
        self.received += 1;
    }

    fn judged(&mut self, _octets: &[u8], _whole_octets: usize, _verdict: Verdict) {
        self.judged += 1;
    }
}

struct Script {
    queue: Queue<ScriptedKernel>,
    policy: Policy,
    counters: Counters,
    pending: Burst,
    /// Number and octets of each probe that was received.
    expected: Vec<(u32, usize)>,
    checked: usize,
    looks: Looks,
    next_number: u32,
    summary: Summary,
}

impl Script {
    fn new(random: &mut Random) -> Result<Self, String> {
        let slots = |random: &mut Random| 1 << random.below(7);
        let chunk_octets = 128 << random.below(2);
        let sizes = Sizes {
            fill: slots(random),
            rx: slots(random),
            tx: slots(random),
            completion: slots(random),
            chunks: 1 + random.below(96),
            chunk_octets,
            base: u64::from(random.below(3)) * 4_096,
            start: [0, u32::MAX - 5, random.next()][random.below(3) as usize],
            burst_frames_max: [64, 1, 7][random.below(3) as usize],
        };
        let queue = Queue::new(ScriptedKernel::parts(sizes)).map_err(|error| error.to_string())?;
        Ok(Self {
            queue,
            policy: frames::policy(),
            counters: Counters::new(),
            pending: Burst::new(),
            expected: Vec::new(),
            checked: 0,
            looks: Looks::default(),
            next_number: 0,
            summary: Summary::default(),
        })
    }

    fn step(&mut self, random: &mut Random, is_wrong: bool) -> Result<(), String> {
        match random.below(16) {
            0..=4 => {
                for _ in 0..=random.below(40) {
                    self.receive(random);
                }
            }
            5..=9 => self.turn(random.once_in(2))?,
            10 => _ = self.queue.kernel_mut().transmit(random.below(40) as usize),
            11 | 12 => _ = self.queue.kernel_mut().complete(random.below(40) as usize),
            13 => {
                self.queue.kernel_mut().set_mood(Mood {
                    wants_kicks: !random.once_in(3),
                    wants_fill_kicks: random.once_in(3),
                    call_frames_max: 1 + random.below(32) as usize,
                    is_busy: random.once_in(3),
                    completes_at_once: random.once_in(2),
                    is_gone: false,
                });
            }
            14 if is_wrong => self.do_wrong(random),
            _ => self.lend(random),
        }
        Ok(())
    }

    /// One packet comes in from the wire.
    fn receive(&mut self, random: &mut Random) {
        let chunk_octets = self.queue.kernel().sizes().chunk_octets;
        let number = self.next_number;
        self.next_number += 1;
        let is_jumbo = random.once_in(8);
        let octets = if is_jumbo {
            frames::PACKET_OCTETS_MIN + random.below(5 * chunk_octets) as usize
        } else {
            frames::PACKET_OCTETS_MIN + random.below(40) as usize
        };
        let is_foreign = random.once_in(4);
        // Headers in the first piece.
        let piece_octets = if is_jumbo { 96 } else { chunk_octets as usize };
        let headroom = if octets <= 96 { random.below(2) * 16 } else { 0 };
        let pieces = octets.div_ceil(piece_octets);
        let sizes = self.queue.kernel().sizes();
        // What can never come through is a loss of its own: see the tests of
        // single cases.
        let fits = pieces <= usize::from(sizes.burst_frames_max) && pieces <= sizes.tx as usize;
        if !fits || !self.queue.kernel_mut().can_receive(pieces) {
            self.summary.dropped += 1;
            return;
        }
        let packet = if is_foreign {
            frames::foreign(number, octets)
        } else {
            frames::probe(number, octets)
        };
        assert!(self.queue.kernel_mut().receive(&packet, piece_octets, headroom), "there is room");
        self.summary.in_pieces += u64::from(pieces > 1);
        if is_foreign {
            self.summary.foreign += 1;
        } else {
            self.expected.push((number, octets));
        }
    }

    /// A turn, which takes other steps while somebody looks on.
    fn turn(&mut self, is_watched: bool) -> Result<(), String> {
        let Self { queue, policy, counters, pending, looks, .. } = self;
        let turn = if is_watched {
            queue.turn(policy, &mut (), counters, looks, pending)
        } else {
            queue.turn(policy, &mut (), counters, &mut (), pending)
        };
        let turn = turn.map_err(|error| error.to_string())?;
        self.summary.pending_turns += u64::from(turn.pending_frames > 0);
        Ok(())
    }

    /// Blank frames are taken, and given back unused.
    fn lend(&mut self, random: &mut Random) {
        let mut blank = Burst::new();
        self.queue.reserve(&mut blank);
        for _ in 0..random.below(8) {
            if let Some(frame) = blank.pop_front() {
                // There is room.
                let _none_refused = blank.push(frame);
            }
        }
        self.queue.recycle(&mut blank);
        assert!(blank.is_empty(), "a queue takes its own frames back");
    }

    fn do_wrong(&mut self, random: &mut Random) {
        let kernel = self.queue.kernel_mut();
        let filled = kernel.to_receive.front().copied();
        let outside = [u64::MAX, kernel.sizes().base.wrapping_sub(1), 1 << 40];
        let outside = outside[random.below(3) as usize];
        let (wrong, is_done) = match random.below(3) {
            // Not one that is being sent: it may be filled in again by the time
            // that the queue looks, and then nobody can tell.
            0 => (Wrong::ReceivedAt(outside), kernel.rx.room() > 0),
            1 => (
                Wrong::TooLong,
                kernel.rx.room() > 0 && (filled.is_some() || !kernel.fill.entries().is_empty()),
            ),
            _ => (Wrong::Completed(filled.unwrap_or(outside)), kernel.completion.room() > 0),
        };
        kernel.do_wrong(wrong);
        self.summary.wrongs += u64::from(is_done);
    }

    /// Everything that must hold at each step.
    fn check(&mut self) -> Result<(), String> {
        // A wrong entry that lies in a ring is in nobody's books.
        if self.queue.losses().corrupt_descriptors == self.summary.wrongs {
            ledger::find(&mut self.queue, &[&self.pending])?;
        }
        let sent = &self.queue.kernel().sent;
        for at in self.checked..sent.len() {
            let Some((number, octets)) = self.expected.get(at) else {
                return Err(format!("{} answers, {} probes", sent.len(), self.expected.len()));
            };
            if sent[at] != frames::answer(*number, *octets) {
                let got = frames::number_of(&sent[at]);
                return Err(format!("answer {at} is of packet {got}, not a right one of {number}"));
            }
        }
        self.checked = sent.len();
        Ok(())
    }

    /// In a good mood until nothing moves.
    fn settle(&mut self) -> Result<(), String> {
        self.queue.kernel_mut().set_mood(Mood::default());
        self.queue.kernel_mut().complete(usize::MAX);
        let mut quiet_turns = 0;
        for _ in 0..1_000 {
            let state = |script: &Self| {
                (script.queue.kernel().sent.len(), script.counters, *script.queue.losses())
            };
            let before = state(self);
            self.turn(false)?;
            self.queue.kernel_mut().complete(usize::MAX);
            let is_quiet = before == state(self);
            quiet_turns = if is_quiet { quiet_turns + 1 } else { 0 };
            if quiet_turns == 3 {
                break;
            }
        }
        self.check()?;
        if self.looks.received != self.looks.judged {
            return Err(format!("{:?}", self.looks));
        }
        if self.checked != self.expected.len() {
            return Err(format!("{} answers to {} probes", self.checked, self.expected.len()));
        }
        if self.queue.losses().corrupt_descriptors != self.summary.wrongs {
            return Err(format!("{:?} of {} wrongs", self.queue.losses(), self.summary.wrongs));
        }
        let found = ledger::find(&mut self.queue, &[&self.pending])?;
        if found.hand + found.tx + found.completion + found.rx > 0 {
            return Err(format!("not all is back: {found:?}"));
        }
        self.summary.answered = self.checked as u64;
        self.summary.kicks = self.queue.kernel().kicks;
        Ok(())
    }
}
