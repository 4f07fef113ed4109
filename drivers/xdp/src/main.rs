//! The command `farend-xdp`; see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    farend_xdp::main()
}
