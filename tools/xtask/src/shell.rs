//! Runs other programs and keeps what they say.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::host;

/// Where the output of a step goes.
#[derive(Debug)]
pub(crate) struct Shell {
    log: Option<PathBuf>,
}

impl Shell {
    /// Shows everything at once.
    pub(crate) fn loud() -> Self {
        Self { log: None }
    }

    /// Keeps everything in a file, which it empties first.
    pub(crate) fn quiet(log: &Path) -> Result<Self> {
        File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        Ok(Self { log: Some(log.to_owned()) })
    }

    /// Runs a program; an error if it fails.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        self.say(&format!("$ {}", describe(command)));
        if let Some(log) = &self.log {
            let log = OpenOptions::new().append(true).open(log)?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        host::forbid_skips_in(command);
        let status = command
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        if !status.success() {
            bail!("{}: {status}", describe(command));
        }
        Ok(())
    }

    /// Runs a program and hands over each line that it writes, to either output, as
    /// soon as it is told.
    pub(crate) fn run_by_line(
        &self,
        command: &mut Command,
        mut take: impl FnMut(&str),
    ) -> Result<ExitStatus> {
        self.say(&format!("$ {}", describe(command)));
        let (reader, writer) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        host::forbid_skips_in(command);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        // The command keeps ends of the pipe, which would never be at its end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        for line in BufReader::new(reader).split(b'\n') {
            let line = line.context("cannot read what a program said")?;
            let line = String::from_utf8_lossy(&line);
            take(&line);
            self.say(&line);
        }
        Ok(child.wait()?)
    }

    /// Writes a line.
    pub(crate) fn say(&self, line: &str) {
        match &self.log {
            None => eprintln!("{line}"),
            Some(log) => {
                let told = OpenOptions::new()
                    .append(true)
                    .open(log)
                    .and_then(|mut log| writeln!(log, "{line}"));
                if let Err(error) = told {
                    eprintln!("cannot write {}: {error}", log.display());
                }
            }
        }
    }
}

/// Runs a program and returns what it wrote to its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", describe(command), output.status);
    }
    String::from_utf8(output.stdout).context("its output is no UTF-8")
}

/// The folder of the source tree.
pub(crate) fn root() -> PathBuf {
    // `cargo run` names the package's folder. What the compiler knew may be
    // that of another tree that shares its target folder.
    let package = std::env::var_os("CARGO_MANIFEST_DIR");
    let package = package.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let folder = package.join("../..");
    folder.canonicalize().unwrap_or(folder)
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR");
    root().join(folder.map_or_else(|| "target".into(), PathBuf::from))
}

/// Cargo, in the source tree.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Name and arguments, for a person.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let words: Vec<_> = std::iter::once(name.to_string_lossy()).chain(arguments).collect();
    words.join(" ")
}
