//! What is to be done: the command line over the file over the defaults.

use std::collections::BTreeMap;

use farend_core::{Guards, Mode, PolicyError};
use serde_json::Value as Json;

use crate::{
    arguments::CommandLine,
    config::{Config, keys_of, targets::TargetChoices},
    failure::Failure,
    options::{Change, Declared, Options},
    runtime::Platform,
    settings::{Choices, Common, Settings},
    values::mode_name,
};

/// What a driver's own options say, settled.
pub type OwnSettings<P> = <<P as Platform>::Options as Options>::Settings;
/// What one source says of a driver's own options.
pub type OwnChoices<P> = <<P as Platform>::Options as Options>::Choices;

/// What was set while the driver runs: over the command line.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ApiLayer<C> {
    /// What every driver can be told.
    pub common: Choices,
    /// What this driver alone can be told.
    pub own: C,
}

/// All that the user asked for.
#[derive(Debug)]
pub struct Plan<P: Platform> {
    /// Interfaces or addresses, each once.
    pub targets: Vec<String>,
    /// What every driver can be told.
    pub settings: Settings,
    /// What this driver alone can be told.
    pub own: OwnSettings<P>,
    /// Settings of targets that have some of their own.
    of_targets: BTreeMap<String, Settings>,
    /// The target that `settings` are those of, if it is one alone.
    target: Option<String>,
    config: Config<OwnChoices<P>>,
}

impl<P: Platform> Plan<P> {
    /// Reads the file, if one is named, and puts the command line over it.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, or which settings contradict one another.
    pub fn make(line: &CommandLine<OwnChoices<P>>) -> Result<Self, Failure> {
        Self::make_under(&ApiLayer::default(), line)
    }

    /// As [`make`](Self::make), with what was set meanwhile over it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn make_under(
        api: &ApiLayer<OwnChoices<P>>,
        line: &CommandLine<OwnChoices<P>>,
    ) -> Result<Self, Failure> {
        let config = match &line.config {
            Some(path) => Config::read::<P::Options>(path)?,
            None => Config::default(),
        };
        Self::compose(line, config, api)
    }

    /// As [`make_under`](Self::make_under), with the file as it was read last.
    ///
    /// # Errors
    ///
    /// Which settings contradict one another.
    pub fn again_under(
        &self,
        api: &ApiLayer<OwnChoices<P>>,
        line: &CommandLine<OwnChoices<P>>,
    ) -> Result<Self, Failure> {
        Self::compose(line, self.config.clone(), api)
    }

    fn compose(
        line: &CommandLine<OwnChoices<P>>,
        config: Config<OwnChoices<P>>,
        api: &ApiLayer<OwnChoices<P>>,
    ) -> Result<Self, Failure> {
        let targets = if line.targets.is_empty() {
            config.targets.clone().unwrap_or_default()
        } else {
            line.targets.clone()
        };
        let common = api.common.clone().over(line.common.clone()).over(config.choices.clone());
        let said = |all: &TargetChoices, name: &str| {
            all.iter().find(|(known, _)| known == name).map(|(_, said)| said.clone())
        };
        let names = line.of_targets.iter().chain(&config.of_targets).map(|(name, _)| name.clone());
        // What is said of one wins over what is said of all.
        let of_targets = names.map(|name| {
            let of_line = said(&line.of_targets, &name).unwrap_or_default();
            let of_file = said(&config.of_targets, &name).unwrap_or_default();
            let settings = of_line.over(of_file).over(common.clone()).settle();
            (name, settings)
        });
        let of_targets = of_targets.collect();
        let own = P::Options::over(api.own.clone(), line.own.clone());
        let plan = Self {
            targets,
            settings: common.settle(),
            own: P::Options::settle(P::Options::over(own, config.own.clone())),
            of_targets,
            target: None,
            config,
        };
        plan.check()?;
        P::check(&plan)?;
        for name in plan.of_targets.keys() {
            P::check(&plan.of(name))?;
        }
        Ok(plan)
    }

    /// The same plan, as it is for one target: with its own settings.
    #[must_use]
    pub fn of(&self, target: &str) -> Self {
        Self {
            targets: self.targets.clone(),
            settings: self.of_targets.get(target).unwrap_or(&self.settings).clone(),
            own: self.own.clone(),
            of_targets: self.of_targets.clone(),
            target: Some(target.to_owned()),
            config: self.config.clone(),
        }
    }

    /// Whether a target's settings are said to be these, by whoever said them of it alone.
    #[must_use]
    pub fn says_of_targets(&self, said: &TargetChoices) -> bool {
        said.iter().all(|(name, choices)| {
            let given = Common::given(choices);
            let known = Common::to_json(&self.of(name).settings);
            let wanted = Common::to_json(&choices.clone().settle());
            wanted.iter().filter(|(key, _)| given.contains(key)).all(|one| known.contains(one))
        })
    }

    /// Every key with its value.
    #[must_use]
    pub fn to_json(&self) -> Vec<(&'static str, Json)> {
        let mut values = vec![("interfaces", self.targets.iter().cloned().collect())];
        values.extend(P::Options::to_json(&self.own));
        values.extend(Common::to_json(&self.settings));
        values
    }

    /// Keys that the file speaks of.
    #[must_use]
    pub fn of_file(&self) -> Vec<&'static str> {
        let mut given = P::Options::given(&self.config.own);
        given.extend(Common::given(&self.config.choices));
        given.extend(self.config.targets.is_some().then_some("interfaces"));
        given
    }

    /// Keys whose values differ, of those that a reload can change.
    #[must_use]
    pub fn changed_live(&self, after: &Self) -> Vec<&'static str> {
        let mut changed = P::Options::changed(&self.own, &after.own);
        changed.extend(Common::changed(&self.settings, &after.settings));
        changed.retain(|one| one.change == Change::Live);
        changed.into_iter().map(|one| one.name).collect()
    }

    /// What a person should know about the file.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.config.notes
    }

    /// Settings that make a reflector a danger to others, or keep it from
    /// answering ordinary testers; one line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings_of_settings();
        for name in self.of_targets.keys() {
            if !self.targets.contains(name) {
                warnings.push(format!("settings of {name} have no effect: it is not served"));
                continue;
            }
            let new = self.of(name).warnings_of_settings();
            let new = new.into_iter().filter(|one| !warnings.contains(one)).collect::<Vec<_>>();
            warnings.extend(new.iter().map(|one| format!("{name}: {one}")));
        }
        warnings
    }

    fn warnings_of_settings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.settings.any_destination {
            warnings.push("--any-destination answers frames to other stations too".to_owned());
        }
        let off: Vec<_> = self.settings.disabled_guards.iter().map(|guard| guard.name).collect();
        if !off.is_empty() {
            warnings.push(format!("guards are off: {}", off.join(", ")));
        }
        let settings = &self.settings;
        let names_testers = settings.allow.iter().any(|prefix| prefix.is_one_address())
            || !settings.tester_ouis.is_empty();
        let has_guard = settings.guards().0 & Guards::LOOP_RISK.0 != 0;
        if settings.mode != Mode::All && has_guard && !names_testers {
            warnings.push(format!(
                "--mode {} answers only testers that are known, because answers keep their ports \
                 (others: loop_risk); name yours by --allow ADDRESS or --tester-oui XX:XX:XX",
                mode_name(settings.mode)
            ));
        }
        warnings
    }

    /// A contradiction between settings, with its place in the file if it
    /// comes from there.
    #[must_use]
    pub fn contradiction(&self, error: &PolicyError) -> Failure {
        let failure = match self.config.blame(error, self.target.as_deref()) {
            Some(error) => error.into(),
            None => Failure::usage(error.to_string()),
        };
        keys_of(error).first().map_or(failure.clone(), |key| failure.of_key(key))
    }

    /// A wrong value of a key, with its place in the file if it comes from
    /// there.
    #[must_use]
    pub fn wrong(&self, key: &str, message: String) -> Failure {
        let failure: Failure = match self.config.error_at(key, message.clone()) {
            Some(error) => error.into(),
            None => Failure::usage(message),
        };
        failure.of_key(key)
    }

    /// What is in force, as a configuration file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let targets: Vec<_> = self.targets.iter().map(|target| format!("{target:?}")).collect();
        let mut lines = vec![format!("interfaces = [{}]", targets.join(", "))];
        lines.extend(P::Options::to_toml(&self.own));
        let common = Common::to_toml(&self.settings);
        lines.extend(common.iter().cloned());
        for (name, settings) in &self.of_targets {
            lines.extend([String::new(), format!("[interface.{name:?}]")]);
            let own = Common::to_toml(settings);
            lines.extend(own.into_iter().filter(|line| !common.contains(line)));
        }
        lines.join("\n") + "\n"
    }

    /// What a reload of this running plan by `wanted` gives: the plan that
    /// would be in force, and the keys whose new values wait for a restart.
    #[must_use]
    pub fn reloaded(&self, wanted: Self) -> (Self, Vec<&'static str>) {
        let mut changed: Vec<Declared> = P::Options::changed(&self.own, &wanted.own);
        changed.extend(Common::changed(&self.settings, &wanted.settings));
        let restart = changed.iter().filter(|one| one.change == Change::Restart);
        let mut waiting: Vec<_> = restart.map(|one| one.name).collect();
        if self.targets != wanted.targets {
            waiting.insert(0, "interfaces");
        }
        let plan = Self {
            targets: self.targets.clone(),
            settings: Common::reloaded(&self.settings, &wanted.settings),
            own: P::Options::reloaded(&self.own, &wanted.own),
            of_targets: wanted
                .of_targets
                .iter()
                .map(|(name, wanted)| (name.clone(), Common::reloaded(&self.settings, wanted)))
                .collect(),
            target: None,
            config: wanted.config,
        };
        (plan, waiting)
    }

    fn check(&self) -> Result<(), Failure> {
        for (at, target) in self.targets.iter().enumerate() {
            if self.targets[..at].contains(target) {
                return Err(Failure::usage(format!("{target} is named twice: name it once")));
            }
        }
        match self.settings.observe.contradiction() {
            Some((key, message)) => Err(self.wrong(key, message)),
            None => Ok(()),
        }
    }
}
