//! What is to be done: the command line over the file over the defaults.

use clap::ValueEnum;
use farend_core::PolicyError;
use farend_driver::{
    config::Config,
    settings::Settings,
    values::{BusyPoll, Numbers, Port, SourceOui, mode_name},
};

use crate::{arguments::CommandLine, failure::Failure, tier::TierChoice};

/// All that the user asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Interfaces or addresses, each once.
    pub targets: Vec<String>,
    /// How to reflect.
    pub tier: TierChoice,
    /// Whether to take the place of somebody else's program.
    pub is_foreign_replaced: bool,
    /// How AF_XDP sockets are used.
    pub af_xdp: AfXdpSettings,
    /// What to answer.
    pub settings: Settings,
    config: Config,
}

/// Settings of the tier `af-xdp` alone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AfXdpSettings {
    /// Receive queues to serve; `None` for all.
    pub queues: Option<Numbers>,
    /// CPUs for workers; `None` for all.
    pub cpus: Option<Numbers>,
    /// How long the kernel looks for frames by itself; `None`: it does not.
    pub busy_poll: Option<BusyPoll>,
}

impl AfXdpSettings {
    /// The first option that is given.
    fn given(&self) -> Option<&'static str> {
        let options = [
            ("--queues", self.queues.is_some()),
            ("--cpus", self.cpus.is_some()),
            ("--busy-poll", self.busy_poll.is_some()),
        ];
        options.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }

    fn to_toml(&self) -> String {
        let list = |key: &str, numbers: &Option<Numbers>| match numbers {
            Some(numbers) => format!("{key} = \"{numbers}\"\n"),
            None => format!("# {key}: all\n"),
        };
        let busy_poll = match self.busy_poll {
            Some(time) => format!("busy-poll = {time}\n"),
            None => "# busy-poll: no\n".to_owned(),
        };
        list("queues", &self.queues) + &list("cpus", &self.cpus) + &busy_poll
    }
}

impl Plan {
    /// Reads the file, if one is named, and puts the command line over it.
    ///
    /// # Errors
    ///
    /// What is wrong in the file, or contradicts itself.
    pub fn make(line: &CommandLine) -> Result<Self, Failure> {
        let config = match &line.common.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let tier = match (line.tier, &config.tier) {
            (Some(tier), _) => tier,
            (None, Some(name)) => tier_of(&config, name)?,
            (None, None) => TierChoice::Auto,
        };
        let targets = if line.targets.is_empty() {
            config.targets.clone().unwrap_or_default()
        } else {
            line.targets.clone()
        };
        let plan = Self {
            targets,
            tier,
            is_foreign_replaced: line.replace.or(config.replace).unwrap_or(false),
            af_xdp: AfXdpSettings {
                queues: line.queues.clone().or(config.queues.clone()),
                cpus: line.cpus.clone().or(config.cpus.clone()),
                busy_poll: line.busy_poll.or(config.busy_poll),
            },
            settings: line.common.choices().over(config.choices.clone()).settle(),
            config,
        };
        plan.check_targets()?;
        plan.check_af_xdp()?;
        plan.check_observe()?;
        if plan.tier == TierChoice::Udp {
            udp_settings(&plan.settings, false).map_err(Failure::usage)?;
        }
        Ok(plan)
    }

    /// What a person should know about the file.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.config.notes
    }

    /// Settings that make a reflector a danger to others, one line each.
    #[must_use]
    pub fn dangers(&self) -> Vec<String> {
        let mut dangers = Vec::new();
        if self.settings.any_destination {
            dangers.push("--any-destination answers frames to other stations too".to_owned());
        }
        let off: Vec<_> = self.settings.disabled_guards.iter().map(|guard| guard.name).collect();
        if !off.is_empty() {
            dangers.push(format!("guards are off: {}", off.join(", ")));
        }
        dangers
    }

    /// A contradiction between settings, with its place in the file if it
    /// comes from there.
    #[must_use]
    pub fn contradiction(&self, error: &PolicyError) -> Failure {
        match self.config.blame(error) {
            Some(error) => error.into(),
            None => Failure::usage(error.to_string()),
        }
    }

    /// What is in force, as a configuration file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let targets: Vec<_> = self.targets.iter().map(|target| format!("{target:?}")).collect();
        format!(
            "interfaces = [{}]\ntier = \"{}\"\nreplace = {}\n{}{}",
            targets.join(", "),
            self.tier.name(),
            self.is_foreign_replaced,
            self.af_xdp.to_toml(),
            self.settings.to_toml()
        )
    }

    /// The first option that needs AF_XDP.
    #[must_use]
    pub fn needs_af_xdp(&self) -> Option<&'static str> {
        self.af_xdp.given()
    }

    fn check_af_xdp(&self) -> Result<(), Failure> {
        let is_fit = matches!(self.tier, TierChoice::Auto | TierChoice::AfXdp);
        match self.needs_af_xdp().filter(|_| !is_fit) {
            None => Ok(()),
            Some(option) => Err(Failure::usage(format!(
                "{option} is for AF_XDP sockets: leave it out, or give --tier af-xdp"
            ))),
        }
    }

    /// The first option that the tiers in the kernel cannot serve.
    #[must_use]
    pub fn needs_user_space(&self) -> Option<&'static str> {
        self.needs_af_xdp().or_else(|| self.settings.needs_user_space())
    }

    /// What the named tier cannot look at; one that is to be found is found
    /// with this in mind.
    fn check_observe(&self) -> Result<(), Failure> {
        if let Some((key, message)) = self.settings.observe.contradiction() {
            let error = self.config.error_at(key, message.clone());
            return Err(error.map_or_else(|| Failure::usage(message), Failure::from));
        }
        let is_blind = matches!(self.tier, TierChoice::Xdp | TierChoice::XdpGeneric);
        match self.settings.needs_user_space().filter(|_| is_blind) {
            None => Ok(()),
            Some(option) => Err(Failure::usage(format!(
                "{option} needs frames in user space: give --tier af-xdp, or auto"
            ))),
        }
    }

    fn check_targets(&self) -> Result<(), Failure> {
        if self.targets.is_empty() && self.tier != TierChoice::Udp {
            return Err(Failure::usage(
                "no interface is named: farend-xdp IFACE, or interfaces = [\"IFACE\"] in the file",
            ));
        }
        for (at, target) in self.targets.iter().enumerate() {
            if self.targets[..at].contains(target) {
                return Err(Failure::usage(format!("{target} is named twice: name it once")));
            }
        }
        Ok(())
    }
}

fn tier_of(config: &Config, name: &str) -> Result<TierChoice, Failure> {
    TierChoice::from_str(name, false).map_err(|_| {
        let names: Vec<_> = TierChoice::value_variants().iter().map(|tier| tier.name()).collect();
        let message = format!("{name:?}: expected one of {}", names.join(", "));
        match config.error_at("tier", message.clone()) {
            Some(error) => error.into(),
            None => Failure::usage(message),
        }
    })
}

/// The settings for plain sockets, which see neither MAC addresses nor tags.
///
/// On loopback addresses the loopback guard is off: it is there for frames
/// that claim such an address on a wire, and the kernel drops those itself.
///
/// # Errors
///
/// Names the setting that needs frames.
pub(crate) fn udp_settings(settings: &Settings, has_loopback: bool) -> Result<Settings, String> {
    let looks = settings.needs_user_space();
    let needs_frames = [
        (looks.is_some(), looks.unwrap_or_default().to_owned()),
        (settings.port == Port::Any, "--port any".to_owned()),
        (settings.oui != SourceOui::Any, format!("--oui {}", settings.oui)),
        (!settings.tester_ouis.is_empty(), "--tester-oui".to_owned()),
        (!settings.vlans.is_empty(), "--vlan".to_owned()),
        (settings.any_destination, "--any-destination".to_owned()),
        (settings.mode != farend_core::Mode::All, format!("--mode {}", mode_name(settings.mode))),
    ];
    if let Some((_, option)) = needs_frames.into_iter().find(|(is_given, _)| *is_given) {
        return Err(format!(
            "{option} needs whole frames, and a UDP socket has none: \
             leave it out, or use another tier"
        ));
    }
    // No MAC address is ever compared.
    let mut settings = Settings { any_destination: true, ..settings.clone() };
    if has_loopback && let Ok(guard) = "loopback".parse() {
        settings.disabled_guards.push(guard);
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn plan(line: &str) -> Result<Plan, String> {
        let line = std::iter::once("farend-xdp").chain(line.split_whitespace());
        Plan::make(&CommandLine::try_parse_from(line).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn no_interface_is_an_error_except_for_plain_sockets() {
        assert!(plan("").unwrap_err().contains("farend-xdp IFACE"));
        assert!(plan("--tier udp").unwrap().targets.is_empty());
    }

    #[test]
    fn an_interface_named_twice_is_an_error() {
        assert!(plan("a b a").unwrap_err().starts_with("a is named twice"));
    }

    #[test]
    fn options_of_af_xdp_contradict_other_tiers() {
        for option in ["--queues 0", "--cpus 0-1", "--busy-poll", "--busy-poll=50"] {
            let error = plan(&format!("eth0 --tier xdp {option}")).unwrap_err();
            assert!(error.starts_with("--") && error.contains("--tier af-xdp"), "{error}");
            assert!(plan(&format!("eth0 {option}")).unwrap().needs_af_xdp().is_some());
        }
        assert_eq!(plan("eth0 --tier af-xdp").unwrap().needs_af_xdp(), None);
    }

    #[test]
    fn what_a_tier_cannot_look_at_is_refused_with_one_that_can() {
        for tier in ["xdp", "xdp-generic"] {
            let error = plan(&format!("eth0 --tier {tier} --residence")).unwrap_err();
            assert!(error.starts_with("--residence needs frames in user space"), "{error}");
        }
        let sample = "--sample 1 --sample-file f --sample-of";
        for of in ["reflected", "refused", "all"] {
            assert!(plan(&format!("eth0 --tier af-xdp {sample} {of}")).is_ok());
            assert!(plan(&format!("eth0 --tier xdp {sample} {of}")).is_err());
        }
        assert!(plan("--tier udp --testers 9").unwrap_err().starts_with("--testers needs"));
        assert!(plan("eth0 --sample 1").unwrap_err().contains("--sample-file"));
        assert_eq!(plan("eth0 --residence").unwrap().needs_user_space(), Some("--residence"));
    }

    #[test]
    fn what_needs_frames_contradicts_plain_sockets() {
        for option in
            ["--vlan 7", "--oui 00:c0:17", "--mode mac", "--port any", "--any-destination"]
        {
            let error = plan(&format!("--tier udp {option}")).unwrap_err();
            let name = option.split(' ').next().unwrap_or_default();
            assert!(error.starts_with(name) && error.contains("another tier"), "{error}");
            assert!(plan(&format!("eth0 {option}")).is_ok());
        }
    }
}
