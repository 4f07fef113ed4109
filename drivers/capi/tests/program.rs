//! Compiles a program in C against the header and the library, and runs it.
#![cfg(target_os = "linux")]

use std::{
    env,
    path::{Path, PathBuf},
    process::{self, Command},
};

/// The library that cargo has built beside this test.
fn library() -> PathBuf {
    // target/debug/deps/program-...
    let deps = env::current_exe().unwrap();
    let deps = deps.parent().unwrap();
    let found = deps.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libfarend_capi") && name.ends_with(".a")
    });
    found.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).expect("the library")
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {complaint}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_in_c_uses_locks_segments_and_rings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = env::temp_dir().join(format!("farend-capi-{}", process::id()));
    run(Command::new("gcc")
        .args(["-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .args([folder.join("include"), folder.join("tests/program.c")])
        .arg("-o")
        .args([&program, &library()])
        .args(["-lpthread", "-ldl", "-lm"]));
    let said = run(Command::new(&program).arg(format!("/fc{}", process::id())));
    std::fs::remove_file(&program).unwrap();
    assert_eq!(said, "done with all\n");
}

/// The header alone, as C++ and as C of 1999.
#[test]
fn the_header_is_sound_c_and_cpp() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/farend_sync.h");
    for (compiler, arguments) in [("gcc", ["-std=c99", "-xc"]), ("g++", ["-std=c++11", "-xc++"])] {
        if Command::new(compiler).arg("--version").output().is_err() {
            farend_effort::skip(&format!("there is no {compiler}"));
            continue;
        }
        let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"];
        run(Command::new(compiler).args(arguments).args(strict).arg(&header));
    }
}
