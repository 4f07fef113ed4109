//! The command line: subcommands, and spellings with one dash.

use std::{ffi::OsString, process::ExitCode};

use farend_driver::{
    options::Options,
    runtime,
    sink::{self, say},
};

use crate::{LinkOptions, Tun, identity, options::LinkSettings};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Task {
    /// Run the link, or check it.
    Run,
    /// Make keys, or show them.
    Keys,
}

/// Runs the program with the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let (task, line) = understand(std::env::args_os());
    match task {
        Task::Run => runtime::main_with::<Tun>(line),
        Task::Keys => keys(&line),
    }
}

/// Takes the subcommand out, and gives every long option its second dash.
fn understand(line: impl IntoIterator<Item = OsString>) -> (Task, Vec<OsString>) {
    let mut line: Vec<OsString> = line.into_iter().map(with_two_dashes).collect();
    let mut task = Task::Run;
    match line.get(1).and_then(|word| word.to_str()) {
        Some("up") => {
            line.remove(1);
        }
        Some("check") => line[1] = "--check".into(),
        Some("keys") => {
            line.remove(1);
            task = Task::Keys;
        }
        _ => {}
    }
    if let Some(at) = line.iter().position(|word| word == "--generate-keys") {
        line.remove(at);
        task = Task::Keys;
    }
    (task, line)
}

/// `-tun-ip` is `--tun-ip`: no short option has more than one letter.
fn with_two_dashes(word: OsString) -> OsString {
    let Some(text) = word.to_str() else { return word };
    let Some(name) = text.strip_prefix('-') else { return word };
    let is_long = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_lowercase());
    if is_long { format!("-{text}").into() } else { word }
}

/// Makes keys where there are none, and prints the Peer ID.
fn keys(line: &[OsString]) -> ExitCode {
    let parsed = farend_driver::arguments::parse_for::<LinkOptions>(
        &<Tun as runtime::Platform>::PROGRAM,
        false,
        line,
    );
    let settings: LinkSettings = match parsed {
        Ok(parsed) => LinkOptions::settle(parsed.own),
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let code = match identity::generate_or_load(&settings.keydir) {
        Ok(identity) => {
            println!("{}", identity.peer_id());
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(format!("farend-tun: {error}"));
            ExitCode::from(1)
        }
    };
    sink::finish();
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Task, Vec<String>) {
        let words = std::iter::once("p").chain(line.split_whitespace());
        let (task, line) = understand(words.map(OsString::from));
        (task, line.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        let (task, line) = read("-tun chr001 -tun-ip 10.0.0.1 --udp-port=7 -h");
        assert_eq!(task, Task::Run);
        assert_eq!(line, ["p", "--tun", "chr001", "--tun-ip", "10.0.0.1", "--udp-port=7", "-h"]);
    }

    #[test]
    fn subcommands_are_taken_out() {
        assert_eq!(read("up --tun x"), (Task::Run, vec!["p".into(), "--tun".into(), "x".into()]));
        assert_eq!(read("check").1, ["p", "--check"]);
        assert_eq!(read("keys -keydir k").0, Task::Keys);
        assert_eq!(read("-keydir k -generate-keys").0, Task::Keys);
        assert_eq!(read("-keydir k -generate-keys").1, ["p", "--keydir", "k"]);
    }
}
