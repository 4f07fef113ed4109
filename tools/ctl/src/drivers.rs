//! Finds drivers, here or on another host, and connects to them.

use std::{
    env,
    ffi::OsString,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use farend_control::{Client, address, client::ClientError};

use crate::error::Error;

/// For a reply.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which drivers are meant.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Which {
    /// The driver of this name, as `status` shows it [default: all, or the only one]
    #[arg(short, long, value_name = "NAME", global = true)]
    pub driver: Option<String>,

    /// The driver at this socket
    #[arg(long, value_name = "PATH", global = true, conflicts_with_all = ["driver", "host"])]
    pub socket: Option<PathBuf>,

    /// Drivers on another host, by ssh; farendctl must be installed there
    #[arg(short = 'H', long, value_name = "HOST", global = true)]
    pub host: Option<String>,
}

/// A driver, and a way to it.
pub struct Driver {
    /// Its name.
    pub name: String,
    /// A connection.
    pub client: Client,
    bridge: Option<Child>,
}

impl Driver {
    /// What came of a call to it.
    #[must_use]
    pub fn error(&self, error: &ClientError) -> Error {
        Error::of_call(&self.name, error)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(bridge) = &mut self.bridge {
            let _ = bridge.kill();
            let _ = bridge.wait();
        }
    }
}

/// Connects to all that are meant.
///
/// # Errors
///
/// Nobody is there, or whoever asks may not connect.
pub fn all(which: &Which, is_stream: bool) -> Result<Vec<Driver>, Error> {
    let timeout = (!is_stream).then_some(TIMEOUT);
    if let Some(host) = &which.host {
        check_host(host)?;
        return names(host, which)?.iter().map(|name| over_ssh(host, name)).collect();
    }
    let mut drivers = Vec::new();
    let mut stale = None;
    for path in paths(which) {
        let name = address::driver(&path);
        match Client::connect(&path, timeout) {
            Ok(client) => drivers.push(Driver { name, client, bridge: None }),
            // Left behind by a driver that was killed.
            Err(error @ ClientError::Gone(_)) => stale = Some(Error::of_call(&name, &error)),
            Err(error) => return Err(Error::of_call(&name, &error)),
        }
    }
    match (drivers.is_empty(), stale) {
        (false, _) => Ok(drivers),
        (true, Some(stale)) => Err(stale),
        (true, None) => Err(nobody(which)),
    }
}

/// Connects to the one that is meant.
///
/// # Errors
///
/// As in [`all`]; [`Error::Usage`] if there are several.
pub fn one(which: &Which) -> Result<Driver, Error> {
    only(all(which, false)?, which)
}

/// As [`one`], for replies that may take any time.
///
/// # Errors
///
/// As there.
pub fn one_stream(which: &Which) -> Result<Driver, Error> {
    only(all(which, true)?, which)
}

fn only(mut drivers: Vec<Driver>, which: &Which) -> Result<Driver, Error> {
    if drivers.len() > 1 {
        let names: Vec<_> = drivers.iter().map(|one| one.name.as_str()).collect();
        return Err(Error::usage(format!("name one with --driver: {}", names.join(", "))));
    }
    drivers.pop().ok_or_else(|| nobody(which))
}

/// The sockets that are meant, there or not.
#[must_use]
pub fn paths(which: &Which) -> Vec<PathBuf> {
    if let Some(path) = &which.socket {
        return vec![path.clone()];
    }
    let mut paths = address::found();
    if let Some(name) = &which.driver {
        paths.retain(|path| address::driver(path) == *name);
    }
    paths
}

fn nobody(which: &Which) -> Error {
    Error::Nobody(match &which.driver {
        Some(name) => format!("no driver {name} is there; start it with --control on"),
        None => "no driver is there; start one with --control on".to_owned(),
    })
}

/// A host that begins with a dash would be an option of ssh.
fn check_host(host: &str) -> Result<(), Error> {
    if host.is_empty() || host.starts_with('-') || host.contains(char::is_control) {
        return Err(Error::usage(format!("{host:?} is no name of a host")));
    }
    Ok(())
}

fn ssh(host: &str) -> Command {
    let program = env::var_os("FARENDCTL_SSH").unwrap_or_else(|| OsString::from("ssh"));
    let mut command = Command::new(program);
    command.args(["--", host, "farendctl", "bridge"]);
    command
}

fn names(host: &str, which: &Which) -> Result<Vec<String>, Error> {
    let output = ssh(host).arg("--list").stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| Error::run(format!("cannot run ssh: {error}")))?;
    if !output.status.success() {
        return Err(Error::Nobody(format!("{host}: no farendctl answers there")));
    }
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    // They become words of a shell there.
    let is_sound = |name: &&str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-_.".contains(c))
    };
    let wanted = |name: &&str| which.driver.as_ref().is_none_or(|wanted| wanted == name);
    let names: Vec<_> = listed.lines().filter(is_sound).filter(wanted).map(str::to_owned).collect();
    if names.is_empty() { Err(nobody(which)) } else { Ok(names) }
}

fn over_ssh(host: &str, name: &str) -> Result<Driver, Error> {
    let mut command = ssh(host);
    command.args(["--driver", name]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let refused = |error| Error::run(format!("cannot run ssh: {error}"));
    let mut bridge = command.spawn().map_err(refused)?;
    let (Some(input), Some(output)) = (bridge.stdout.take(), bridge.stdin.take()) else {
        return Err(Error::run("ssh has no pipes"));
    };
    let client = Client::over(input, output);
    Ok(Driver { name: format!("{host}/{name}"), client, bridge: Some(bridge) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_that_would_be_an_option_is_refused() {
        for host in ["", "-oProxyCommand=x", "a\nb"] {
            assert!(matches!(check_host(host), Err(Error::Usage(_))), "{host:?}");
        }
        assert_eq!(check_host("me@far.example"), Ok(()));
    }
}
