//! A stand-in for Apple's development kit: names of functions, no file of
//! theirs.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::toolchain::make_empty;
use crate::shell::root;

/// The functions and data of libSystem that a program may use.
const NAMES: &str = "ci/darwin/libsystem.txt";

/// Where libSystem stands on a Mac.
const SYSTEM: &str = "/usr/lib/libSystem.B.dylib";

/// What rustc asks a kit for.
const SETTINGS: &str = r#"{
  "CanonicalName": "macosx11.0",
  "Version": "11.0",
  "MaximumDeploymentTarget": "99.0"
}
"#;

/// Writes the kit into a folder.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let path = root().join(NAMES);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {NAMES}, the names of libSystem"))?;
    let names: Vec<&str> = names(&text).collect();
    make_empty(folder)?;
    fs::create_dir_all(folder.join("usr/lib"))?;
    fs::write(folder.join("SDKSettings.json"), SETTINGS)?;
    for (name, installed, exports) in [
        ("libSystem", SYSTEM, &names[..]),
        // Other names of the same library, as on a Mac.
        ("libc", SYSTEM, &names[..]),
        ("libm", SYSTEM, &names[..]),
        ("libiconv", "/usr/lib/libiconv.2.dylib", &[]),
    ] {
        let path = folder.join("usr/lib").join(name).with_extension("tbd");
        fs::write(path, stub(installed, exports))?;
    }
    Ok(())
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A library in the linker's text form.
fn stub(installed: &str, names: &[&str]) -> String {
    const TARGETS: &str = "[ arm64-macos, x86_64-macos ]";
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    let exports = if names.is_empty() {
        String::new()
    } else {
        let symbols = quoted.join(", ");
        format!("exports:\n  - targets: {TARGETS}\n    symbols: [ {symbols} ]\n")
    };
    format!(
        "--- !tapi-tbd\ntbd-version: 4\ntargets: {TARGETS}\ninstall-name: '{installed}'\n\
         current-version: 1\n{exports}...\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_holds_each_name_once_and_no_remark() {
        let text = "# remark\n_read\n\n_fstat$INODE64\n";
        let stub = stub("/usr/lib/some.dylib", &names(text).collect::<Vec<_>>());
        assert!(stub.contains("symbols: [ '_read', '_fstat$INODE64' ]"), "{stub}");
        assert!(!stub.contains("remark"));
    }
}
