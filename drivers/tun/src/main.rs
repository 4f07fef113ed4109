//! The command `farend-tun`; see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    return farend_tun::arguments::main();
    #[cfg(not(target_os = "linux"))]
    return ExitCode::FAILURE;
}
