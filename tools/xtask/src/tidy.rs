//! The project's own rules, as code.

mod circles;
mod rules;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use crate::shell::{Shell, root};

/// Folders and files that are not ours or not written by hand.
const LEFT_OUT: [&str; 3] = ["target", ".git", "corpus"];

/// Reads every file of the tree and names every broken rule.
pub(crate) fn run(shell: &Shell) -> Result<()> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let budget = rules::Budget::read(&root)?;
    let mut found = budget.missing_files(&root);
    for file in &files {
        // Files that are no text have no rules.
        let Ok(text) = fs::read_to_string(file) else { continue };
        let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        let complaints = rules::check(&name, &text, &budget);
        found.extend(complaints.into_iter().map(|complaint| format!("{name}{complaint}")));
    }
    found.extend(circles::check(&root, &files)?);
    for complaint in &found {
        shell.say(complaint);
    }
    if !found.is_empty() {
        bail!("{} rules are broken", found.len());
    }
    shell.say(&format!("{} files are tidy", files.len()));
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
