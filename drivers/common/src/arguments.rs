//! The command line of a driver, from what its options declare.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgAction, Command, error::ErrorKind};

use crate::{
    config::{self, targets::TargetChoices},
    options::Options,
    settings::{Choices, Common, REFLECTORS_HEADINGS},
};

/// What a driver says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// What the targets are, for help.
    pub targets_help: &'static str,
    /// Examples, for help.
    pub examples: &'static str,
    /// Options of every driver that this one refuses; its help does not show them.
    pub refuses: &'static [&'static str],
}

impl Program {
    /// Name and version in one.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// What a command line says.
#[derive(Clone, Debug, Default)]
pub struct CommandLine<C> {
    /// Interfaces or addresses.
    pub targets: Vec<String>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Whether only to check.
    pub is_check: bool,
    /// Options that every driver has.
    pub common: Choices,
    /// What is said of single interfaces.
    pub of_targets: TargetChoices,
    /// Options of the driver itself.
    pub own: C,
}

/// How signals and exit codes are explained, below the examples.
const AFTER: &str = "\
Signals: SIGINT or SIGTERM stop, SIGHUP reads --config again without losing a frame.
Exit code: 0 after a stop, 1 if something failed while running, 2 for wrong usage.";

/// The parser of a driver's command line.
#[must_use]
pub fn command<O: Options>(program: &Program) -> Command {
    let command = Command::new(program.name)
        .version(program.version)
        .about(program.about)
        .after_help(format!("Examples:\n  {}\n\n{AFTER}", program.examples.trim()))
        .arg(Arg::new("IFACE").value_name("IFACE").num_args(0..).help(program.targets_help));
    let command = Common::arguments(O::arguments(command));
    let hide = |command: Command, name: &&'static str| command.mut_arg(name, |arg| arg.hide(true));
    let command = program.refuses.iter().fold(command, hide);
    command
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help_heading("Running and statistics")
                .help(
                    "Read settings from a file, TOML (docs/configuration.md) or the YAML of the \
                     C reflector; options win over it, SIGHUP reads it again",
                ),
        )
        .arg(
            Arg::new("set")
                .long("set")
                .value_name("IFACE:KEY=VALUE")
                .action(ArgAction::Append)
                .help_heading("Running and statistics")
                .help(
                    "Settings of one interface, over those of all: eth1:port=4000, or \
                     eth1:vlan=5,7; keys are those of matching, testers and guards, as in a \
                     table [interface.eth1] of a file",
                ),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help_heading("Running and statistics")
                .help(
                    "Check options, file, interfaces and privileges, print what would be in \
                     force, and exit",
                ),
        )
}

/// Reads a command line.
///
/// # Errors
///
/// Clap's, which is also how help and version are asked for.
pub fn parse<O: Options>(
    program: &Program,
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<CommandLine<O::Choices>, clap::Error> {
    parse_for::<O>(program, true, line)
}

/// Reads the command line of a driver that may be no reflector: help then does
/// not show what only reflectors use.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_for<O: Options>(
    program: &Program,
    is_reflector: bool,
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<CommandLine<O::Choices>, clap::Error> {
    let mut command = command::<O>(program);
    if !is_reflector {
        let is_for_reflectors = |arg: &Arg| {
            arg.get_help_heading().is_some_and(|heading| REFLECTORS_HEADINGS.contains(&heading))
        };
        command =
            command.mut_args(|arg| if is_for_reflectors(&arg) { arg.hide(true) } else { arg });
    }
    let matches = command.try_get_matches_from(line)?;
    let mut of_targets = TargetChoices::new();
    for text in matches.get_many::<String>("set").into_iter().flatten() {
        config::targets::read_text(&mut of_targets, text).map_err(|message| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("--set {message}\n"))
        })?;
    }
    Ok(CommandLine {
        of_targets,
        targets: matches.get_many("IFACE").into_iter().flatten().cloned().collect(),
        config: matches.get_one("config").cloned(),
        is_check: matches.get_flag("check"),
        common: Common::from_matches(&matches),
        own: O::from_matches(&matches),
    })
}

/// An error of the command line as one line, without the usage that help
/// shows better.
#[must_use]
pub fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ").replace(" tip: ", "; ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::VlanId;

    const PROGRAM: Program = Program {
        name: "p",
        version: "1",
        about: "x",
        targets_help: "x",
        examples: "p x",
        refuses: &[],
    };

    fn read(line: &str) -> Result<CommandLine<()>, clap::Error> {
        parse::<()>(&PROGRAM, std::iter::once("p").chain(line.split_whitespace()))
    }

    #[test]
    fn list_takes_commas_and_repetition() {
        let line = "eth0 --vlan 1,2 --vlan 3 --allow 10.0.0.0/8,::/0 eth1";
        let line = read(line).unwrap();
        assert_eq!(line.targets, ["eth0", "eth1"]);
        assert_eq!(line.common.vlans, Some(vec![VlanId(1), VlanId(2), VlanId(3)]));
        assert_eq!(line.common.allow.map(|list| list.len()), Some(2));
    }

    #[test]
    fn flag_has_three_forms_and_the_last_wins() {
        for (line, expected) in [
            ("e", None),
            ("e --any-destination", Some(true)),
            ("--any-destination e", Some(true)),
            ("--any-destination=false e", Some(false)),
            ("--no-any-destination e", Some(false)),
            ("--any-destination --no-any-destination e", Some(false)),
            ("--no-any-destination --any-destination e", Some(true)),
        ] {
            assert_eq!(read(line).unwrap().common.any_destination, expected, "{line}");
        }
    }

    #[test]
    fn error_is_one_line_with_option_value_and_accepted_form() {
        let line = one_line(&read("e --oui 00:c0").unwrap_err());
        assert!(!line.contains('\n'));
        assert!(line.contains("00:c0") && line.contains("--oui") && line.contains("00:c0:17"));
        let line = one_line(&read("e --prot 7").unwrap_err());
        assert!(line.contains("'--prot' found; a similar argument exists: '--port'"), "{line}");
    }

    #[test]
    fn help_leaves_out_what_is_refused() {
        let program = Program { refuses: &["vlan", "any-destination"], ..PROGRAM };
        let help = command::<()>(&program).render_long_help().to_string();
        assert!(!help.contains("--vlan") && !help.contains("--any-destination"));
        assert!(help.contains("--port"));
        // Refused with a reason, not as an unknown option.
        let line = ["p", "--vlan", "7"];
        assert!(parse::<()>(&program, line).unwrap().common.vlans.is_some());
    }

    #[test]
    fn help_names_every_declared_option() {
        let help = command::<()>(&PROGRAM).render_long_help().to_string();
        for one in Common::declared() {
            assert!(help.contains(&format!("--{}", one.name)), "{}", one.name);
        }
    }
}
