//! Completions of shells, and manual pages.

use std::{fs, io::Write, path::Path};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Cli, error::Error};

/// Writes completions for a shell.
///
/// # Errors
///
/// Standard output takes nothing.
pub fn completions(shell: Shell, out: &mut impl Write) -> Result<(), Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "farendctl", &mut text);
    out.write_all(&text).map_err(|error| Error::run(format!("cannot write: {error}")))
}

/// Writes a manual page for the program and one for each command.
///
/// # Errors
///
/// The folder cannot be written.
pub fn man(folder: &Path) -> Result<(), Error> {
    let failed = |error| Error::run(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder).map_err(failed)
}
