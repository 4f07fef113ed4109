//! Builds for macOS on Linux: types, lints, and programs linked whole.
//!
//! Nothing here can run a Mach-O, and nothing here is Apple's. The library is
//! built from the compiler's own sources, and the linker is given a stand-in
//! for libSystem that holds the names of `ci/darwin/libsystem.txt` and no
//! other, so that a misspelt or private function fails the link.

mod library;
mod programs;
mod stubs;
mod toolchain;

use std::path::PathBuf;

use anyhow::{Result, bail};

use self::toolchain::{Part, Toolchain};
use crate::{host, shell::Shell};

/// Both kinds of Mac.
const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-apple-darwin"];

/// Packages whose types and lints are checked for a Mac, beside those that are
/// linked.
const CHECKED: [&str; 4] =
    ["farend-shm", "farend-control", "farend-driver", "farend-memory-driver"];

/// Packages whose programs are offered for a Mac.
const PROGRAMS: [&str; 5] =
    ["farend-udp", "farend-xdp", "farend-tester", "farend-replay", "farendctl"];

/// The package with the blocking backends.
const LINKED: &str = "farend-futex";
/// The feature that lets it call what Apple does not publish.
const PRIVATE_FEATURE: &str = "private-apis";
/// How every function begins that only that feature may name.
const PRIVATE_NAME: &str = "__ulock";

/// Type-checks, lints and links for both kinds of Mac.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    let toolchain = match Toolchain::ready(shell) {
        Ok(toolchain) => toolchain,
        Err(error) => {
            return host::skip(shell, &format!("nothing was built for macOS: {error:#}"));
        }
    };
    library::ready(shell, &toolchain, &TARGETS)?;
    stubs::write(&toolchain.stubs)?;
    for target in TARGETS {
        for package in CHECKED {
            shell.run(&mut toolchain.clippy(target, package, Part::Whole, &[]))?;
        }
        for package in PROGRAMS {
            shell.run(&mut toolchain.clippy(target, package, Part::Programs, &[]))?;
            let part = Part::Programs;
            let programs = programs::linked(shell, &toolchain, target, package, part, &[])?;
            private_names_only_if(false, &programs)?;
        }
        for features in [&[][..], &[PRIVATE_FEATURE]] {
            shell.run(&mut toolchain.clippy(target, LINKED, Part::Whole, features))?;
            shell.run(&mut toolchain.doctest(target, LINKED, features))?;
            let part = Part::Whole;
            let programs = programs::linked(shell, &toolchain, target, LINKED, part, features)?;
            let is_wanted = features.contains(&PRIVATE_FEATURE);
            private_names_only_if(is_wanted, &programs)?;
            let features = if features.is_empty() { "by default" } else { PRIVATE_FEATURE };
            shell.say(&format!("{target}, {features}: {} programs linked", programs.len()));
        }
    }
    Ok(())
}

/// Fails if a program names a private function, be it only as a text to look
/// up while it runs; or if none does where one should, because then this check
/// would see nothing.
fn private_names_only_if(is_wanted: bool, programs: &[PathBuf]) -> Result<()> {
    let mut seen = 0;
    for program in programs {
        let names = programs::undefined_names(program)?;
        // A symbol has one underscore more than its function.
        let is_imported = names.iter().any(|name| name[1..].starts_with(PRIVATE_NAME));
        if is_imported || programs::holds_text(program, PRIVATE_NAME)? {
            seen += usize::from(is_imported);
            if !is_wanted {
                bail!("{} names {PRIVATE_NAME}, which is not public", program.display());
            }
        }
    }
    if is_wanted && seen == 0 {
        bail!("no program imports {PRIVATE_NAME}, although {PRIVATE_FEATURE} is on");
    }
    Ok(())
}
