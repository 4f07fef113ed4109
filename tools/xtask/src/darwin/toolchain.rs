//! A compiler with its own sources, its lints, and a linker of Mach-O.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{
    ebpf, hex, host,
    shell::{Shell, capture, cargo, target},
};

/// Names another compiler than Debian's; its folder must hold its clippy too.
const RUSTC_VARIABLE: &str = "FAREND_BUILD_STD_RUSTC";
const RUSTC: &str = "/usr/bin/rustc";
const LLVM: &str = "/usr/lib/llvm-22/bin";
const PACKAGES: [&str; 5] = ["rustc-web", "rust-web-src", "rust-web-clippy", "lld-22", "llvm-22"];

/// What builds for a Mac.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The folder of the library that `library` builds, one for each compiler.
    pub library: PathBuf,
    /// The folder that stands for Apple's development kit.
    pub stubs: PathBuf,
}

/// What of a package is built.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// Everything: the library, programs, examples and tests.
    Whole,
    /// Its programs. The tests of some need what only Linux has.
    Programs,
}

impl Part {
    /// How cargo calls it.
    pub(crate) const fn option(self) -> &'static str {
        match self {
            Self::Whole => "--all-targets",
            Self::Programs => "--bins",
        }
    }
}

impl Toolchain {
    /// Finds the toolchain, and installs what is missing of it.
    pub(crate) fn ready(shell: &Shell) -> Result<Self> {
        let rustc = env::var_os(RUSTC_VARIABLE).map_or_else(|| RUSTC.into(), PathBuf::from);
        let tools = [beside(&rustc, "cargo-clippy"), llvm("ld64.lld"), llvm("llvm-nm")];
        if ebpf::sources_of(&rustc).is_err() || !tools.iter().all(|tool| tool.exists()) {
            host::install(shell, &PACKAGES)?;
        }
        ebpf::sources_of(&rustc)?;
        let version = capture(Command::new(&rustc).arg("-vV"))?;
        let digest = hex::hex(&Sha256::digest(&version)[..6]);
        let library = ebpf::cache_folder()?.join(format!("darwin/{digest}"));
        Ok(Self { rustc, library, stubs: target().join("darwin/sdk") })
    }

    /// Cargo with this compiler, and nothing of the one that runs this.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        self.set_up(&mut command);
        command
    }

    /// Checks the types and lints of this part of a package.
    pub(crate) fn clippy(
        &self,
        target: &str,
        package: &str,
        part: Part,
        features: &[&str],
    ) -> Command {
        let mut command = Command::new(beside(&self.rustc, "cargo-clippy"));
        command.current_dir(crate::shell::root());
        self.set_up(&mut command);
        command.args(["clippy", "--quiet", part.option()]);
        select(&mut command, target, package, features);
        command.args(["--", "-D", "warnings"]);
        command
    }

    /// Compiles the examples of a package's documentation, and those that must not
    /// compile.
    pub(crate) fn doctest(&self, target: &str, package: &str, features: &[&str]) -> Command {
        let mut command = self.cargo();
        // One by one, because a merged one is run to see what became of each.
        let flags = format!("{} --no-run --merge-doctests=no", self.flags());
        command.env("RUSTDOC", beside(&self.rustc, "rustdoc")).env("RUSTDOCFLAGS", flags);
        command.args(["test", "--doc", "--quiet"]);
        select(&mut command, target, package, features);
        command
    }

    fn set_up(&self, command: &mut Command) {
        // Another toolchain's libraries and flags, which cargo and a caller
        // set for their own.
        for name in ["LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"]
        {
            command.env_remove(name);
        }
        command
            .env("RUSTC", &self.rustc)
            // For the name of the linker's flavor, and `-Zbuild-std`.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("SDKROOT", &self.stubs)
            .env("CARGO_TARGET_DIR", target().join("darwin"))
            // Nobody debugs what nobody runs.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // Stripping the library's own would take one more tool.
            .env("CARGO_PROFILE_DEV_STRIP", "none");
        for name in ["AARCH64", "X86_64"] {
            command.env(format!("CARGO_TARGET_{name}_APPLE_DARWIN_RUSTFLAGS"), self.flags());
        }
    }

    fn flags(&self) -> String {
        format!(
            "--sysroot {} -Clinker={} -Clinker-flavor=ld64.lld -Zunstable-options",
            self.library.display(),
            llvm("ld64.lld").display(),
        )
    }
}

/// Lists symbols.
pub(crate) fn nm() -> Command {
    Command::new(llvm("llvm-nm"))
}

/// Says which package is meant, for which target and with which features.
pub(crate) fn select(command: &mut Command, target: &str, package: &str, features: &[&str]) {
    command.args(["--locked", "--target", target, "--package", package]);
    if !features.is_empty() {
        command.arg("--features").arg(features.join(","));
    }
}

/// Removes a folder that may not be there, and makes it anew.
pub(crate) fn make_empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn beside(rustc: &Path, program: &str) -> PathBuf {
    rustc.with_file_name(program)
}

fn llvm(program: &str) -> PathBuf {
    Path::new(LLVM).join(program)
}
