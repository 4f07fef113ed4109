//! The corpus: odd frames, one file each, named by what is odd.
//!
//! A file `NAME.frame` in `tests/corpus` reads like this; `#` starts a comment.
//!
//! ```text
//! what     a UDP length that names more octets than the IP packet has
//! policy   mode mac-ip; allow 192.0.2.0/24
//! verdict  malformed udp_length
//! octets
//!     02 00 00 00 00 02       # Ethernet: destination, ours
//!     "PROBEOT"               # text
//!     5a*18                   # eighteen times the same octet
//! answer   swap 0/6 26/4 34/2
//! ```
//!
//! `policy` takes the options of [`PolicyOptions`]; without it, they are the
//! product's defaults.
//!
//! `answer` says what must come back, apart from all code that could judge it:
//! `swap 26/4` means that the four octets from offset 26 on trade places with the
//! four behind them, `set 22=3f` that one octet is another; a block of octets under
//! `answer` gives all of them. Each frame that is answered has its `answer`. One that
//! is not has none, because it must be left as it is.

mod parse;

use std::{collections::BTreeMap, fmt, fs, io, path::PathBuf};

use farend_core::{Class, Policy, Verdict};

use crate::options::PolicyOptions;

/// One frame and what becomes of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name of its file without the ending.
    pub name: String,
    /// What is odd, as a phrase.
    pub what: String,
    /// The policy as options.
    pub options: PolicyOptions,
    /// The policy that the options make.
    pub policy: Policy,
    /// What must be decided.
    pub verdict: Verdict,
    /// The frame, without FCS.
    pub octets: Vec<u8>,
    /// What must come back, if the frame is answered.
    pub answer: Option<Vec<u8>>,
}

/// Why a corpus cannot be read.
#[derive(Debug)]
pub enum CorpusError {
    /// A file or folder could not be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is not of the corpus' format.
    Format {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, as a phrase.
        message: String,
    },
}

impl fmt::Display for CorpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, cause } => write!(f, "{}: {cause}", path.display()),
            Self::Format { path, line, message } => {
                write!(f, "{}:{line}: {message}", path.display())
            }
        }
    }
}

impl std::error::Error for CorpusError {}

/// The folder of the corpus.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus"))
}

/// Reads all of the corpus, in the order of the names.
///
/// # Errors
///
/// The first file that cannot be read.
pub fn load() -> Result<Vec<Entry>, CorpusError> {
    let folder = folder();
    let unreadable = |cause| CorpusError::Read { path: folder.clone(), cause };
    let mut paths = Vec::new();
    for file in fs::read_dir(&folder).map_err(unreadable)? {
        let path = file.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "frame") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(load_file).collect()
}

/// Entries by the text of their options: a reflector starts once for each
/// policy.
#[must_use]
pub fn by_policy(entries: &[Entry]) -> BTreeMap<String, Vec<&Entry>> {
    let mut by_policy: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for entry in entries {
        by_policy.entry(entry.options.to_string()).or_default().push(entry);
    }
    by_policy
}

fn load_file(path: PathBuf) -> Result<Entry, CorpusError> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) => return Err(CorpusError::Read { path, cause }),
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Entry::parse(name, &text).map_err(|(line, message)| CorpusError::Format { path, line, message })
}

/// The word for a verdict's class in a file.
const fn group(verdict: Verdict) -> &'static str {
    match verdict.class() {
        Class::Reflected => "reflect",
        Class::Answered => "answer",
        Class::Passed => "pass",
        Class::Dropped => "drop",
        Class::Malformed => "malformed",
    }
}

/// The entry as the text of a file, octets without comments: what a test that
/// failed prints, ready to become a new file.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "what     {}", self.what)?;
        let options = self.options.to_string();
        if !options.is_empty() {
            writeln!(f, "policy   {options}")?;
        }
        writeln!(f, "verdict  {} {}", group(self.verdict), self.verdict.name())?;
        write!(f, "octets")?;
        for (index, octet) in self.octets.iter().enumerate() {
            let before = if index % 16 == 0 { "\n    " } else { " " };
            write!(f, "{before}{octet:02x}")?;
        }
        writeln!(f)
    }
}
