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
        let packages = ["--package", "farend-xdp", "--package", "farend-tester"];
        shell.run(cargo().args(["build", "--release", "--quiet", "--bins"]).args(packages))?;
        let folder = target().join("release");
        Ok(Self { reflector: folder.join("farend-xdp"), tester: folder.join("farend-tester") })
    }
}
