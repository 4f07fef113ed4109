//! Options, declared once.
//!
//! [`options!`](crate::options!) takes one declaration for each option: its
//! name, type, default, help, and whether a reload can change it. The command
//! line, the keys of a configuration file, `--check`, the tables of
//! `docs/configuration.md` and a reload's comparison all follow from it.

mod declare;
mod kind;
mod value;

use std::fmt::{self, Write};

use clap::{ArgMatches, Command};
use serde_json::Value;

#[doc(hidden)]
pub use serde_json::Value as Json;

pub use kind::{Flag, Kind, List, Maybe, One};
pub use value::OptionValue;

pub use crate::config::{Fault, document::Entry};

/// Whether a reload can change an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A reload puts it in force.
    Live,
    /// It is settled at the start.
    Restart,
}

/// One option, as it was declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Declared {
    /// Its long option without dashes, and its key in files.
    pub name: &'static str,
    /// What stands for its value in help.
    pub value: &'static str,
    /// What holds where nobody says anything; empty for a flag that is off.
    pub default: &'static str,
    /// Its heading in help.
    pub heading: &'static str,
    /// Whether a reload can change it.
    pub change: Change,
    /// What it does.
    pub help: &'static str,
    /// Its key in the C reflector's file.
    pub yaml: Option<&'static str>,
    /// The only tier that it is for.
    pub tier: Option<&'static str>,
    /// Whether it can make a reflector a danger to others.
    pub danger: Option<bool>,
}

impl Declared {
    /// An option that every tier has and the C reflector has not.
    #[must_use]
    pub const fn new(
        name: &'static str,
        value: &'static str,
        default: &'static str,
        heading: &'static str,
        change: Change,
        help: &'static str,
    ) -> Self {
        Self { name, value, default, heading, change, help, yaml: None, tier: None, danger: None }
    }

    /// Its help, with the default behind it.
    #[must_use]
    pub fn help_with_default(&self) -> String {
        let help = self.help.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.default.is_empty() { help } else { format!("{help} [default: {}]", self.default) }
    }
}

/// A set of options, made by [`options!`](crate::options!).
pub trait Options: 'static {
    /// What one source says; `None` is what it does not speak of.
    type Choices: Clone + Default + PartialEq + fmt::Debug;
    /// What is settled.
    type Settings: Clone + PartialEq + fmt::Debug;

    /// All of them, in the order of their declaration.
    fn declared() -> Vec<Declared>;
    /// Adds them to a command line.
    fn arguments(command: Command) -> Command;
    /// What a command line says.
    fn from_matches(matches: &ArgMatches) -> Self::Choices;
    /// Takes over what a file says of one key; `None` if it is no key of
    /// these.
    fn read(choices: &mut Self::Choices, entry: &Entry) -> Option<Result<(), Fault>>;
    /// What `upper` says, and where it says nothing what `lower` says.
    fn over(upper: Self::Choices, lower: Self::Choices) -> Self::Choices;
    /// Fills in the defaults.
    fn settle(choices: Self::Choices) -> Self::Settings;
    /// The lines of a configuration file that say the same.
    fn to_toml(settings: &Self::Settings) -> Vec<String>;
    /// Those that a source speaks of.
    fn given(choices: &Self::Choices) -> Vec<&'static str>;
    /// Makes a source speak of those alone that `is_kept` names.
    fn retain(choices: &mut Self::Choices, is_kept: &dyn Fn(&str) -> bool);
    /// Each with its value.
    fn to_json(settings: &Self::Settings) -> Vec<(&'static str, Value)>;
    /// Those whose values differ.
    fn changed(before: &Self::Settings, after: &Self::Settings) -> Vec<Declared>;
    /// `running`, with all that a reload can change taken from `wanted`.
    fn reloaded(running: &Self::Settings, wanted: &Self::Settings) -> Self::Settings;
}

/// No options.
impl Options for () {
    type Choices = ();
    type Settings = ();

    fn declared() -> Vec<Declared> {
        Vec::new()
    }

    fn arguments(command: Command) -> Command {
        command
    }

    fn from_matches(_matches: &ArgMatches) {}

    fn read((): &mut (), _entry: &Entry) -> Option<Result<(), Fault>> {
        None
    }

    fn over((): (), (): ()) {}

    fn settle((): ()) {}

    fn to_toml((): &()) -> Vec<String> {
        Vec::new()
    }

    fn given((): &()) -> Vec<&'static str> {
        Vec::new()
    }

    fn retain((): &mut (), _is_kept: &dyn Fn(&str) -> bool) {}

    fn to_json((): &()) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn changed((): &(), (): &()) -> Vec<Declared> {
        Vec::new()
    }

    fn reloaded((): &(), (): &()) {}
}

/// The rows of a document's table of options.
#[must_use]
pub fn table(declared: &[Declared]) -> String {
    let mut rows =
        String::from("| key | option | value | default | reload | |\n|---|---|---|---|---|---|\n");
    for one in declared {
        let change = match one.change {
            Change::Live => "live",
            Change::Restart => "restart",
        };
        let default = if one.default.is_empty() { "off" } else { one.default };
        let help = one.help.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = one.value.replace('|', "\\|");
        let name = one.name;
        // Writing to a string cannot fail.
        let _ =
            writeln!(rows, "| `{name}` | `--{name}` | `{value}` | {default} | {change} | {help} |");
    }
    rows
}
