//! Settings from and to JSON.

use crate::{
    idl::{message, names},
    json::Object,
    statistics::Named,
};

names! {
    /// What becomes of what earlier calls have set.
    pub enum Mode {
        /// It stays, but for the keys that are given; a key that is null is
        /// given up.
        Merge = "merge",
        /// It goes.
        Replace = "replace",
    }
}

message! {
    /// What `SetConfiguration` is given.
    #[derive(Default)]
    pub struct SetConfiguration {
        /// Keys of docs/configuration.md with their values.
        pub configuration: Option<Object>,
        /// The same as text of a file, instead: what it says like the layers
        /// below is not set. Takes mode replace.
        pub toml: Option<String>,
        /// What becomes of what is set; merge, where nothing is said.
        pub mode: Option<Mode>,
        /// Refuse if another generation is in force.
        pub if_generation: Option<u64>,
        /// Change nothing; say what would be.
        pub dry_run: Option<bool>,
    }

    /// What a change did, or would do.
    pub struct Configured {
        /// The generation that is in force.
        pub generation: u64,
        /// Keys whose values have changed.
        pub applied: Vec<String>,
        /// Keys of the file whose new values wait for a restart.
        pub needs_restart: Vec<String>,
        /// What a person should know: a line each.
        pub notes: Vec<String>,
    }

    /// What is in force.
    pub struct Configuration {
        /// Every key with its value; null for none.
        pub configuration: Object,
        /// The same as a file.
        pub toml: String,
        /// Where each key is from: default, file, command line or api.
        pub layers: Named<String>,
        /// Goes up at each change.
        pub generation: u64,
    }
}
