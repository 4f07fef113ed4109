//! A compiler with its own sources, and the linker for eBPF.
//!
//! The target has no built library, so `core` is compiled from the compiler's
//! sources. Debian's `rustc-web` brings them; so does any other toolchain with
//! `rust-src`, named by `FAREND_EBPF_RUSTC`.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::record::Record;
use crate::{
    host,
    shell::{Shell, capture},
};

const RUSTC_VARIABLE: &str = "FAREND_EBPF_RUSTC";
const RUSTC: &str = "/usr/bin/rustc";
const LINKER_VERSION: &str = "0.13.0";
/// LLVM of the linker, one of those that it can be built with: the first that is
/// installed, or else that the system offers. The objects at hand were built by the
/// first of all. The compiler's must not be newer.
const LLVM_MAJORS: [&str; 3] = ["22", "23", "21"];

/// What builds the kernel program.
#[derive(Debug)]
pub(crate) struct Toolchain {
    rustc: PathBuf,
    tools: PathBuf,
    llvm: PathBuf,
    /// The compiler's own sources.
    pub sources: PathBuf,
    pub rustc_version: String,
    pub llvm_version: String,
    pub linker_version: String,
}

impl Toolchain {
    /// Finds the toolchain, and installs what is missing of it.
    pub(crate) fn ready(shell: &Shell) -> Result<Self> {
        let rustc = env::var_os(RUSTC_VARIABLE).map_or_else(|| RUSTC.into(), PathBuf::from);
        let installed = LLVM_MAJORS.iter().find(|major| is_complete(&llvm_folder(major)));
        let major = match installed {
            Some(major) if sources_of(&rustc).is_ok() => major,
            _ => install_compiler(shell)?,
        };
        let llvm = llvm_folder(major);
        let sources = sources_of(&rustc)?;
        let tools = cache_folder()?.join("tools");
        let linker = tools.join("bin/bpf-linker");
        if !is_linker_of_version(&linker) {
            install_linker(shell, &tools, major)?;
        }
        let version = capture(Command::new(&rustc).arg("-vV"))?;
        Ok(Self {
            rustc_version: field(&version, "rustc ")?,
            llvm_version: field(&version, "LLVM version: ")?,
            linker_version: LINKER_VERSION.to_owned(),
            rustc,
            tools,
            llvm,
            sources,
        })
    }

    /// Makes cargo use this toolchain.
    pub(crate) fn set_up(&self, command: &mut Command) {
        let mut folders = vec![self.tools.join("bin"), self.llvm.join("bin")];
        folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        if let Ok(path) = env::join_paths(folders) {
            command.env("PATH", path);
        }
        // Another toolchain's libraries, which cargo puts there for its own.
        command.env_remove("LD_LIBRARY_PATH").env_remove("RUSTUP_TOOLCHAIN");
        command.env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
    }

    /// A program of LLVM.
    pub(crate) fn llvm_tool(&self, name: &str) -> PathBuf {
        self.llvm.join("bin").join(name)
    }

    /// Whether the object at hand was built with this toolchain.
    pub(crate) fn is_recorded(&self, record: &Record) -> bool {
        self.rustc_version == record.rustc
            && self.llvm_version == record.llvm
            && self.linker_version == record.bpf_linker
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rustc_version, llvm_version, linker_version, .. } = self;
        write!(f, "rustc {rustc_version}, LLVM {llvm_version}, bpf-linker {linker_version}")
    }
}

/// Where Debian puts this release of LLVM.
fn llvm_folder(major: &str) -> PathBuf {
    PathBuf::from(format!("/usr/lib/llvm-{major}"))
}

/// Whether a linker can be built with the LLVM in this folder.
fn is_complete(llvm: &Path) -> bool {
    ["bin/llvm-strip", "bin/llvm-config", "lib/libPolly.a"]
        .iter()
        .all(|part| llvm.join(part).exists())
}

/// Installs the compiler, its sources and an LLVM; gives the LLVM's release.
fn install_compiler(shell: &Shell) -> Result<&'static str> {
    let mut packages: Vec<String> =
        ["rustc-web", "rust-web-src", "libzstd-dev", "zlib1g-dev"].map(str::to_owned).to_vec();
    host::update(shell)?;
    let of = |major: &str| [format!("llvm-{major}-dev"), format!("libpolly-{major}-dev")];
    let is_offered = |major: &&&str| of(major).iter().all(|package| host::is_offered(package));
    let Some(major) = LLVM_MAJORS.iter().find(is_offered) else {
        bail!("the system offers no LLVM of the releases {}", LLVM_MAJORS.join(", "));
    };
    packages.extend(of(major));
    host::install(shell, &packages.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(major)
}

/// Where a compiler keeps the sources of its own library.
pub(crate) fn sources_of(rustc: &Path) -> Result<PathBuf> {
    if !rustc.exists() {
        bail!("no compiler {}", rustc.display());
    }
    let root = capture(Command::new(rustc).args(["--print", "sysroot"]))?;
    let sources = Path::new(root.trim()).join("lib/rustlib/src/rust");
    if !sources.join("library/core").exists() {
        bail!("{} has no sources of its own library (rust-src)", rustc.display());
    }
    Ok(sources)
}

/// Where tools are kept that take long to build, for all source trees.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("no HOME")?).join(".cache"),
    };
    Ok(cache.join("farend"))
}

fn is_linker_of_version(linker: &Path) -> bool {
    linker.exists()
        && capture(Command::new(linker).arg("--version"))
            .is_ok_and(|version| version.split_whitespace().any(|word| word == LINKER_VERSION))
}

/// Builds the linker, which takes some minutes, once for each user.
fn install_linker(shell: &Shell, tools: &Path, llvm_major: &str) -> Result<()> {
    let llvm = llvm_folder(llvm_major);
    shell.say(&format!("building bpf-linker {LINKER_VERSION} for {}", tools.display()));
    let mut folders = vec![llvm.join("bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut command = crate::shell::cargo();
    command
        .env("PATH", env::join_paths(folders)?)
        .env("LLVM_PREFIX", &llvm)
        .env("RUSTFLAGS", format!("-L {}", llvm.join("lib").display()))
        .args(["install", "bpf-linker", "--locked", "--force"])
        .args(["--version", LINKER_VERSION, "--no-default-features"])
        .arg("--features")
        .arg(format!("llvm-{llvm_major}"))
        .arg("--root")
        .arg(tools);
    shell.run(&mut command).context("cannot build bpf-linker")
}

/// What stands after a word, in one line of the compiler's version.
fn field(version: &str, name: &str) -> Result<String> {
    let line = version.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.with_context(|| format!("rustc does not tell its {name:?}"))?.trim().to_owned())
}
