//! One function for each rule. A complaint begins with `:line: `.

use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path};

use anyhow::{Context, Result};

/// Most lines of a source file.
const FILE_LINES_MAX: usize = 600;

/// Words that no file of the project holds. Written in two halves, so that
/// this file passes.
const UNFINISHED: [(&str, &str); 2] = [("TO", "DO"), ("XX", "X:")];
const MACHINE_PATHS: [(&str, &str); 2] = [("/ro", "ot/"), ("/wo", "rk/")];

/// How many unsafe operations each file may hold.
pub(crate) struct Budget(BTreeMap<String, usize>);

impl Budget {
    /// Reads `ci/unsafe.txt`: one file a line, then the number.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join("ci/unsafe.txt"))
            .context("cannot read ci/unsafe.txt, the budget of unsafe operations")?;
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parse = |line: &str| -> Result<(String, usize)> {
            let (name, number) = line.rsplit_once(' ').context("not \"file number\"")?;
            Ok((name.trim().to_owned(), number.parse()?))
        };
        let budget =
            lines.map(|line| parse(line).with_context(|| format!("ci/unsafe.txt: {line}")));
        Ok(Self(budget.collect::<Result<_>>()?))
    }

    /// Complains about files of the budget that do not exist.
    pub(crate) fn missing_files(&self, root: &Path) -> Vec<String> {
        let missing = self.0.keys().filter(|name| !root.join(name).exists());
        missing.map(|name| format!("ci/unsafe.txt: no file {name}")).collect()
    }
}

/// Every complaint about one file.
pub(crate) fn check(name: &str, text: &str, budget: &Budget) -> Vec<String> {
    let mut complaints = Vec::new();
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    if extension != Some("lock") {
        no_machine_paths(text, &mut complaints);
    }
    if extension == Some("rs") {
        length_of_file(text, &mut complaints);
        nothing_unfinished(text, &mut complaints);
        unsafe_within_budget(text, budget.0.get(name).copied().unwrap_or(0), &mut complaints);
    }
    complaints
}

fn no_machine_paths(text: &str, complaints: &mut Vec<String>) {
    for (number, line) in numbered(text) {
        if MACHINE_PATHS.iter().any(|(start, end)| line.contains(&format!("{start}{end}"))) {
            complaints.push(format!(":{number}: a path of one machine"));
        }
    }
}

fn length_of_file(text: &str, complaints: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        complaints.push(format!(":1: {lines} lines, more than {FILE_LINES_MAX}; divide the file"));
    }
}

fn nothing_unfinished(text: &str, complaints: &mut Vec<String>) {
    for (number, line) in numbered(text) {
        if UNFINISHED.iter().any(|(start, end)| line.contains(&format!("{start}{end}"))) {
            complaints.push(format!(":{number}: something unfinished"));
        }
    }
}

fn unsafe_within_budget(text: &str, budget: usize, complaints: &mut Vec<String>) {
    let uses: Vec<usize> =
        numbered(text).filter(|(_, line)| is_unsafe(line)).map(|(number, _)| number).collect();
    if uses.len() > budget {
        let line = uses.last().copied().unwrap_or(1);
        complaints.push(format!(
            ":{line}: {} unsafe operations, more than {budget}; do without, or change ci/unsafe.txt",
            uses.len(),
        ));
    }
}

/// Whether a line holds unsafe code, not only the word.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    code.split_once("unsafe").is_some_and(|(before, after)| {
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && [" {", " fn", " impl", " extern", " trait", "("]
                .iter()
                .any(|start| after.starts_with(start))
    })
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        check("some.rs", text, &Budget(BTreeMap::new()))
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_unfinished_work_is() {
        for (start, end) in MACHINE_PATHS.iter().chain(&UNFINISHED) {
            assert_eq!(complaints(&format!("// see {start}{end}\n")).len(), 1, "{start}{end}");
        }
    }

    #[test]
    fn unsafe_code_outside_the_budget_is_found_but_not_the_word() {
        assert_eq!(complaints(&format!("let x = {} {{ y }};\n", concat!("uns", "afe"))).len(), 1);
        assert!(complaints("// unsafe (as said) is a word\n").is_empty());
    }
}
