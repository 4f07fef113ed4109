//! What a driver has to say, beside statistics.

pub use farend_control::event::Finding;
use serde::{Deserialize, Serialize};

/// What kind of event it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Something happened that needs no hand.
    Notice,
    /// Something happened that needs a hand.
    Warning,
    /// A better tier does not work here.
    TierSkipped,
    /// Frames arrive and are not answered, and an option would change that.
    Hint,
    /// Something about an interface or the host would make a test fail.
    Finding,
    /// An interface is not served any more.
    Ended,
    /// An interface is served again, on demand.
    Started,
    /// An interface is not served for now, on demand.
    Stopped,
    /// Settings were changed on demand.
    Configuration,
    /// An epoch of statistics has begun, on demand.
    Reset,
    /// Lines were lost, because an output did not take them.
    LinesLost,
}

impl Code {
    /// Its name in JSON lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::TierSkipped => "tier_skipped",
            Self::Hint => "hint",
            Self::Finding => "finding",
            Self::Ended => "ended",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Configuration => "configuration",
            Self::Reset => "reset",
            Self::LinesLost => "lines_lost",
        }
    }

    /// How its line for a person begins.
    const fn label(self) -> &'static str {
        match self {
            Self::Notice | Self::Started | Self::Stopped | Self::Configuration | Self::Reset => {
                "notice"
            }
            Self::Hint => "hint",
            Self::TierSkipped => "",
            Self::Warning | Self::Finding | Self::Ended | Self::LinesLost => "warning",
        }
    }
}

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What kind it is.
    pub code: Code,
    /// The interface that it is about.
    pub interface: Option<String>,
    /// The tier that it is about.
    pub tier: Option<&'static str>,
    /// One line for a person.
    pub message: String,
    /// What was found.
    pub finding: Option<Finding>,
}

impl Event {
    /// An event about the driver as a whole.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, interface: None, tier: None, message: message.into(), finding: None }
    }

    /// An event about one interface.
    pub fn about(code: Code, interface: &str, message: impl Into<String>) -> Self {
        Self { interface: Some(interface.to_owned()), ..Self::new(code, message) }
    }

    /// A tier that does not work on an interface.
    pub fn skipped(interface: &str, tier: &'static str, reason: impl Into<String>) -> Self {
        Self { tier: Some(tier), ..Self::about(Code::TierSkipped, interface, reason) }
    }

    /// Something found about an interface.
    #[must_use]
    pub fn found(interface: &str, finding: Finding) -> Self {
        let message = finding.to_string();
        Self { finding: Some(finding), ..Self::about(Code::Finding, interface, message) }
    }

    /// Its line for a person, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        self.text().replace(char::is_control, " ")
    }

    fn text(&self) -> String {
        let interface = self.interface.as_deref();
        if let (Code::TierSkipped, Some(tier), Some(interface)) = (self.code, self.tier, interface)
        {
            return format!("tier {tier} skipped on {interface}: {}", self.message);
        }
        match interface {
            Some(interface) => format!("{}: {interface}: {}", self.code.label(), self.message),
            None => format!("{}: {}", self.code.label(), self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_kind_interface_and_fix() {
        let finding = Finding::new("link_down", "is down", "nothing arrives")
            .fixed_by("ip link set eth1 up")
            .undone_by("ip link set eth1 down");
        let line = Event::found("eth1", finding).line();
        assert_eq!(line, "warning: eth1: is down, nothing arrives: ip link set eth1 up");
        let line = Event::skipped("eth1", "xdp", "no driver").line();
        assert_eq!(line, "tier xdp skipped on eth1: no driver");
        assert_eq!(Event::new(Code::Notice, "x").line(), "notice: x");
        assert_eq!(Event::new(Code::Notice, "a\nb\x1bc").line(), "notice: a b c");
    }
}
