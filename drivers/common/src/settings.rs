//! What a user asked for, from the command line and from a file, and the
//! policy that it makes.

use std::time::Duration;

use farend_core::{
    Guards, MacAddress, Mode, Oui, Policy, PolicyError, reflect::policy::RateCap,
    reflect::signature::KindSet,
};

use crate::{
    observe,
    values::{
        Format, Guard, Port, Prefix, Rate, Seconds, SignatureSet, SourceOui, UserSignature, VlanId,
        mode_name,
    },
};

/// What one source of settings says; `None` is what it does not speak of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "each field is the option of the same name")]
pub struct Choices {
    pub port: Option<Port>,
    pub oui: Option<SourceOui>,
    pub tester_ouis: Option<Vec<Oui>>,
    pub signatures: Option<SignatureSet>,
    pub user_signatures: Option<Vec<UserSignature>>,
    pub mode: Option<Mode>,
    pub allow: Option<Vec<Prefix>>,
    pub vlans: Option<Vec<VlanId>>,
    pub any_destination: Option<bool>,
    pub disabled_guards: Option<Vec<Guard>>,
    pub max_rate: Option<Rate>,
    /// What to look at beside reflecting.
    pub observe: observe::Choices,
    pub duration: Option<Seconds>,
    pub format: Option<Format>,
    pub stats_interval: Option<Seconds>,
}

impl Choices {
    /// What this says, and where it says nothing what `lower` says. A list
    /// replaces a list.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        Self {
            port: self.port.or(lower.port),
            oui: self.oui.or(lower.oui),
            tester_ouis: self.tester_ouis.or(lower.tester_ouis),
            signatures: self.signatures.or(lower.signatures),
            user_signatures: self.user_signatures.or(lower.user_signatures),
            mode: self.mode.or(lower.mode),
            allow: self.allow.or(lower.allow),
            vlans: self.vlans.or(lower.vlans),
            any_destination: self.any_destination.or(lower.any_destination),
            disabled_guards: self.disabled_guards.or(lower.disabled_guards),
            max_rate: self.max_rate.or(lower.max_rate),
            observe: self.observe.over(lower.observe),
            duration: self.duration.or(lower.duration),
            format: self.format.or(lower.format),
            stats_interval: self.stats_interval.or(lower.stats_interval),
        }
    }

    /// Fills in the defaults.
    #[must_use]
    pub fn settle(self) -> Settings {
        Settings {
            port: self.port.unwrap_or(Port::ITO),
            oui: self.oui.unwrap_or(SourceOui::Any),
            tester_ouis: self.tester_ouis.unwrap_or_default(),
            signatures: self.signatures.unwrap_or(SignatureSet(KindSet::BUILT_IN)),
            user_signatures: self.user_signatures.unwrap_or_default(),
            mode: self.mode.unwrap_or_default(),
            allow: self.allow.unwrap_or_default(),
            vlans: self.vlans.unwrap_or_default(),
            any_destination: self.any_destination.unwrap_or(false),
            disabled_guards: self.disabled_guards.unwrap_or_default(),
            max_rate: self.max_rate,
            observe: self.observe.settle(),
            duration: self.duration.map(|seconds| seconds.0),
            format: self.format.unwrap_or(Format::Text),
            stats_interval: self.stats_interval.map_or(Duration::from_secs(10), |s| s.0),
        }
    }
}

/// All that is settled.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each field is the option of the same name")]
pub struct Settings {
    pub port: Port,
    pub oui: SourceOui,
    pub tester_ouis: Vec<Oui>,
    pub signatures: SignatureSet,
    pub user_signatures: Vec<UserSignature>,
    pub mode: Mode,
    pub allow: Vec<Prefix>,
    pub vlans: Vec<VlanId>,
    pub any_destination: bool,
    pub disabled_guards: Vec<Guard>,
    /// `None` for no cap.
    pub max_rate: Option<Rate>,
    /// What to look at beside reflecting.
    pub observe: observe::Settings,
    /// `None` for until a signal comes.
    pub duration: Option<Duration>,
    pub format: Format,
    pub stats_interval: Duration,
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
        let mut lines = vec![
            match self.port {
                Port::Any => "port = \"any\"".to_owned(),
                Port::Only(port) => format!("port = {port}"),
            },
            format!("oui = \"{}\"", self.oui),
            format!("tester-oui = {}", list(self.tester_ouis.iter().map(quoted))),
            format!("signatures = \"{}\"", self.signatures),
            format!("signature = {}", list(self.user_signatures.iter().map(quoted))),
            format!("mode = \"{}\"", mode_name(self.mode)),
            format!("allow = {}", list(self.allow.iter().map(quoted))),
            format!("vlan = {}", list(self.vlans.iter().map(|vlan| vlan.0.to_string()))),
            format!("any-destination = {}", self.any_destination),
            format!(
                "disable-guard = {}",
                list(self.disabled_guards.iter().map(|guard| quoted(&guard.name)))
            ),
        ];
        lines.push(match self.max_rate {
            Some(rate) => format!("max-rate = {}", rate.0),
            None => "# max-rate: none".to_owned(),
        });
        lines.extend(self.observe.to_toml());
        lines.push(match self.duration {
            Some(duration) => format!("duration = {}", Seconds(duration)),
            None => "# duration: until a signal comes".to_owned(),
        });
        lines.push(format!("stats = \"{}\"", self.format));
        lines.push(format!("stats-interval = {}", Seconds(self.stats_interval)));
        lines.join("\n") + "\n"
    }
}

fn quoted(value: &impl ToString) -> String {
    format!("\"{}\"", value.to_string())
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
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
