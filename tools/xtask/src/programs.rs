//! The project's programs, built as users run them.

use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{Shell, cargo, target};

/// Where they are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) reflector: PathBuf,
    pub(crate) tester: PathBuf,
}

impl Programs {
    /// Builds both.
    pub(crate) fn build(shell: &Shell) -> Result<Self> {
        shell.say("building farend-xdp and farend-tester; the first time takes some minutes");
        Self::build_by(shell, &["--release"], "release")
    }

    /// Builds both as the tests do: sooner there, and slower.
    pub(crate) fn build_for_tests(shell: &Shell) -> Result<Self> {
        Self::build_by(shell, &[], "debug")
    }

    fn build_by(shell: &Shell, options: &[&str], folder: &str) -> Result<Self> {
        let packages = ["--package", "farend-xdp", "--package", "farend-tester"];
        shell.run(cargo().args(["build", "--quiet", "--bins"]).args(options).args(packages))?;
        let folder = target().join(folder);
        Ok(Self { reflector: folder.join("farend-xdp"), tester: folder.join("farend-tester") })
    }
}
