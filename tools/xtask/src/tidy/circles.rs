//! Files of one crate that need one another.
//!
//! Who reads one file of a circle has to read them all. `ci/circles.txt` lists those that
//! there are: none is added, none grows, and one that is broken leaves the list. A file and
//! the folder of its name belong together, so what they need of one another is no circle.

mod graph;
mod names;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use graph::circles;
use names::Crate;

/// Names of the files of a circle, as modules.
type Circle = BTreeSet<String>;

/// Every complaint about circles in the crates of these files.
pub(crate) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut listed = listed(root)?;
    let mut complaints = Vec::new();
    for (folder, files) in crates(root, files) {
        let crate_ = Crate::read(&root.join(&folder), &files)?;
        for circle in circles(&crate_.needs()) {
            let known = listed
                .iter_mut()
                .find(|(name, known, _)| *name == folder && circle.is_subset(known));
            if let Some((_, _, is_there)) = known {
                *is_there = true;
                continue;
            }
            let names = circle.into_iter().collect::<Vec<_>>().join(" ");
            complaints.push(format!(
                "{folder}: files need one another: {names}; part them, or list them in \
                 ci/circles.txt"
            ));
        }
    }
    let gone = listed.into_iter().filter(|(_, _, is_there)| !is_there);
    complaints.extend(gone.map(|(folder, circle, _)| {
        let names = circle.into_iter().collect::<Vec<_>>().join(" ");
        format!("ci/circles.txt: no circle any more: {folder} {names}")
    }));
    Ok(complaints)
}

/// The circles of `ci/circles.txt`: the crate's folder, then the names of its files.
fn listed(root: &Path) -> Result<Vec<(String, Circle, bool)>> {
    let text = fs::read_to_string(root.join("ci/circles.txt"))
        .context("cannot read ci/circles.txt, the list of circles")?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            (words.next().unwrap_or_default(), words.collect(), false)
        })
        .collect())
}

/// Source files by the folder of their crate.
fn crates(root: &Path, files: &[PathBuf]) -> BTreeMap<String, Vec<PathBuf>> {
    let mut crates: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        let Some((folder, _)) = name.split_once("/src/") else { continue };
        if file.extension().is_some_and(|extension| extension == "rs") {
            crates.entry(folder.to_owned()).or_default().push(file.clone());
        }
    }
    crates
}
