//! Verdicts in words.

use farend_core::Verdict;

/// The name of a verdict's class, the one that statistics use.
#[must_use]
pub const fn class_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Reflect(_) => "reflected",
        Verdict::Pass(_) => "passed",
        Verdict::Drop(_) => "dropped",
        Verdict::Malformed(_) => "malformed",
    }
}

/// Class and name of a verdict: `passed: udp_port`.
#[must_use]
pub fn describe(verdict: Verdict) -> String {
    format!("{}: {}", class_name(verdict), verdict.name())
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, Malformed, Reason};

    use super::*;

    #[test]
    fn a_verdict_is_told_by_class_and_name() {
        assert_eq!(describe(Verdict::Reflect(Kind::DataOt)), "reflected: data_ot");
        assert_eq!(describe(Verdict::Pass(Reason::UdpPort)), "passed: udp_port");
        assert_eq!(describe(Verdict::Drop(Reason::RateCap)), "dropped: rate_cap");
        assert_eq!(describe(Verdict::Malformed(Malformed::UdpLength)), "malformed: udp_length");
    }
}
