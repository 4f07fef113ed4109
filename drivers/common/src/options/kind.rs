//! How many values an option takes, and what stands where it takes none.

use std::marker::PhantomData;

use clap::{Arg, ArgAction, ArgMatches};
use serde_json::Value;

use super::{Declared, Entry, Fault, OptionValue};

/// How an option is given, settled and written.
pub trait Kind {
    /// What one source says.
    type Given: Clone + PartialEq + std::fmt::Debug;
    /// What is settled.
    type Settled: Clone + PartialEq + std::fmt::Debug;

    /// Its arguments of a command line.
    fn arguments(declared: &Declared) -> Vec<Arg>;
    /// What a command line says.
    fn from_matches(matches: &ArgMatches, name: &str) -> Option<Self::Given>;
    /// What a file says.
    ///
    /// # Errors
    ///
    /// Where, and what was expected.
    fn read(entry: &Entry) -> Result<Self::Given, Fault>;
    /// Fills in the default.
    fn settle(given: Option<Self::Given>, default: Self::Settled) -> Self::Settled;
    /// A line of a configuration file.
    fn to_toml(declared: &Declared, settled: &Self::Settled) -> String;
    /// A value of JSON.
    fn to_json(settled: &Self::Settled) -> Value;
}

/// One value, with a default.
#[derive(Debug)]
pub struct One<T>(PhantomData<T>);

/// One value, or none.
#[derive(Debug)]
pub struct Maybe<T>(PhantomData<T>);

/// Values with commas between, or given repeatedly.
#[derive(Debug)]
pub struct List<T>(PhantomData<T>);

/// `--name`, `--name=false` or `--no-name`; off by default.
#[derive(Debug)]
pub struct Flag;

fn argument<T: OptionValue>(declared: &Declared) -> Arg {
    let argument = Arg::new(declared.name)
        .long(declared.name)
        .value_name(declared.value)
        .help(declared.help_with_default())
        .help_heading(declared.heading)
        .value_parser(|text: &str| T::from_text(text));
    match T::MISSING {
        Some(missing) => {
            argument.num_args(0..=1).require_equals(true).default_missing_value(missing)
        }
        None => argument,
    }
}

fn given<T: OptionValue>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.get_one::<T>(name).cloned()
}

fn read_one<T: OptionValue>(entry: &Entry) -> Result<T, Fault> {
    if T::IS_SET {
        let text = entry.texts()?.join(",");
        return T::from_text(&text)
            .map_err(|expected| entry.fault(format!("{text:?}: {expected}")));
    }
    entry.parse_with(T::from_text)
}

impl<T: OptionValue> Kind for One<T> {
    type Given = T;
    type Settled = T;

    fn arguments(declared: &Declared) -> Vec<Arg> {
        vec![argument::<T>(declared)]
    }

    fn from_matches(matches: &ArgMatches, name: &str) -> Option<T> {
        given(matches, name)
    }

    fn read(entry: &Entry) -> Result<T, Fault> {
        read_one(entry)
    }

    fn settle(given: Option<T>, default: T) -> T {
        given.unwrap_or(default)
    }

    fn to_toml(declared: &Declared, settled: &T) -> String {
        format!("{} = {}", declared.name, settled.to_toml())
    }

    fn to_json(settled: &T) -> Value {
        settled.to_json()
    }
}

impl<T: OptionValue> Kind for Maybe<T> {
    type Given = T;
    type Settled = Option<T>;

    fn arguments(declared: &Declared) -> Vec<Arg> {
        vec![argument::<T>(declared)]
    }

    fn from_matches(matches: &ArgMatches, name: &str) -> Option<T> {
        given(matches, name)
    }

    fn read(entry: &Entry) -> Result<T, Fault> {
        read_one(entry)
    }

    fn settle(given: Option<T>, default: Option<T>) -> Option<T> {
        given.or(default)
    }

    fn to_toml(declared: &Declared, settled: &Option<T>) -> String {
        match settled {
            Some(value) => format!("{} = {}", declared.name, value.to_toml()),
            None => format!("# {}: {}", declared.name, declared.default),
        }
    }

    fn to_json(settled: &Option<T>) -> Value {
        settled.as_ref().map_or(Value::Null, OptionValue::to_json)
    }
}

impl<T: OptionValue> Kind for List<T> {
    type Given = Vec<T>;
    type Settled = Vec<T>;

    fn arguments(declared: &Declared) -> Vec<Arg> {
        vec![argument::<T>(declared).value_delimiter(',').action(ArgAction::Append)]
    }

    fn from_matches(matches: &ArgMatches, name: &str) -> Option<Vec<T>> {
        Some(matches.get_many::<T>(name)?.cloned().collect())
    }

    fn read(entry: &Entry) -> Result<Vec<T>, Fault> {
        entry.list(T::from_text)
    }

    fn settle(given: Option<Vec<T>>, default: Vec<T>) -> Vec<T> {
        given.unwrap_or(default)
    }

    fn to_toml(declared: &Declared, settled: &Vec<T>) -> String {
        let values: Vec<_> = settled.iter().map(OptionValue::to_toml).collect();
        format!("{} = [{}]", declared.name, values.join(", "))
    }

    fn to_json(settled: &Vec<T>) -> Value {
        settled.iter().map(OptionValue::to_json).collect()
    }
}

impl Kind for Flag {
    type Given = bool;
    type Settled = bool;

    fn arguments(declared: &Declared) -> Vec<Arg> {
        let no: &'static str = Box::leak(format!("no-{}", declared.name).into_boxed_str());
        // The later of the two wins.
        let off = Arg::new(no)
            .long(no)
            .action(ArgAction::SetTrue)
            .overrides_with(declared.name)
            .hide(true);
        vec![argument::<bool>(declared).overrides_with(no), off]
    }

    fn from_matches(matches: &ArgMatches, name: &str) -> Option<bool> {
        if matches.get_flag(&format!("no-{name}")) {
            return Some(false);
        }
        given(matches, name)
    }

    fn read(entry: &Entry) -> Result<bool, Fault> {
        read_one(entry)
    }

    fn settle(given: Option<bool>, default: bool) -> bool {
        given.unwrap_or(default)
    }

    fn to_toml(declared: &Declared, settled: &bool) -> String {
        format!("{} = {settled}", declared.name)
    }

    fn to_json(settled: &bool) -> Value {
        Value::Bool(*settled)
    }
}
