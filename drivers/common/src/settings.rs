//! The options of every driver that reflects, and the policy that they make.

use std::time::Duration;

use farend_core::{
    Guards, MacAddress, Mode, Oui, Policy, PolicyError, reflect::policy::RateCap,
    reflect::signature::KindSet,
};

use crate::{
    observe, options,
    options::{Declared, Flag, List, Maybe, One, Options},
    values::{
        ControlAt, Format, Guard, Port, Prefix, Rate, Seconds, SignatureSet, SourceOui,
        UserSignature, VlanId,
    },
};

const MATCHING: &str = "Matching";
const GUARDS: &str = "Testers and guards";
/// Headings of options that only reflectors use.
pub const REFLECTORS_HEADINGS: [&str; 3] = [MATCHING, GUARDS, crate::observe::HEADING];

const RUNNING: &str = "Running and statistics";

options! {
    /// What every driver that reflects can be told.
    pub struct Common, Choices, Settings;
    include { observe: observe::ObserveOptions }

    /// UDP destination port to answer, or any
    port("port", "N|any", "3842", MATCHING, Live, yaml = "filtering.port"): One<Port> = Port::ITO;

    /// Answer only this source OUI, and take it for a tester's
    oui("oui", "XX:XX:XX|any", "any", MATCHING, Live, yaml = "filtering.oui"):
        One<SourceOui> = SourceOui::Any;

    /// Signatures to answer, with commas between: probeot, data_ot, latency,
    /// rfc2544, y1564, msnseed; or any, or none
    signatures("signatures", "LIST|any|none", "all of them", MATCHING, Live):
        One<SignatureSet> = SignatureSet(KindSet::BUILT_IN);

    /// A signature of your own beside --signatures, up to eight: payload offset
    /// and octets in hexadecimal, as 5:50524f4245 or, with a mask, 0:ab00/ff00
    user_signatures("pattern", "OFFSET:HEX[/MASKHEX]", "none", MATCHING, Live):
        List<UserSignature> = Vec::new();

    /// What to exchange: mac (MAC addresses), mac-ip (and IP addresses), all
    /// (and UDP ports)
    mode("mode", "mac|mac-ip|all", "all", MATCHING, Live, yaml = "reflection.mode"):
        One<Mode> = Mode::default();

    /// VLAN ids to answer, with commas between; 0 stands for frames without a
    /// tag, and of two tags the outer one counts
    vlans("vlan", "ID", "every one", MATCHING, Live): List<VlanId> = Vec::new();

    /// Testers' addresses, with commas between, as 10.0.0.0/8,fd00::/8; all
    /// others get no answer; at most 16 of each IP version. Only one whole
    /// address (/32, /128) names a tester that loop-risk spares
    allow("allow", "CIDR", "everybody", GUARDS, Live): List<Prefix> = Vec::new();

    /// OUIs of testers that send from a port that reflectors serve, beside
    /// 00:c0:17 and 00:19:b3; six at most
    tester_ouis("tester-oui", "OUI", "none", GUARDS, Live): List<Oui> = Vec::new();

    /// Most frames a second that each receiving CPU or worker answers, as
    /// 250000 or 250k; what is over is dropped and counted as rate_cap
    max_rate("max-rate", "PPS", "no cap", GUARDS, Live): Maybe<Rate> = None;

    /// DANGER: answer every unicast destination MAC, not only our own
    any_destination("any-destination", "true|false", "", GUARDS, Live, danger = true): Flag = false;

    /// DANGER: switch off guards, with commas between: own-source-mac,
    /// equal-macs, checksum, hop-limit (answers keep it), loop-risk, loopback
    /// (udp tier)
    disabled_guards("disable-guard", "NAME", "none", GUARDS, Live, danger = true):
        List<Guard> = Vec::new();

    /// Stop after so many seconds
    duration("duration", "S", "run until a signal", RUNNING, Restart): Maybe<Seconds> = None;

    /// Serve the control API (docs/control.md) on a Unix socket, for farendctl:
    /// on (/run/farend/PROGRAM-INTERFACES.sock) or a path
    control("control", "PATH|on|off", "off", RUNNING, Restart): One<ControlAt> = ControlAt::Off;

    /// Form of the statistics on standard output
    format("stats", "text|json|csv|none", "text", RUNNING, Restart, yaml = "stats.format"):
        One<Format> = Format::Text;

    /// Seconds between statistics
    stats_interval("stats-interval", "S", "10", RUNNING, Live, yaml = "stats.interval"):
        One<Seconds> = Seconds(Duration::from_secs(10));
}

/// Whether an option has part in the policy of an interface, so that each may have its
/// own.
pub(crate) fn is_of_policy(option: &Declared) -> bool {
    [MATCHING, GUARDS].contains(&option.heading)
}

impl Settings {
    /// Makes the policy of one interface. `ticks_per_second` is the clock that
    /// the rate cap will be asked with.
    ///
    /// # Errors
    ///
    /// The first contradiction between settings.
    pub fn policy(
        &self,
        own_mac: Option<MacAddress>,
        ticks_per_second: u64,
    ) -> Result<Policy, PolicyError> {
        let mut builder =
            Policy::builder().mode(self.mode).kinds(self.signatures.0).guards(self.guards());
        if let Some(address) = own_mac {
            builder = builder.own_mac(address);
        }
        if self.any_destination {
            builder = builder.any_destination();
        }
        builder = match self.port {
            Port::Any => builder.any_port(),
            Port::Only(port) => builder.port(port.get()),
        };
        if let SourceOui::Only(oui) = self.oui {
            builder = builder.source_oui(oui);
        }
        for oui in &self.tester_ouis {
            builder = builder.tester_oui(*oui);
        }
        for signature in &self.user_signatures {
            builder = builder.custom(signature.custom());
        }
        for prefix in &self.allow {
            builder = prefix.allow_in(builder);
        }
        for vlan in &self.vlans {
            builder = builder.vlan(vlan.0);
        }
        if let Some(rate) = self.max_rate {
            builder = builder.rate_cap(RateCap::new(rate.0, ticks_per_second));
        }
        builder.build()
    }

    /// The first option that the tiers in the kernel cannot serve, because user
    /// space must see frames for it.
    #[must_use]
    pub fn needs_user_space(&self) -> Option<&'static str> {
        self.observe.needs_user_space()
    }

    /// The guards that are on.
    #[must_use]
    pub fn guards(&self) -> Guards {
        self.disabled_guards.iter().fold(Guards::ALL, |on, guard| on.without(guard.guards))
    }

    /// All settings as lines of a configuration file, with the keys of
    /// `docs/configuration.md`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        Common::to_toml(self).join("\n") + "\n"
    }
}

impl Choices {
    /// What this says, and where it says nothing what `lower` says. A list
    /// replaces a list.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        Common::over(self, lower)
    }

    /// Fills in the defaults.
    #[must_use]
    pub fn settle(self) -> Settings {
        Common::settle(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_the_cores_default_policy() {
        let mac = MacAddress([2, 0, 0, 0, 0, 1]);
        let policy = Choices::default().settle().policy(Some(mac), 100).unwrap();
        assert_eq!(policy, Policy::builder().own_mac(mac).build().unwrap());
    }

    #[test]
    fn what_is_said_wins_over_what_is_below_it() {
        let above = Choices { port: Some(Port::Any), ..Choices::default() };
        let below =
            Choices { port: Some(Port::ITO), vlans: Some(vec![VlanId(7)]), ..Choices::default() };
        let settled = above.over(below).settle();
        assert_eq!(settled.port, Port::Any);
        assert_eq!(settled.vlans, [VlanId(7)]);
    }

    #[test]
    fn a_contradiction_is_the_policys_error() {
        let choices = Choices {
            port: Some(Port::Any),
            signatures: Some("any".parse().unwrap()),
            ..Choices::default()
        };
        let error = choices.settle().policy(Some(MacAddress([2, 0, 0, 0, 0, 1])), 100);
        assert_eq!(error, Err(PolicyError::EverythingAnswered));
    }
}
