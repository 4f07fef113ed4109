//! `config`: settings of a running driver.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Subcommand;
use farend_control::{
    calls::GetConfiguration,
    configuration::{Configuration, Configured, Mode, SetConfiguration},
    json::Object,
};
use serde_json::{Value, json};

use crate::{
    drivers::{self, Driver, Which},
    error::Error,
    print,
};

/// What to do with settings.
#[derive(Subcommand, Clone, Debug)]
pub enum ConfigCommand {
    /// Show what is in force: all as a file, or one key
    Get {
        /// The key
        key: Option<String>,
    },
    /// Change settings without losing a frame: all of these, or nothing
    Set {
        /// Keys of docs/configuration.md; commas make a list, KEY= gives up what
        /// was set, and the file counts again
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = parse_setting)]
        settings: Vec<(String, Value)>,
        /// Change nothing; say what would be
        #[arg(long)]
        dry_run: bool,
    },
    /// Edit what is in force in $VISUAL or $EDITOR
    Edit,
    /// Show what was set while the driver runs
    Diff,
    /// Give up what was set while the driver runs
    Discard,
    /// Write what is in force to a file, as the user who asks
    Save {
        /// The file; it is replaced as a whole, or left as it was
        file: PathBuf,
    },
}

/// Does it.
///
/// # Errors
///
/// Nobody is there, the driver refuses, or a file cannot be written.
pub fn config(
    command: &ConfigCommand,
    which: &Which,
    is_json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut driver = drivers::one(which)?;
    match command {
        ConfigCommand::Get { key: None } => {
            let now = get(&mut driver)?;
            if is_json {
                return print::reply(out, &driver.name, &now).map(drop);
            }
            print::line(out, now.toml.trim_end()).map(drop)
        }
        ConfigCommand::Get { key: Some(key) } => {
            let now = get(&mut driver)?;
            let value = now.configuration.get(key);
            let value = value.ok_or_else(|| Error::run(format!("{key} is no key")))?;
            let text = value.as_str().filter(|_| !is_json);
            print::line(out, &text.map_or_else(|| value.to_string(), str::to_owned)).map(drop)
        }
        ConfigCommand::Set { settings, dry_run } => {
            let configuration: Object = settings.iter().cloned().collect();
            let asked = SetConfiguration {
                configuration: Some(configuration),
                dry_run: dry_run.then_some(true),
                ..SetConfiguration::default()
            };
            let done = set(&mut driver, &asked)?;
            let verb = if *dry_run { "would change" } else { "changed" };
            tell(&driver, verb, &done, is_json, out)
        }
        ConfigCommand::Discard => {
            let asked = SetConfiguration {
                configuration: Some(Object::new()),
                mode: Some(Mode::Replace),
                ..SetConfiguration::default()
            };
            let done = set(&mut driver, &asked)?;
            tell(&driver, "changed", &done, is_json, out)
        }
        ConfigCommand::Diff => {
            let now = get(&mut driver)?;
            let of_api: Object = now
                .layers
                .0
                .iter()
                .filter(|(_, layer)| layer == "api")
                .map(|(key, _)| (key.clone(), now.configuration[key].clone()))
                .collect();
            if is_json {
                return print::reply(out, &driver.name, &json!({ "configuration": of_api }))
                    .map(drop);
            }
            for (key, value) in of_api {
                print::line(out, &format!("{key} = {value}"))?;
            }
            Ok(())
        }
        ConfigCommand::Edit => edit(&mut driver, is_json, out),
        ConfigCommand::Save { file } => {
            let now = get(&mut driver)?;
            save(file, &now.toml)
                .map_err(|error| Error::run(format!("{}: {error}", file.display())))
        }
    }
}

fn get(driver: &mut Driver) -> Result<Configuration, Error> {
    driver.client.call(&GetConfiguration {}).map_err(|error| driver.error(&error))
}

fn set(driver: &mut Driver, asked: &SetConfiguration) -> Result<Configured, Error> {
    driver.client.call(asked).map_err(|error| driver.error(&error))
}

fn tell(
    driver: &Driver,
    verb: &str,
    done: &Configured,
    is_json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    if is_json {
        return print::reply(out, &driver.name, done).map(drop);
    }
    for note in &done.notes {
        print::line(out, &format!("warning: {note}"))?;
    }
    let keys = if done.applied.is_empty() { "nothing".into() } else { done.applied.join(", ") };
    print::line(out, &format!("{}: {verb}: {keys}", driver.name)).map(drop)
}

/// Edits what is in force, and puts it in force if nobody else has changed it
/// meanwhile.
fn edit(driver: &mut Driver, is_json: bool, out: &mut impl Write) -> Result<(), Error> {
    let before = get(driver)?;
    let name = format!("farendctl-{}.toml", std::process::id());
    let path = env::temp_dir().join(name);
    let failed = |error: io::Error| Error::run(format!("{}: {error}", path.display()));
    write_new(&path, &before.toml).map_err(failed)?;
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(env::var_os);
    let editor = editor.unwrap_or_else(|| "vi".into());
    // Its words are a shell's, as "code --wait" has two.
    let status = Command::new("sh").args(["-c", "exec $0 \"$1\""]).arg(&editor).arg(&path).status();
    let status = status.map_err(|error| Error::run(format!("cannot run an editor: {error}")))?;
    if !status.success() {
        let _ = fs::remove_file(&path);
        return Err(Error::run("the editor has failed, nothing has changed"));
    }
    let toml = fs::read_to_string(&path).map_err(failed)?;
    if toml == before.toml {
        let _ = fs::remove_file(&path);
        return print::line(out, "nothing was edited").map(drop);
    }
    let asked = SetConfiguration {
        toml: Some(toml),
        mode: Some(Mode::Replace),
        if_generation: Some(before.generation),
        ..SetConfiguration::default()
    };
    match set(driver, &asked) {
        Ok(done) => {
            let _ = fs::remove_file(&path);
            tell(driver, "changed", &done, is_json, out)
        }
        Err(Error::Run(message)) => {
            Err(Error::Run(format!("{message}; what was edited is in {}", path.display())))
        }
        Err(error) => Err(error),
    }
}

/// A file of this user alone, which must be new.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Replaces a file as a whole: a full disk leaves the old one.
fn save(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    let written =
        fs::OpenOptions::new().write(true).create_new(true).open(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)
        });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Reads `KEY=VALUE`.
fn parse_setting(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as port=7")?;
    let value = match serde_json::from_str(value) {
        Ok(value) => value,
        Err(_) if value.is_empty() => Value::Null,
        Err(_) if value.contains(',') => value.split(',').collect(),
        Err(_) => Value::String(value.to_owned()),
    };
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_is_a_key_and_a_value_of_json_or_text() {
        for (text, value) in [
            ("port=7", json!(7)),
            ("port=any", json!("any")),
            ("vlan=1,2", json!(["1", "2"])),
            ("vlan=[1,2]", json!([1, 2])),
            ("allow=10.0.0.0/8", json!("10.0.0.0/8")),
            ("max-rate=", Value::Null),
            ("any-destination=true", json!(true)),
        ] {
            let key = text.split_once('=').unwrap().0.to_owned();
            assert_eq!(parse_setting(text), Ok((key, value)), "{text}");
        }
        assert!(parse_setting("port").is_err());
    }

    #[test]
    fn saving_replaces_a_file_or_leaves_it() {
        let folder = env::temp_dir().join(format!("farendctl-save-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("a.toml");
        save(&path, "old").unwrap();
        save(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(save(&folder.join("none/a.toml"), "x").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
