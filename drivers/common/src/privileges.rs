//! Capabilities: which are missing, and giving up those not needed.
//!
//! Linux keeps them for each thread. The thread that steers keeps what reloads
//! need; every other thread is started by [`spawn`] and holds none. Other
//! systems have none at all.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod none;

use std::{
    io,
    path::PathBuf,
    thread::{self, JoinHandle},
};

#[cfg(target_os = "linux")]
pub use linux::{Capability, drop_all_but, drop_of_thread, without_file_rights};
#[cfg(not(target_os = "linux"))]
pub use none::{Capability, drop_all_but, drop_of_thread, without_file_rights};

/// Those that are not held.
#[must_use]
pub fn missing(wanted: &[Capability]) -> Vec<Capability> {
    wanted.iter().copied().filter(|capability| !capability.is_held()).collect()
}

/// What to do about capabilities that are missing, as one sentence.
#[must_use]
pub fn advice(wanted: &[Capability]) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("PROGRAM"));
    let names: Vec<_> = wanted.iter().map(|one| format!("cap_{}", one.name)).collect();
    let (names, program) = (names.join(","), program.display());
    if rustix::process::geteuid().is_root() {
        // Root without capabilities, as in a container.
        return format!("grant {names} to this container or service");
    }
    format!("run as root, or once: setcap {names}+ep {program}")
}

/// Starts a thread that holds no capability.
///
/// # Errors
///
/// The system starts no thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // A kernel that refuses to take rights away leaves them as they are.
        let _ = drop_of_thread();
        work()
    })
}
