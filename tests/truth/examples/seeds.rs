//! Writes what the fuzzers start from: `cargo run -p farend-truth --example
//! seeds -- FOLDER`.

use std::{env, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("error: name the folder to write seeds to");
        return ExitCode::from(2);
    };
    match farend_truth::fuzzing::write_seeds(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write seeds to {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
