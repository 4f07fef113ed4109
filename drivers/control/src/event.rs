//! What happens, and what is found.

use std::fmt;

use crate::idl::message;

message! {
    /// One event. Names are those of docs/statistics.md; new ones may come.
    pub struct EventReply {
        /// Counts events, from 1 on.
        pub sequence: u64,
        /// How many were left out before this one.
        pub missed: u64,
        /// The clock of the host, in milliseconds since 1970.
        pub time_unix_ms: u64,
        /// What kind it is.
        pub event: String,
        /// The interface that it is about.
        pub interface: Option<String>,
        /// The tier that it is about.
        pub tier: Option<String>,
        /// One line for a person.
        pub message: String,
        /// What was found.
        pub finding: Option<Finding>,
    }

    /// Something about an interface or the host that would make a test fail, and
    /// the way out of it.
    #[derive(Eq)]
    pub struct Finding {
        /// Its stable name.
        pub id: String,
        /// What is wrong; the subject is the interface.
        pub what: String,
        /// What follows from it.
        pub why: String,
        /// What to do: a command, or a sentence.
        pub fix: Option<String>,
        /// The command that undoes the fix.
        pub undo: Option<String>,
        /// Whether the driver cannot run until it is mended.
        pub is_fatal: bool,
    }
}

impl Finding {
    /// Something that the driver can run with.
    pub fn new(id: &str, what: impl Into<String>, why: impl Into<String>) -> Self {
        let (id, what, why) = (id.to_owned(), what.into(), why.into());
        Self { id, what, why, fix: None, undo: None, is_fatal: false }
    }

    /// Something that it cannot run with.
    pub fn fatal(id: &str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { is_fatal: true, ..Self::new(id, what, why) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn fixed_by(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Adds what undoes it.
    #[must_use]
    pub fn undone_by(mut self, undo: impl Into<String>) -> Self {
        self.undo = Some(undo.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.why.is_empty() {
            write!(f, ", {}", self.why)?;
        }
        self.fix.as_ref().map_or(Ok(()), |fix| write!(f, ": {fix}"))
    }
}
