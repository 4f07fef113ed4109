//! The recipe.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::toolchain::Toolchain;
use crate::shell::{Shell, root, target};

/// How the kernel program is compiled. A change of these is a change of the
/// sources.
///
/// Values are computed again rather than kept, because the ten registers are
/// too few as it is and each kept one goes by way of the stack. Loops stay loops, because the verifier knows them and an unrolled walk over
/// extension headers is too large; no call of memcpy, because the kernel has
/// none; BTF, because the driver finds the policy by its symbol.
pub(crate) const FLAGS: [&str; 10] = [
    "-Clinker=bpf-linker",
    "-Ctarget-feature=+allows-misaligned-mem-access",
    "-Ctarget-cpu=v3",
    "-Cllvm-args=-unroll-full-max-count=0",
    "-Clink-arg=--llvm-args=-unroll-full-max-count=0",
    "-Clink-arg=--llvm-args=-disable-machine-cse",
    "-Clink-arg=--llvm-args=-disable-lsr",
    "-Clink-arg=--disable-memory-builtins",
    "-Clink-arg=--btf",
    "-Cdebuginfo=2",
];

const TARGET: &str = "bpfel-unknown-none";

/// The programs of `ebpf/Cargo.toml`, each of which becomes one object.
pub(crate) const OBJECTS: [&str; 3] = ["farend", "farend-redirect", "farend-lab"];

/// An object's octets, in the order of [`OBJECTS`].
pub(crate) type Objects = [Vec<u8>; OBJECTS.len()];

/// Builds the objects and returns their octets.
pub(crate) fn objects(shell: &Shell, toolchain: &Toolchain) -> Result<Objects> {
    let root = root();
    let target_folder = target().join("ebpf");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    toolchain.set_up(&mut command);
    command
        .current_dir(root.join("ebpf"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain)?.join("\x1f"))
        .env("CARGO_TARGET_DIR", &target_folder)
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "-Zbuild-std=core",
            "--target",
            TARGET,
        ]);
    shell.run(&mut command).context("cannot build the kernel programs")?;

    let mut objects = Objects::default();
    for (object, name) in objects.iter_mut().zip(OBJECTS) {
        let built = target_folder.join(TARGET).join("release").join(name);
        let stripped = target_folder.join(format!("{name}.bpf.o"));
        // Debug sections go, BTF stays.
        let mut strip = Command::new(toolchain.llvm_tool("llvm-strip"));
        shell.run(strip.arg("--strip-debug").arg("-o").args([&stripped, &built]))?;
        *object = fs::read(&stripped).context("a built object is gone")?;
    }
    Ok(objects)
}

/// The flags, with nothing of this machine's folders in the result.
fn flags(toolchain: &Toolchain) -> Result<Vec<String>> {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("no HOME")?).join(".cargo"),
    };
    let mut folders = vec![(root(), "farend"), (toolchain.sources.clone(), "rust")];
    // One folder for each registry, named by a hash of its address.
    for registry in fs::read_dir(cargo_home.join("registry/src")).into_iter().flatten() {
        folders.push((registry?.path(), "registry"));
    }
    let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
    for (folder, name) in folders {
        flags.push(format!("--remap-path-prefix={}=/{name}", folder.display()));
    }
    Ok(flags)
}
