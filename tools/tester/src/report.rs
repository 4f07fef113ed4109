//! What a run found, in the words of `docs/tester.md`.

mod text;

use std::time::Duration;

use farend_core::{Histogram, measure::histogram, measure::probe::Form};
use serde::Serialize;

pub use text::write_text;

use crate::{
    line::Line,
    path::TimeSource,
    plan::{Limits, Plan},
    rate::{l1_bits_per_s, l2_bits_per_s},
    run::Outcome,
};

/// The schema of the JSON objects.
pub const SCHEMA: &str = "farend.probe";

/// One run of one frame size.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub struct RunReport {
    /// Of [`SCHEMA`]: `run`.
    #[serde(flatten)]
    pub line: Line,
    /// Where the probes went.
    #[serde(flatten)]
    pub place: Place,
    /// Octets of each frame, FCS in.
    pub frame_octets: usize,
    /// Octets of its UDP payload.
    pub payload_octets: usize,
    /// `full`, `compact` or `ito`.
    pub form: &'static str,
    /// Who stamped the arrivals: `kernel` or `user`.
    pub timestamps: &'static str,
    /// Seconds from the first burst to the last.
    pub sending_s: f64,
    /// What was asked for; nothing for as fast as it goes.
    pub asked: Option<Rate>,
    /// What was sent; nothing if it went in one burst.
    pub offered: Option<Rate>,
    /// What came back, over the time of sending.
    pub returned: Option<Rate>,
    /// Frames handed to the kernel.
    pub sent: u64,
    /// Distinct, whole probes that came back.
    pub received: u64,
    /// Sent and not received.
    pub lost: u64,
    /// Lost, in percent of sent.
    pub loss_percent: f64,
    /// Why they are counted as lost; the sum is `lost`.
    pub loss_causes: LossCauses,
    /// Came back again.
    pub duplicated: u64,
    /// Came back after a higher sequence number.
    pub reordered: u64,
    /// Came back damaged. Not received.
    pub corrupted: u64,
    /// Probes of other streams.
    pub foreign: u64,
    /// Came back too late to tell from a duplicate. Not received.
    pub outside_window: u64,
    /// Arrivals of any kind that the interface dropped before the tester could
    /// see them; nothing where that is not known. The tester's own as well, if
    /// probes are among them, which nobody can tell.
    pub interface_drops: Option<u64>,
    /// Due, and refused by the kernel until too late. Not sent.
    pub send_refused: u64,
    /// Reports that the target or its port cannot be reached.
    pub undeliverable: u64,
    /// Times that the sender fell too far behind its pace to catch up.
    pub pacing_slips: u64,
    /// Round-trip times of what was received.
    pub round_trip_ns: Option<RoundTrip>,
    /// Which limits were exceeded, and by what.
    pub failures: Vec<String>,
    /// `pass` or `fail`.
    pub verdict: &'static str,
}

/// Where the probes went.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Place {
    /// Address and port of the reflector.
    pub target: String,
    /// `udp` or `packet`.
    pub path: &'static str,
    /// For raw frames.
    pub interface: Option<String>,
    /// VLAN ids, outermost first.
    pub vlan: Vec<u16>,
    /// The signature's name.
    pub signature: &'static str,
}

/// A rate of frames of one size.
#[derive(Clone, Copy, PartialEq, Serialize, Debug)]
pub struct Rate {
    /// Frames a second.
    pub frames_per_s: f64,
    /// Bits a second with preamble and gap.
    pub l1_bits_per_s: f64,
    /// Bits a second of frames, FCS in.
    pub l2_bits_per_s: f64,
}

/// Why frames are counted as lost.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
pub struct LossCauses {
    /// The tester's own: its receive buffer was full. At most so many: other
    /// traffic of the interface overflows the same buffer.
    pub receive_overflow: u64,
    /// They came back damaged.
    pub corrupted: u64,
    /// They came back too late.
    pub outside_window: u64,
    /// The rest: the network's or the reflector's.
    pub network_or_reflector: u64,
}

/// Round-trip times in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
pub struct RoundTrip {
    /// How many.
    pub count: u64,
    /// The shortest, exact.
    pub min: u64,
    /// The mean, exact.
    pub mean: u64,
    /// The median.
    pub p50: u64,
    /// 90 % are not longer.
    pub p90: u64,
    /// 99 % are not longer.
    pub p99: u64,
    /// 99.9 % are not longer.
    pub p99_9: u64,
    /// 99.99 % are not longer.
    pub p99_99: u64,
    /// The longest, exact.
    pub max: u64,
    /// How far quantiles may be above the truth, in millionths; they are never
    /// below it.
    pub error_ppm: u32,
}

/// All runs together.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub struct Summary {
    /// Of [`SCHEMA`]: `summary`.
    #[serde(flatten)]
    pub line: Line,
    /// Version of the tester.
    pub program_version: &'static str,
    /// Runs that were done.
    pub runs: usize,
    /// Runs that failed.
    pub failed: usize,
    /// Frames handed to the kernel.
    pub sent: u64,
    /// Distinct, whole probes that came back.
    pub received: u64,
    /// Sent and not received.
    pub lost: u64,
    /// Somebody ended it early.
    pub is_interrupted: bool,
    /// `pass` or `fail`.
    pub verdict: &'static str,
}

impl RunReport {
    /// Sums up one run.
    #[must_use]
    pub fn new(
        plan: &Plan,
        place: Place,
        frame_octets: usize,
        outcome: &Outcome,
        timestamps: TimeSource,
    ) -> Self {
        let (sending, counts) = (&outcome.sending, &outcome.counts);
        let lost = sending.sent.saturating_sub(counts.received);
        let rate = |frames_per_s| Rate::new(frames_per_s, frame_octets);
        let offered = sending.offered_frames_per_s();
        let returned_share = share(counts.received, sending.sent);
        let payload_octets = plan.payload_octets(frame_octets);
        let round_trip_ns = RoundTrip::new(&outcome.round_trip);
        let failures = failures(plan.limits, sending.sent, lost, round_trip_ns.as_ref());
        Self {
            line: Line::now(SCHEMA, "run"),
            place,
            frame_octets,
            payload_octets,
            form: Form::of(plan.kind, payload_octets).map_or("", form_name),
            timestamps: timestamps.name(),
            sending_s: Duration::from_nanos(sending.rate_ns).as_secs_f64(),
            asked: plan.asked.pace(frame_octets).map(|pace| rate(pace.frames_per_s())),
            offered: offered.map(rate),
            returned: offered.map(|offered| rate(offered * returned_share)),
            sent: sending.sent,
            received: counts.received,
            lost,
            loss_percent: 100.0 * share(lost, sending.sent),
            loss_causes: LossCauses::new(lost, outcome),
            duplicated: counts.duplicated,
            reordered: counts.reordered,
            corrupted: counts.corrupted,
            foreign: counts.foreign,
            outside_window: counts.outside_window,
            interface_drops: outcome.interface_drops,
            send_refused: sending.refused,
            undeliverable: sending.unreachable,
            pacing_slips: sending.slips,
            round_trip_ns,
            verdict: if failures.is_empty() { "pass" } else { "fail" },
            failures,
        }
    }
}

impl Rate {
    fn new(frames_per_s: f64, frame_octets: usize) -> Self {
        Self {
            frames_per_s,
            l1_bits_per_s: l1_bits_per_s(frames_per_s, frame_octets),
            l2_bits_per_s: l2_bits_per_s(frames_per_s, frame_octets),
        }
    }
}

impl LossCauses {
    fn new(lost: u64, outcome: &Outcome) -> Self {
        let mut left = lost;
        let mut take = |count: u64| {
            let taken = count.min(left);
            left -= taken;
            taken
        };
        let corrupted = take(outcome.counts.corrupted);
        let outside_window = take(outcome.counts.outside_window);
        let receive_overflow = take(outcome.overflows.unwrap_or(0));
        Self { receive_overflow, corrupted, outside_window, network_or_reflector: left }
    }
}

impl RoundTrip {
    fn new(times: &Histogram) -> Option<Self> {
        Some(Self {
            count: times.count(),
            min: times.min()?,
            mean: times.mean()?,
            p50: times.quantile(500_000)?,
            p90: times.quantile(900_000)?,
            p99: times.quantile(990_000)?,
            p99_9: times.quantile(999_000)?,
            p99_99: times.quantile(999_900)?,
            max: times.max()?,
            error_ppm: histogram::RELATIVE_ERROR_PPM,
        })
    }
}

impl Summary {
    /// Sums up all runs. None at all is a failure.
    #[must_use]
    pub fn new(runs: &[RunReport], is_interrupted: bool) -> Self {
        let failed = runs.iter().filter(|run| !run.failures.is_empty()).count();
        let is_passed = failed == 0 && !runs.is_empty();
        Self {
            line: Line::now(SCHEMA, "summary"),
            program_version: env!("CARGO_PKG_VERSION"),
            runs: runs.len(),
            failed,
            sent: runs.iter().map(|run| run.sent).sum(),
            received: runs.iter().map(|run| run.received).sum(),
            lost: runs.iter().map(|run| run.lost).sum(),
            is_interrupted,
            verdict: if is_passed { "pass" } else { "fail" },
        }
    }

    /// Whether every run passed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.verdict == "pass"
    }
}

fn failures(limits: Limits, sent: u64, lost: u64, times: Option<&RoundTrip>) -> Vec<String> {
    let mut failures = Vec::new();
    if sent == 0 {
        failures.push(String::from("nothing was sent"));
    } else if times.is_none() {
        failures.push(String::from("no answer"));
    }
    if let Some(loss_ppm) = limits.loss_ppm {
        // Exactly, not by a rounded percentage.
        let is_over = u128::from(lost) * 1_000_000 > u128::from(loss_ppm) * u128::from(sent);
        if is_over {
            let percent = 100.0 * share(lost, sent);
            failures.push(format!("lost {percent:.4} %, more than {} %", decimal(loss_ppm, 4)));
        }
    }
    if let (Some(limit_ns), Some(times)) = (limits.p99_ns, times)
        && times.p99 > limit_ns
    {
        failures.push(format!(
            "p99 is {} us, more than {} us",
            decimal(times.p99, 3),
            decimal(limit_ns, 3)
        ));
    }
    failures
}

/// A number that is divided by a power of ten, without trailing zeros.
fn decimal(value: u64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let rest = format!("{:0width$}", value % unit, width = places as usize);
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{}{point}{rest}", value / unit)
}

#[expect(clippy::cast_precision_loss, reason = "a share to print")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

const fn form_name(form: Form) -> &'static str {
    match form {
        Form::Full => "full",
        Form::Compact => "compact",
        Form::Ito => "ito",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{judge::Counts, sender::Sending};

    #[test]
    fn the_causes_of_a_loss_sum_up_to_it() {
        let outcome = |overflows| Outcome {
            sending: Sending { sent: 100, ..Sending::default() },
            counts: Counts { received: 90, corrupted: 3, outside_window: 1, ..Counts::default() },
            round_trip: Box::default(),
            overflows,
            interface_drops: None,
        };
        for (overflows, receive_overflow, network_or_reflector) in
            [(None, 0, 6), (Some(2), 2, 4), (Some(50), 6, 0)]
        {
            let causes = LossCauses::new(10, &outcome(overflows));
            let wanted = LossCauses {
                receive_overflow,
                corrupted: 3,
                outside_window: 1,
                network_or_reflector,
            };
            assert_eq!(causes, wanted);
        }
    }

    #[test]
    fn a_limit_is_exceeded_by_one_frame_and_not_by_none() {
        let limits = Limits { loss_ppm: Some(1_000), p99_ns: Some(5_000) };
        let mut histogram = Histogram::new();
        histogram.record(5_000);
        let times = RoundTrip::new(&histogram);
        assert_eq!(failures(limits, 1_000, 1, times.as_ref()), [""; 0]);
        assert_eq!(failures(limits, 1_000, 2, times.as_ref()), ["lost 0.2000 %, more than 0.1 %"]);
        histogram.record(9_001);
        assert_eq!(
            failures(limits, 1_000, 0, RoundTrip::new(&histogram).as_ref()),
            ["p99 is 9.001 us, more than 5 us"]
        );
        assert_eq!(failures(Limits::default(), 5, 5, None), ["no answer"]);
    }
}
