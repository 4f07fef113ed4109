//! A configuration file of a test.

use std::{fs, path::PathBuf};

/// A file of settings in the directory for temporary ones; removed on drop.
pub(crate) struct Settings(PathBuf);

impl Settings {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("farend-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn replace(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    pub(crate) fn option(&self) -> String {
        format!("--config {}", self.0.display())
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
