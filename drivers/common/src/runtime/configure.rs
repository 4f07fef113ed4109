//! Settings that are changed while it runs: the layer over the command line.

use std::path::Path;

use farend_control::{
    Error, Role,
    configuration::{Configuration, Configured, Mode, SetConfiguration},
    json::Object,
    statistics::Named,
};
use serde_json::Value;

use super::{Platform, Run};
use crate::{
    config::{Config, ConfigError, TargetChoices},
    event::{Code, Event},
    failure::Failure,
    options::Options,
    plan::{ApiLayer, OwnChoices, Plan},
    settings::Common,
};

/// What was set meanwhile, and what has become of the file.
#[derive(Debug)]
pub(super) struct Layers<C> {
    pub(super) api: ApiLayer<C>,
    /// Goes up with each change.
    pub(super) generation: u64,
    /// Keys of the file that wait for a restart.
    pub(super) waiting: Vec<&'static str>,
}

impl<C: Default> Default for Layers<C> {
    fn default() -> Self {
        Self { api: ApiLayer::default(), generation: 1, waiting: Vec::new() }
    }
}

/// Names of the text of a call, where a file has its path.
const TEXT: &str = "configuration.toml";

impl<P: Platform> Run<'_, P> {
    /// What is in force, and where it is from.
    pub(super) fn configuration(&self) -> Configuration {
        let (values, of_file) = (self.plan.to_json(), self.plan.of_file());
        let of_api = given::<P>(&self.layers.api);
        let of_line = given::<P>(&self.line_layer());
        let has_targets = !self.line.targets.is_empty();
        let layer = |key: &str| match key {
            "interfaces" if has_targets => "command line",
            key if of_api.contains(&key) => "api",
            key if of_line.contains(&key) => "command line",
            key if of_file.contains(&key) => "file",
            _ => "default",
        };
        let layers = values.iter().map(|(key, _)| ((*key).to_owned(), layer(key).to_owned()));
        Configuration {
            layers: Named(layers.collect()),
            configuration: values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            toml: self.plan.to_toml(),
            generation: self.layers.generation,
        }
    }

    /// Puts settings in force on all interfaces, or changes nothing.
    pub(super) fn configure(
        &mut self,
        set: &SetConfiguration,
        role: Role,
    ) -> Result<Configured, Error> {
        let generation = self.layers.generation;
        if set.if_generation.is_some_and(|wanted| wanted != generation) {
            return Err(Error::Conflict { generation });
        }
        let api = self.wanted_layer(set)?;
        self.check_role(&api, role)?;
        let wanted = self.plan.again_under(&api, self.line).map_err(|it| refused(&it))?;
        let (after, waiting) = self.plan.reloaded(wanted);
        let keys: Vec<_> = waiting
            .iter()
            .filter(|key| !self.layers.waiting.contains(key))
            .map(|key| (*key).to_owned())
            .collect();
        if !keys.is_empty() {
            return Err(Error::NeedsRestart { keys });
        }
        let applied: Vec<_> =
            self.plan.changed_live(&after).into_iter().map(str::to_owned).collect();
        let notes = after.warnings();
        if set.dry_run == Some(true) {
            self.rehearse_plan(&after).map_err(|failure| refused(&failure))?;
        } else if api != self.layers.api || !applied.is_empty() {
            self.put_in_force(after).map_err(|failure| refused(&failure))?;
            self.layers.api = api;
            self.layers.generation += 1;
            let changed = if applied.is_empty() { "nothing".into() } else { applied.join(", ") };
            let message = format!("configuration changed by the control API: {changed}");
            self.sink.emit(&Event::new(Code::Configuration, message));
            for warning in &notes {
                self.sink.emit(&Event::new(Code::Warning, warning));
            }
        }
        Ok(Configured {
            generation: self.layers.generation,
            applied,
            needs_restart: self.layers.waiting.iter().map(|key| (*key).to_owned()).collect(),
            notes,
        })
    }

    /// The layer that a call asks for.
    fn wanted_layer(&self, set: &SetConfiguration) -> Result<ApiLayer<OwnChoices<P>>, Error> {
        let wrong = |parameter: &str| Error::InvalidParameter { parameter: parameter.to_owned() };
        match (&set.configuration, &set.toml) {
            (Some(_), Some(_)) => Err(wrong("toml")),
            (None, None) => Err(wrong("configuration")),
            (None, Some(_)) if set.mode == Some(Mode::Merge) => Err(wrong("mode")),
            (None, Some(toml)) => {
                let read = Config::parse::<P::Options>(Path::new(TEXT), toml);
                let read = read.map_err(|error| invalid(&error))?;
                self.check_targets(read.targets.as_ref())?;
                self.check_of_targets(&read.of_targets)?;
                self.without_same(ApiLayer { common: read.choices, own: read.own })
            }
            (Some(object), None) => {
                let mut api = match set.mode {
                    Some(Mode::Replace) => ApiLayer::default(),
                    Some(Mode::Merge) | None => self.layers.api.clone(),
                };
                let (given, null): (Object, Object) =
                    object.clone().into_iter().partition(|(_, value)| !value.is_null());
                if let Some(key) = null.keys().find(|key| !is_known::<P>(key)) {
                    let expected = "is no key".to_owned();
                    return Err(Error::InvalidConfiguration {
                        key: key.clone(),
                        line: None,
                        expected,
                    });
                }
                retain::<P>(&mut api, &|key| !null.contains_key(key));
                let read = Config::of_object::<P::Options>(&given);
                let read = read.map_err(|error| invalid(&error))?;
                self.check_targets(read.targets.as_ref())?;
                self.check_of_targets(&read.of_targets)?;
                api.common = read.choices.over(api.common);
                api.own = P::Options::over(read.own, api.own);
                Ok(api)
            }
        }
    }

    fn check_targets(&self, targets: Option<&Vec<String>>) -> Result<(), Error> {
        if targets.is_some_and(|targets| *targets != self.plan.targets) {
            return Err(Error::NeedsRestart { keys: vec!["interfaces".to_owned()] });
        }
        Ok(())
    }

    /// A call may say of single interfaces what holds, and nothing else.
    fn check_of_targets(&self, said: &TargetChoices) -> Result<(), Error> {
        if self.plan.says_of_targets(said) {
            return Ok(());
        }
        let expected = "settings of single interfaces are the file's and the command line's";
        Err(Error::InvalidConfiguration {
            key: "interface".to_owned(),
            line: None,
            expected: expected.to_owned(),
        })
    }

    /// A whole file says everything: what it says like the layers below is not
    /// set here.
    fn without_same(
        &self,
        mut api: ApiLayer<OwnChoices<P>>,
    ) -> Result<ApiLayer<OwnChoices<P>>, Error> {
        let values = |api: &ApiLayer<OwnChoices<P>>| {
            let plan = self.plan.again_under(api, self.line);
            plan.map(|plan| plan.to_json()).map_err(|failure| refused(&failure))
        };
        let (below, whole) = (values(&ApiLayer::default())?, values(&api)?);
        let value = |values: &[(&str, Value)], key: &str| {
            values.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())
        };
        retain::<P>(&mut api, &|key| value(&below, key) != value(&whole, key));
        Ok(api)
    }

    /// What makes a reflector a danger to others is the owner's alone.
    fn check_role(&self, api: &ApiLayer<OwnChoices<P>>, role: Role) -> Result<(), Error> {
        let declared = [P::Options::declared(), Common::declared()].concat();
        let dangers: Vec<_> =
            declared.iter().filter(|one| one.danger == Some(true)).map(|one| one.name).collect();
        let of = |layer: &ApiLayer<OwnChoices<P>>| {
            let mut layer = layer.clone();
            retain::<P>(&mut layer, &|key| dangers.contains(&key));
            layer
        };
        if role < Role::Owner && of(api) != of(&self.layers.api) {
            return Err(Error::PermissionDenied { role: Role::Owner.name().to_owned() });
        }
        Ok(())
    }

    fn line_layer(&self) -> ApiLayer<OwnChoices<P>> {
        ApiLayer { common: self.line.common.clone(), own: self.line.own.clone() }
    }

    /// Prepares a plan, and gives it up.
    fn rehearse_plan(&mut self, plan: &Plan<P>) -> Result<(), Failure> {
        let policies = self.policies(plan)?;
        self.prepare(&policies)?;
        self.abandon(0..self.sessions.len());
        Ok(())
    }
}

fn given<P: Platform>(layer: &ApiLayer<OwnChoices<P>>) -> Vec<&'static str> {
    let mut given = P::Options::given(&layer.own);
    given.extend(Common::given(&layer.common));
    given
}

fn retain<P: Platform>(layer: &mut ApiLayer<OwnChoices<P>>, is_kept: &dyn Fn(&str) -> bool) {
    P::Options::retain(&mut layer.own, is_kept);
    Common::retain(&mut layer.common, is_kept);
}

fn is_known<P: Platform>(key: &str) -> bool {
    let declared = [P::Options::declared(), Common::declared()].concat();
    declared.iter().any(|one| one.name == key)
}

fn invalid(error: &ConfigError) -> Error {
    // JSON has no lines.
    let line = error.line().filter(|line| *line > 0).and_then(|line| u64::try_from(line).ok());
    let (key, expected) = (error.key().to_owned(), error.message().to_owned());
    Error::InvalidConfiguration { key, line, expected }
}

/// Why settings that can be read cannot be in force.
fn refused(failure: &Failure) -> Error {
    let reason = failure.to_string();
    if failure.is_usage() {
        let key = failure.key().unwrap_or_default().to_owned();
        return Error::InvalidConfiguration { key, line: None, expected: reason };
    }
    Error::Unsupported { tier: String::new(), reason }
}
