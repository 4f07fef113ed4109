//! The command `farend-udp`; see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    farend_driver::runtime::main::<farend_udp::Udp>()
}
