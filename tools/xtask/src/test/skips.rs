//! What tests did not do here, and why.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::shell::{Shell, target};

/// A file that tests add to.
#[derive(Debug)]
pub(crate) struct Skips(PathBuf);

impl Skips {
    /// An empty one.
    pub(crate) fn new() -> Result<Self> {
        fs::create_dir_all(target())?;
        let file = target().join("skips.txt");
        fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self(file))
    }

    pub(crate) fn file(&self) -> &Path {
        &self.0
    }

    /// Reads what is in it so far.
    pub(crate) fn read(&self) -> Result<Skipped> {
        let text = fs::read_to_string(&self.0)
            .with_context(|| format!("cannot read {}", self.0.display()))?;
        Ok(Skipped::parse(&text))
    }
}

/// Tests by the reason why they were skipped.
#[derive(Debug, Default)]
pub(crate) struct Skipped(BTreeMap<String, BTreeSet<String>>);

impl Skipped {
    fn parse(text: &str) -> Self {
        let mut skipped = Self::default();
        for (test, reason) in text.lines().filter_map(|line| line.split_once('\t')) {
            skipped.0.entry(reason.to_owned()).or_default().insert(test.to_owned());
        }
        skipped
    }

    /// How many tests skipped something.
    pub(crate) fn tests(&self) -> usize {
        self.0.values().flatten().collect::<BTreeSet<_>>().len()
    }

    /// Names all, reason by reason.
    pub(crate) fn tell(&self, shell: &Shell) {
        for (reason, tests) in &self.0 {
            shell.say(&format!("skipped in {} tests: {reason}", tests.len()));
            for test in tests {
                shell.say(&format!("    {test}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_with_two_reasons_is_one_skipped_test() {
        let skipped = Skipped::parse("a\tno root\nb\tno root\na\tno tshark\na\tno root\n");
        assert_eq!(skipped.tests(), 2);
        assert_eq!(skipped.0["no root"].len(), 2);
        assert_eq!(skipped.0["no tshark"].len(), 1);
    }
}
