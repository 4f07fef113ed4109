//! Which file of a crate names which other.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::graph::Needs;

/// A path, in its parts.
type Names = Vec<String>;

/// The files of a crate, by their module.
pub(super) struct Crate(BTreeMap<Names, Source>);

/// What a file names.
#[derive(Default)]
struct Source {
    /// Paths in it, and whether it offers what they name as its own.
    named: Vec<(Names, bool)>,
}

impl Crate {
    /// Reads the files of the crate in this folder.
    pub(super) fn read(folder: &Path, files: &[PathBuf]) -> Result<Self> {
        let mut sources = BTreeMap::new();
        for file in files {
            let text = fs::read_to_string(file).context("cannot read a source file")?;
            let place = file.strip_prefix(folder.join("src")).unwrap_or(file);
            sources.insert(module(place), Source { named: named(&product(&text)) });
        }
        Ok(Self(sources))
    }

    /// What each file needs, but for the folder of its name and those that it is in.
    pub(super) fn needs(&self) -> Needs {
        let mut needs = Needs::new();
        for (me, source) in &self.0 {
            let others = source.named.iter().filter(|(_, is_offered)| !is_offered);
            let others = others.filter_map(|(path, _)| self.home(path, me));
            let others = others.filter(|other| !other.starts_with(me) && !me.starts_with(other));
            let others: Vec<_> = others.map(|other| other.join("::")).collect();
            needs.entry(me.join("::")).or_default().extend(others);
        }
        needs
    }

    /// The module that a path names something of, through those that only pass it on.
    fn home(&self, path: &[String], me: &[String]) -> Option<Names> {
        let mut home = self.resolve(path, me)?;
        let name = path.last()?;
        // More would be a circle of its own.
        for _ in 0..4 {
            let offered = self
                .0
                .get(&home)?
                .named
                .iter()
                .find(|(path, is_offered)| *is_offered && path.last() == Some(name));
            match offered.and_then(|(path, _)| self.resolve(path, &home)) {
                Some(next) if next != home => home = next,
                _ => break,
            }
        }
        Some(home)
    }

    /// The longest part of a path that is a module of this crate.
    fn resolve(&self, path: &[String], me: &[String]) -> Option<Names> {
        let mut names = path.iter().peekable();
        let mut home = match names.peek()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => me.to_vec(),
            first => {
                let child = [me, &[first.to_owned()]].concat();
                self.0.contains_key(&child).then(|| me.to_vec())?
            }
        };
        while let Some(name) =
            names.next_if(|name| ["crate", "self", "super"].contains(&name.as_str()))
        {
            if name == "super" {
                home.pop();
            }
        }
        for name in names {
            let child = [home.as_slice(), std::slice::from_ref(name)].concat();
            if !self.0.contains_key(&child) {
                break;
            }
            home = child;
        }
        Some(home)
    }
}

/// The module that a file is, by its place below `src`.
fn module(place: &Path) -> Names {
    let place = place.with_extension("").display().to_string();
    let mut names: Names = place.split('/').map(str::to_owned).collect();
    names.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    names
}

/// A file without comments, and without the tests at its end.
fn product(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path of this crate in a file, and whether it is offered by `pub use`.
fn named(text: &str) -> Vec<(Names, bool)> {
    let mut named = Vec::new();
    let mut rest = String::new();
    for statement in text.split_inclusive(';') {
        let start = statement.rfind("use ").filter(|start| {
            let before = statement.get(..*start).unwrap_or_default();
            before.trim_end().is_empty() || before.ends_with([' ', '\n', ')'])
        });
        let Some(start) = start.filter(|_| statement.ends_with(';')) else {
            rest.push_str(statement);
            continue;
        };
        let (before, tree) = statement.split_at(start);
        rest.push_str(before);
        let is_offered = before.lines().next_back().is_some_and(|line| line.contains("pub"));
        let tree = tree.trim_start_matches("use ").trim_end_matches(';');
        named.extend(expand(tree).into_iter().map(|path| (path, is_offered)));
    }
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in rest.match_indices(start) {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let before = rest.get(..at).unwrap_or_default();
            let path = rest.get(at..).unwrap_or_default().split(|c| !is_part(c)).next();
            if !before.ends_with(is_part) {
                named.push((parts(path.unwrap_or_default()), false));
            }
        }
    }
    named
}

/// The paths of a tree such as `a::{b, c::{d, e}}`.
fn expand(tree: &str) -> Vec<Names> {
    let Some((before, inside)) = tree.split_once('{') else {
        return vec![parts(tree.split(" as ").next().unwrap_or(tree))];
    };
    let inside = inside.trim_end().strip_suffix('}').unwrap_or(inside);
    let mut paths = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in inside.char_indices().chain([(inside.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth <= 0 => {
                let branch = inside.get(start..at).unwrap_or_default().trim();
                if !branch.is_empty() {
                    paths.extend(expand(&format!("{}{branch}", before.trim())));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    paths
}

fn parts(path: &str) -> Names {
    path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> Vec<String> {
        let mut paths: Vec<_> = named(text)
            .into_iter()
            .map(|(path, is_offered)| {
                let star = if is_offered { "*" } else { "" };
                format!("{star}{}", path.join("::"))
            })
            .collect();
        paths.sort();
        paths
    }

    #[test]
    fn paths_are_found_in_trees_and_in_code() {
        let text = "pub use a::B;\nuse crate::{\n    c::{self, D, e::{F, G}},\n    h,\n};\n\
                    fn x() { super::i::j(); }\nuse std::io as io;\n";
        let wanted = [
            "*a::B",
            "crate::c::D",
            "crate::c::e::F",
            "crate::c::e::G",
            "crate::c::self",
            "crate::h",
            "std::io",
            "super::i::j",
        ];
        assert_eq!(joined(text), wanted);
    }

    #[test]
    fn comments_and_tests_name_nothing() {
        let text = "// use crate::a;\n/// [crate::b]\nfn f() {}\n#[cfg(test)]\nmod tests { use crate::c; }";
        assert!(joined(&product(text)).is_empty(), "{:?}", joined(&product(text)));
    }

    #[test]
    fn file_that_is_passed_on_is_where_it_is() {
        let source = |text: &str| Source { named: named(text) };
        let names = |text: &str| parts(text);
        let crate_ = Crate(BTreeMap::from([
            (names(""), source("mod a; mod b; pub use b::B;")),
            (names("a"), source("use crate::B;")),
            (names("b"), source("use super::a::A;")),
        ]));
        let needs = crate_.needs();
        assert_eq!(needs["a"].iter().collect::<Vec<_>>(), ["b"]);
        assert_eq!(needs["b"].iter().collect::<Vec<_>>(), ["a"]);
        assert!(needs[""].is_empty());
    }
}
