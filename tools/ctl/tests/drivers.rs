//! The commands that steer drivers, against a real runtime over wires in memory.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A driver with a socket in a folder of its own.
struct Driver {
    child: Child,
    folder: PathBuf,
    socket: PathBuf,
}

impl Driver {
    fn ready(name: &str, arguments: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("farendctl-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let socket = folder.join("lab.sock");
        let program = farend_lab::reflector::program("farend-memory-driver").unwrap();
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace()).arg("--control").arg(&socket);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines
            .find(|line| line.as_ref().is_ok_and(|line| line.starts_with("ready:")))
            .unwrap()
            .unwrap();
        // Nobody must be kept from writing more.
        thread::spawn(move || lines.count());
        Self { child, folder, socket }
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = farendctl(arguments);
        command.arg("--socket").arg(&self.socket);
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints that must succeed.
    fn said(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.said(&format!("{arguments} --json"))).unwrap()
    }

    /// The exit code and the errors of a command that must fail.
    fn refused(&self, arguments: &str) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().unwrap(), errors(&output))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn farendctl(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farendctl"));
    command.args(arguments.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn status_and_stats_are_text_or_json() {
    let driver = Driver::ready("status", "mem0 mem1");
    let text = driver.said("status");
    assert!(text.starts_with("lab: serving, farend-memory-driver "), "{text}");
    assert!(text.contains("\n  mem0: serving, tier=memory mac=02:00:00:00:00:01"), "{text}");
    let status = driver.json("status");
    assert_eq!((&status["driver"], &status["state"]), (&"lab".into(), &"serving".into()));
    assert_eq!(status["interfaces"][1]["interface"], "mem1");
    thread::sleep(Duration::from_millis(50));
    let text = driver.said("stats mem0");
    assert!(text.starts_with("lab, epoch 0\nmem0 memory: "), "{text}");
    assert!(!text.contains("mem1"), "{text}");
    let counted = driver.json("stats");
    assert!(counted["statistics"]["total"]["frames"]["reflected"].as_u64() > Some(0));
    let (code, told) = driver.refused("stats mem9");
    assert!(code == 1 && told.contains("these are: mem0, mem1"), "{told}");
}

#[test]
fn interfaces_are_stopped_started_and_reset() {
    let driver = Driver::ready("steer", "mem0 mem1");
    assert!(driver.said("stop mem0").starts_with("lab: stopped; mem0: "));
    assert_eq!(driver.json("status")["state"], "partly");
    assert_eq!(driver.said("start mem0"), "mem0: started, tier=memory\n");
    driver.said("start mem1 --for 0.3");
    assert!(driver.said("status").contains(" stops-in=0."));
    let reset = driver.json("reset");
    assert_eq!((&reset["epoch"], &reset["final"]["event"]), (&1.into(), &"reset".into()));
    assert!(driver.said("reset mem0").starts_with("lab: epoch 2 begins; mem0: "));
    let deadline = Instant::now() + Duration::from_secs(20);
    while driver.json("status")["state"] != "partly" {
        assert!(Instant::now() < deadline, "its time does not end");
        thread::sleep(Duration::from_millis(20));
    }
    driver.said("stop");
    assert_eq!(driver.json("status")["state"], "stopped");
}

#[test]
fn settings_are_set_edited_saved_and_discarded() {
    let driver = Driver::ready("config", "mem0");
    assert_eq!(driver.said("config get port"), "3842\n");
    assert_eq!(driver.said("config set port=7 --dry-run"), "lab: would change: port\n");
    assert_eq!(driver.said("config get port"), "3842\n");
    assert_eq!(driver.said("config set port=7 vlan=0,9"), "lab: changed: port, vlan\n");
    assert_eq!(driver.said("config diff"), "port = 7\nvlan = [0,9]\n");
    let (code, told) = driver.refused("config set port=0");
    assert!(code == 1 && told.contains("port: \"0\": expected a UDP port"), "{told}");
    let (code, told) = driver.refused("config set pace=3 port=8");
    assert!(code == 1 && told.contains("needs a restart, nothing has changed: pace"), "{told}");
    // The file says the same when it is given to a driver.
    let file = driver.folder.join("saved.toml");
    driver.said(&format!("config save {}", file.display()));
    assert_eq!(fs::read_to_string(&file).unwrap(), driver.said("config get"));
    assert!(driver.said("config get").contains("port = 7\n"));
    let edit = |change: &str| {
        let editor = driver.folder.join("editor");
        fs::write(&editor, format!("#!/bin/sh\nsed -i '{change}' \"$1\"\n")).unwrap();
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
        driver.command("config edit").env("VISUAL", editor).output().unwrap()
    };
    let output = edit("s/^port = 7/port = 9/");
    assert_eq!(output.stdout, b"lab: changed: port\n", "{}", errors(&output));
    let output = edit("s/^port = 9/port = nine/");
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("what was edited is in"), "{}", errors(&output));
    assert_eq!(driver.said("config discard"), "lab: changed: port, vlan\n");
    assert_eq!(driver.said("config diff"), "");
}

#[test]
fn watch_tells_what_happens_until_nobody_reads() {
    let driver = Driver::ready("watch", "mem0");
    let mut child = driver.command("watch").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let deadline = Instant::now() + Duration::from_secs(20);
    while driver.json("status")["connections"] != 2 {
        assert!(Instant::now() < deadline, "it does not connect");
    }
    thread::sleep(Duration::from_millis(100));
    driver.said("stop mem0");
    assert_eq!(lines.next().unwrap().unwrap(), "lab: stopped: mem0: stopped");
    drop(lines);
    driver.said("start mem0");
    driver.said("stop mem0");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn other_hosts_are_reached_through_a_bridge() {
    let driver = Driver::ready("ssh", "mem0");
    // In place of ssh: leaves out `-- HOST`, and runs the rest as a shell there would.
    let ssh = driver.folder.join("ssh");
    let program = env!("CARGO_BIN_EXE_farendctl");
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2\" = \"-- far\" ] || exit 255\nshift 2\n\
         PATH=\"{}:$PATH\" XDG_RUNTIME_DIR=\"{}\" exec sh -c \"$*\"\n",
        PathBuf::from(program).parent().unwrap().display(),
        driver.folder.display(),
    );
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let there = driver.folder.join("farend");
    fs::create_dir(&there).unwrap();
    std::os::unix::fs::symlink(&driver.socket, there.join("lab.sock")).unwrap();
    let over = |arguments: &str| {
        let mut command = farendctl(arguments);
        command.env("FARENDCTL_SSH", &ssh).output().unwrap()
    };
    let output = over("-H far -d lab status --json");
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(
        (&status["driver"], &status["state"]),
        (&"far/lab".into(), &"serving".into()),
        "{}",
        errors(&output)
    );
    let here: Value = serde_json::from_str(&driver.said("call GetConfiguration")).unwrap();
    let output = over("-H far -d lab call GetConfiguration");
    let there: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(there, here);
    assert_eq!(over("-H nowhere status").status.code(), Some(3));
    assert_eq!(over("-H -x status").status.code(), Some(2));
}

#[test]
fn exit_codes_tell_nobody_there_and_wrong_arguments_apart() {
    let driver = Driver::ready("codes", "mem0");
    let (code, told) = driver.refused("call Reboot");
    assert!(code == 1 && told.contains("no method \"Reboot\""), "{told}");
    assert_eq!(driver.refused("call GetStatus {").0, 2);
    assert_eq!(driver.refused("call Monitor").0, 1);
    let output = farendctl("status --socket /nonexistent/x").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    let output = farendctl("status -d no-such-driver").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(errors(&output).contains("start it with --control on"), "{}", errors(&output));
    assert_eq!(farendctl("statu").output().unwrap().status.code(), Some(2));
}

#[test]
fn strangers_are_not_allowed() {
    let driver = Driver::ready("strangers", "mem0");
    fs::set_permissions(&driver.folder, fs::Permissions::from_mode(0o755)).unwrap();
    // The program too must be where others can run it.
    let program = driver.folder.join("farendctl");
    fs::copy(env!("CARGO_BIN_EXE_farendctl"), &program).unwrap();
    let run = |arguments: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "40000", "--regid", "40000", "--clear-groups"]).arg(&program);
        command.args(arguments.split(' ')).arg("--socket").arg(&driver.socket).output().unwrap()
    };
    let output = run("status");
    if errors(&output).contains("setpriv:") {
        farend_effort::skip("becoming another user needs root");
        return;
    }
    assert_eq!(output.status.code(), Some(4), "{}", errors(&output));
    fs::set_permissions(&driver.socket, fs::Permissions::from_mode(0o666)).unwrap();
    let output = run("status");
    assert_eq!(output.status.code(), Some(4));
    assert!(errors(&output).contains("it takes the role viewer"), "{}", errors(&output));
    assert_eq!(run("call org.varlink.service.GetInfo").status.code(), Some(0));
}

#[test]
fn report_has_everything_but_addresses() {
    let driver = Driver::ready("report", "mem0 --allow 192.0.2.7/32");
    let report = driver.json("report");
    assert_eq!(report["schema"], "farend.report");
    assert_eq!(report["configuration"]["configuration"]["allow"][0], "192.0.x.x/32");
    assert_eq!(report["status"]["interfaces"][0]["policy"]["own_mac"], "02:00:00:xx:xx:xx");
    assert!(report["statistics"]["total"]["frames"].is_object());
    assert!(!driver.said("report").contains("192.0.2.7"));
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let folder = std::env::temp_dir().join(format!("farendctl-man-{}", std::process::id()));
    let output = farendctl(&format!("man {}", folder.display())).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    for shell in ["bash", "zsh", "fish"] {
        let output = farendctl(&format!("completions {shell}")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for command in ["status", "config", "bridge", "counters"] {
            assert!(text.contains(command), "{shell} {command}");
            assert!(folder.join(format!("farendctl-{command}.1")).exists(), "{command}");
        }
    }
    fs::remove_dir_all(&folder).unwrap();
}
