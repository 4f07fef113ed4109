//! Configuration files: our own TOML, described in `docs/configuration.md`,
//! and the YAML of the C reflector as it is.
//!
//! Every error names the file, the line, the key and what was expected there.

pub(crate) mod document;
mod json;
#[cfg(test)]
mod own_tests;
mod reference;
pub(crate) mod targets;
mod toml;
mod yaml;

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use farend_core::PolicyError;

use self::document::{Entry, Table};
pub use self::targets::TargetChoices;
use crate::{
    options::Options,
    settings::{Choices, Common},
};

/// More octets than this are no configuration.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// What a file says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config<C = ()> {
    /// Where it was read.
    pub path: PathBuf,
    /// Interfaces or addresses to serve.
    pub targets: Option<Vec<String>>,
    /// Settings that every driver has.
    pub choices: Choices,
    /// Settings of single interfaces.
    pub of_targets: targets::TargetChoices,
    /// Settings of one driver.
    pub own: C,
    /// What a person should know about the file: one line each.
    pub notes: Vec<String>,
    lines: BTreeMap<String, usize>,
}

impl<C: Clone + Default> Config<C> {
    /// Reads a file: `.toml` and `.yaml` or `.yml` by their names, others by
    /// what is in them. `O` are the options of the driver itself.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says where, and what was expected.
    pub fn read<O: Options<Choices = C>>(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path).map_err(|message| ConfigError::of_file(path, message))?;
        Self::parse::<O>(path, &text)
    }

    /// Reads text that came from this path.
    ///
    /// # Errors
    ///
    /// As in [`read`](Self::read).
    pub fn parse<O: Options<Choices = C>>(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut config = Self { path: path.to_owned(), ..Self::default() };
        if is_toml(path, text) {
            let table = toml::parse(text).map_err(|error| error.at(path))?;
            read_own::<O>(&mut config, &table).map_err(|error| error.at(path))?;
        } else {
            let table = yaml::parse(text).map_err(|error| error.at(path))?;
            reference::read(&mut config, &table).map_err(|error| error.at(path))?;
        }
        Ok(config)
    }
}

impl<C: Clone + Default> Config<C> {
    /// Reads keys and values of JSON.
    ///
    /// # Errors
    ///
    /// The key that is wrong, and what was expected.
    pub fn of_object<O: Options<Choices = C>>(
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let read = json::table(object).and_then(|table| read_own::<O>(&mut config, &table));
        read.map_err(|error| error.at(Path::new("")))?;
        Ok(config)
    }
}

impl<C> Config<C> {
    /// An error about the value of a key, if the file has that key.
    #[must_use]
    pub fn error_at(&self, key: &str, message: impl Into<String>) -> Option<ConfigError> {
        let line = *self.lines.get(key)?;
        let error = Fault { line: Some(line), key: key.to_owned(), message: message.into() };
        Some(error.at(&self.path))
    }

    /// Where a contradiction comes from, if a key of this file has part in it.
    #[must_use]
    pub fn blame(&self, error: &PolicyError, target: Option<&str>) -> Option<ConfigError> {
        let of_target = target.and_then(|target| {
            let mut keys = keys_of(error).iter().map(|key| format!("interface.{target}.{key}"));
            keys.find_map(|key| self.error_at(&key, error.to_string()))
        });
        of_target
            .or_else(|| keys_of(error).iter().find_map(|key| self.error_at(key, error.to_string())))
    }
}

/// The keys that can have part in a contradiction.
pub(crate) fn keys_of(error: &PolicyError) -> &'static [&'static str] {
    match error {
        PolicyError::PortZero => &["port", "filtering.port"],
        PolicyError::Vlan { .. } => &["vlan"],
        PolicyError::NoSignature => &["signatures"],
        PolicyError::EverythingAnswered => &["signatures", "port", "filtering.port"],
        PolicyError::TooManyTesterOuis => &["tester-oui"],
        PolicyError::TooManyPrefixes => &["allow"],
        PolicyError::TooManyCustoms => &["pattern"],
        _ => &[],
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    path: PathBuf,
    fault: Fault,
}

impl ConfigError {
    fn of_file(path: &Path, message: String) -> Self {
        Fault { line: None, key: String::new(), message }.at(path)
    }

    /// The key that is wrong; empty if it is none alone.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.fault.key
    }

    /// Its line, from 1.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.fault.line
    }

    /// What was expected.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.fault.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.fault.line {
            write!(f, "{line}:")?;
        }
        if !self.fault.key.is_empty() {
            write!(f, " {}:", self.fault.key)?;
        }
        write!(f, " {}", self.fault.message)
    }
}

impl std::error::Error for ConfigError {}

/// Takes over what our own TOML, or JSON, says: its keys are the options' names.
fn read_own<O: Options>(config: &mut Config<O::Choices>, table: &Table) -> Result<(), Fault> {
    for entry in table.flat() {
        let key = entry.key();
        if key == "interfaces" {
            config.targets = Some(entry.texts()?.into_iter().map(str::to_owned).collect());
        } else {
            targets::read(&mut config.of_targets, &entry)
                .or_else(|| Common::read(&mut config.choices, &entry))
                .or_else(|| O::read(&mut config.own, &entry))
                .unwrap_or_else(|| Err(unknown::<O>(&entry)))?;
        }
        config.lines.insert(entry.key.clone(), entry.line);
    }
    Ok(())
}

fn unknown<O: Options>(entry: &Entry) -> Fault {
    let declared = [O::declared(), Common::declared()].concat();
    let names: Vec<_> = declared.iter().map(|one| one.name).collect();
    let message = format!(
        "is no key: expected one of interfaces, {}, or a table [interface.NAME]",
        names.join(", ")
    );
    Fault { line: Some(entry.line), key: entry.key.clone(), message }
}

/// An error before it is known which file it is in.
#[doc(hidden)]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    line: Option<usize>,
    /// With the tables it stands in, and dots between.
    key: String,
    message: String,
}

impl Fault {
    fn at(self, path: &Path) -> ConfigError {
        ConfigError { path: path.to_owned(), fault: self }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    // A FIFO would wait for somebody who writes, and signals with it.
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() {
        return Err("is no regular file: save the settings in one".to_owned());
    }
    let mut octets = Vec::new();
    let read = file.take(FILE_OCTETS_MAX + 1).read_to_end(&mut octets);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if octets.len() as u64 > FILE_OCTETS_MAX {
        return Err("has more than 1 MiB: no configuration has".to_owned());
    }
    String::from_utf8(octets).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|octet| *octet == b'\n').count();
        format!("line {line}: is not UTF-8: save it as UTF-8")
    })
}

/// Whether to read it as TOML: by its name, else by its first line that says
/// something, which is `[table]` or has a `=` before any `:`.
fn is_toml(path: &Path, text: &str) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => return true,
        Some("yaml" | "yml") => return false,
        _ => {}
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(first) = first else { return true };
    if first.starts_with('[') {
        return true;
    }
    match (first.find('='), first.find(':')) {
        (Some(equals), Some(colon)) => equals < colon,
        (equals, _) => equals.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parse(name: &str, text: &str) -> Result<Config, String> {
        Config::parse::<()>(Path::new(name), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_form_is_known_by_name_and_else_by_content() {
        assert!(is_toml(Path::new("a.toml"), "a: 1"));
        assert!(!is_toml(Path::new("a.yml"), "a = 1"));
        assert!(is_toml(Path::new("a.conf"), "# x\n\nport = 1"));
        assert!(is_toml(Path::new("a.conf"), "pattern = \"5:aa\""));
        assert!(!is_toml(Path::new("a.conf"), "interface: eth0 # a=b"));
        assert!(is_toml(Path::new("a.conf"), ""));
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let read = |path| Config::read::<()>(Path::new(path)).unwrap_err().to_string();
        let error = read("/nonexistent/farend.toml");
        assert!(error.starts_with("/nonexistent/farend.toml: cannot be read"), "{error}");
        let error = read("/");
        assert!(error.starts_with("/: is no regular file"), "{error}");
        // Which would never end.
        let error = read("/dev/zero");
        assert!(error.starts_with("/dev/zero: is no regular file"), "{error}");
    }

    #[test]
    fn a_contradiction_is_blamed_on_the_line_that_makes_it() {
        let config = parse("f.toml", "port = \"any\"\n\nsignatures = \"any\"\n").unwrap();
        let error = config.choices.clone().settle().policy(None, 100).unwrap_err();
        assert_eq!(error, PolicyError::NoOwnMac);
        let error = config.blame(&PolicyError::EverythingAnswered, None).unwrap().to_string();
        assert!(error.starts_with("f.toml:3: signatures: any port and any signature"), "{error}");
    }
}
