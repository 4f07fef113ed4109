//! Processes of a pid namespace that reads the /proc of another.
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

use std::{
    env,
    process::{self, Command},
};

use farend_futex::process::{Life, life};

const ROLE: &str = "FAREND_TEST_LOOKS_AT_ITSELF";

/// What a process finds of itself that `unshare` started with these arguments.
fn looked_at_itself(test: &str, unshare: &[&str]) -> String {
    let output = Command::new("unshare")
        .args(unshare)
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ROLE, "")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let output = String::from_utf8(output.stdout).unwrap();
    let found = output.lines().find_map(|line| line.strip_prefix("found "));
    found.expect("a process that looked").to_owned()
}

/// In that /proc its number is another process, with a state and a start of its own.
#[test]
fn what_another_namespaces_proc_says_of_a_number_is_not_believed() {
    const NAME: &str = "what_another_namespaces_proc_says_of_a_number_is_not_believed";
    if env::var_os(ROLE).is_some() {
        return println!("\nfound {} {:?}", process::id(), life(process::id()));
    }
    if !rustix::process::geteuid().is_root() {
        return farend_effort::skip("making a pid namespace needs root");
    }
    let inherited = looked_at_itself(NAME, &["--pid", "--fork"]);
    assert_eq!(inherited, format!("1 {:?}", Life::Since(0)));
    let own = looked_at_itself(NAME, &["--pid", "--fork", "--mount-proc"]);
    assert!(own.starts_with("1 Since(") && own != inherited, "{own}");
}
