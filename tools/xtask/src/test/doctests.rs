//! The examples in the documentation, which cargo-nextest does not run.

use anyhow::Result;

use super::nextest::Outcome;
use crate::shell::{Shell, cargo};

/// What cargo says of packages that are programs alone.
const NO_LIBRARY: &str = "no library targets found";

/// Runs them. That some failed is no error.
pub(crate) fn run(shell: &Shell, packages: &[String], filter: Option<&str>) -> Result<Outcome> {
    let mut command = cargo();
    command.args(["test", "--doc", "--no-fail-fast"]);
    if packages.is_empty() {
        command.arg("--workspace");
    }
    for package in packages {
        command.args(["--package", package]);
    }
    command.args(filter);
    let mut outcome = Outcome::default();
    let mut has_library = true;
    let status = shell.run_by_line(&mut command, |line| {
        has_library &= !line.contains(NO_LIBRARY);
        take(line, &mut outcome);
    })?;
    if !status.success() && has_library && outcome.failed.is_empty() {
        // One that does not compile at all has no line of its own.
        outcome.failed.push(format!("documentation ({status})"));
        outcome.run += 1;
    }
    Ok(outcome)
}

/// Reads a line such as `test core/src/lib.rs - reflect (line 40) ... ok`.
fn take(line: &str, outcome: &mut Outcome) {
    let Some(test) = line.strip_prefix("test ") else { return };
    // Behind its name may stand how it is tested: "- compile fail".
    let Some((name, result)) = test.rsplit_once(" ... ") else { return };
    match result {
        "ok" => outcome.run += 1,
        result if result.starts_with("FAILED") => {
            outcome.run += 1;
            outcome.failed.push(name.to_owned());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_examples_are_counted() {
        let mut outcome = Outcome::default();
        for line in [
            "test core/src/lib.rs - reflect (line 40) ... ok",
            "test core/src/a.rs - a (line 1) - compile fail ... ok",
            "test core/src/b.rs - b (line 2) ... FAILED",
            "test core/src/c.rs - c (line 3) ... ignored",
            "test result: ok. 2 passed; 0 failed",
        ] {
            take(line, &mut outcome);
        }
        assert_eq!((outcome.run, outcome.failed), (3, vec!["core/src/b.rs - b (line 2)".into()]));
    }
}
