//! Verdicts in words.

use farend_core::Verdict;

/// Class and name of a verdict: `passed: udp_port`.
#[must_use]
pub fn describe(verdict: Verdict) -> String {
    format!("{}: {}", verdict.class().name(), verdict.name())
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, Reason};

    use super::*;

    #[test]
    fn a_verdict_is_told_by_class_and_name() {
        assert_eq!(describe(Verdict::Reflect(Kind::DataOt)), "reflected: data_ot");
        assert_eq!(describe(Verdict::Refuse(Reason::UdpPort)), "passed: udp_port");
        assert_eq!(describe(Verdict::Refuse(Reason::RateCap)), "dropped: rate_cap");
        assert_eq!(describe(Verdict::Refuse(Reason::UdpLength)), "malformed: udp_length");
    }
}
