//! Where drivers' sockets are.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The folder of drivers that are started by root.
#[cfg(target_os = "linux")]
pub const FOLDER: &str = "/run/farend";
/// The folder of drivers that are started by root.
#[cfg(not(target_os = "linux"))]
pub const FOLDER: &str = "/var/run/farend";

/// Octets of a socket's path at most, without its NUL: `sun_path` of macOS has
/// 104, that of Linux 108.
pub const PATH_OCTETS_MAX: usize = 103;

/// How sockets end.
const SUFFIX: &str = ".sock";

/// The folder of a driver of this user.
#[must_use]
pub fn folder(is_root: bool) -> PathBuf {
    match env::var_os("XDG_RUNTIME_DIR").filter(|_| !is_root) {
        Some(folder) => Path::new(&folder).join("farend"),
        None => FOLDER.into(),
    }
}

/// The name of the socket of a driver with these targets.
#[must_use]
pub fn name(program: &str, targets: &[String]) -> String {
    let targets = if targets.is_empty() { "all".to_owned() } else { targets.join("+") };
    let sound = |c: char| if c.is_ascii_alphanumeric() || "+-_.".contains(c) { c } else { '_' };
    let targets: String = targets.chars().map(sound).take(48).collect();
    format!("{program}-{targets}{SUFFIX}")
}

/// Every socket of a driver in the folders that drivers use.
#[must_use]
pub fn found() -> Vec<PathBuf> {
    let mut folders = vec![folder(true), folder(false)];
    folders.dedup();
    let mut found: Vec<_> = folders.iter().flat_map(|folder| sockets(folder)).collect();
    found.sort();
    found
}

/// The driver's name: its file's, without folder and ending.
#[must_use]
pub fn driver(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(SUFFIX).unwrap_or(&name).to_owned()
}

fn sockets(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.to_string_lossy().ends_with(SUFFIX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_has_program_and_targets_and_fits() {
        assert_eq!(
            name("farend-xdp", &["eth1".into(), "eth2".into()]),
            "farend-xdp-eth1+eth2.sock"
        );
        assert_eq!(name("farend-udp", &[]), "farend-udp-all.sock");
        assert_eq!(name("farend-udp", &["fd00::1/\x1b".into()]), "farend-udp-fd00__1__.sock");
        let longest = Path::new(FOLDER).join(name("farend-memory-driver", &["x".repeat(500)]));
        assert!(longest.as_os_str().len() <= PATH_OCTETS_MAX);
        assert_eq!(driver(Path::new("/run/farend/farend-xdp-eth1.sock")), "farend-xdp-eth1");
    }
}
