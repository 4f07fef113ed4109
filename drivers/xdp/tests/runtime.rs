//! What the runtime promises of every tier: privileges, files, reloads, checks.

mod support;

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::{PermissionsExt, chown},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use support::{
    farend::Farend,
    namespace::{Pair, inside, ip},
};

// What the steering thread may keep: NET_ADMIN 12, NET_RAW 13, IPC_LOCK 14,
// PERFMON 38, BPF 39.
const STEERING: u64 = 1 << 12 | 1 << 13 | 1 << 14 | 1 << 38 | 1 << 39;

/// A folder that is its user's alone, removed on drop.
struct Folder(PathBuf);

impl Folder {
    /// `user` owns it and what is made in it by [`file`](Self::file).
    fn of_user(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("farend-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        chown(&path, Some(65_534), Some(65_534)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        chown(&path, Some(65_534), Some(65_534)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The name and the permitted capabilities of every thread.
fn threads(farend: &Farend) -> Vec<(String, u64)> {
    let tasks = format!("/proc/{}/task", farend.pid().as_raw_nonzero());
    let status = fs::read_dir(tasks).unwrap().map(|task| {
        let text = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        for set in ["CapEff:", "CapInh:", "CapAmb:"] {
            let held = u64::from_str_radix(&field(set), 16).unwrap();
            let permitted = u64::from_str_radix(&field("CapPrm:"), 16).unwrap();
            assert_eq!(held & !permitted, 0, "{text}");
        }
        assert_eq!(field("NoNewPrivs:"), "1", "{text}");
        (field("Name:"), u64::from_str_radix(&field("CapPrm:"), 16).unwrap())
    });
    status.collect()
}

#[test]
fn no_thread_but_the_steering_one_holds_a_capability() {
    let Some(pair) = Pair::new(1_500) else { return };
    let sample = std::env::temp_dir().join(format!("farend-caps-{}.pcapng", std::process::id()));
    let page = format!("caps-{}", std::process::id());
    let looks = format!(
        "--sample 1 --sample-file {} --sample-of all --tap {page}-tap --residence --testers 8",
        sample.display()
    );
    let page = format!("--counters-page {page} --stats json");
    for (tier, looks) in [
        ("xdp", String::new()),
        ("xdp-generic", String::new()),
        ("af-xdp", String::new()),
        ("af-xdp", looks.clone()),
        ("af-packet", String::new()),
        ("af-packet", looks),
        ("udp", String::new()),
    ] {
        let farend = Farend::ready(&pair.far, &format!("far --tier {tier} {page} {looks}"));
        thread::sleep(Duration::from_millis(100));
        let threads = threads(&farend);
        assert!(threads.len() > 2, "{tier}: {threads:?}");
        for (name, held) in &threads {
            let allowed = if name.starts_with("farend") { STEERING } else { 0 };
            assert_eq!(held & !allowed, 0, "{tier} {looks}: {name} holds {held:x}");
        }
        assert_eq!(farend.stop().code, Some(0));
    }
    fs::remove_file(sample).unwrap();
}

#[test]
fn sample_and_reload_work_in_a_folder_closed_to_root() {
    let Some(pair) = Pair::new(1_500) else { return };
    let folder = Folder::of_user("closed");
    let config = folder.file("farend.toml", "port = 3842\n");
    let sample = folder.0.join("sample.pcapng");
    let arguments = format!(
        "far --tier af-packet --sample 1 --sample-file {} --config {}",
        sample.display(),
        config.display()
    );
    let farend = Farend::ready(&pair.far, &arguments);
    assert!(sample.exists());
    folder.file("farend.toml", "port = 7\n");
    farend.signal(Signal::HUP);
    farend.wait_for("are in force");
    // By another file of the same name, as editors do.
    fs::rename(folder.file("new", "port = 9\nmode = \"mac-ip\"\n"), &config).unwrap();
    farend.signal(Signal::HUP);
    let deadline = Instant::now() + Duration::from_secs(10);
    while farend.count("are in force") < 2 {
        assert!(Instant::now() < deadline, "{}", farend.wait_for("reload"));
        thread::sleep(Duration::from_millis(10));
    }
    let (_, held) = threads(&farend).into_iter().max_by_key(|(_, held)| *held).unwrap();
    // DAC_OVERRIDE 1 went, DAC_READ_SEARCH 2 is what the reload needs.
    assert_eq!(held & 0b110, 0b100);
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn udp_reload_to_a_busy_or_privileged_port_keeps_sockets_and_policy() {
    let Some(pair) = Pair::new(1_500) else { return };
    let folder = Folder::of_user("busy");
    let config = folder.file("farend.toml", "port = 3842\n");
    let arguments = format!("--tier udp 127.0.0.1 127.0.0.2 --config {}", config.display());
    let farend = Farend::ready(&pair.far, &arguments);
    inside(&pair.far, || {
        // The second address cannot have it, so the first must not take it.
        let _busy = UdpSocket::bind(("127.0.0.2", 4_000)).unwrap();
        for (port, why) in [(4_000, "another program listens there"), (99, "CAP_NET_BIND_SERVICE")]
        {
            folder.file("farend.toml", &format!("port = {port}\n"));
            farend.signal(Signal::HUP);
            farend.wait_for(why);
        }
        for address in ["127.0.0.1", "127.0.0.2"] {
            let socket = UdpSocket::bind((address, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            socket.send_to(b"\x01\x02\x03\x04\x05PROBEOT and more", (address, 3842)).unwrap();
            assert!(socket.recv(&mut [0; 64]).is_ok(), "nobody answers on {address}");
        }
    });
    assert_eq!(farend.count("previous settings remain in force"), 2);
    let end = farend.stop();
    assert_eq!(end.code, Some(0), "{end:?}");
}

#[test]
fn reload_names_the_options_that_wait_for_a_restart() {
    let Some(pair) = Pair::new(1_500) else { return };
    let folder = Folder::of_user("restart");
    let config = folder.file("farend.toml", "interfaces = [\"far\"]\ntier = \"af-packet\"\n");
    let farend = Farend::ready(&pair.far, &format!("--config {}", config.display()));
    folder.file(
        "farend.toml",
        "interfaces = [\"far\"]\ntier = \"xdp\"\nreplace = true\nstats = \"csv\"\n\
         residence = false\nport = 7\n",
    );
    farend.signal(Signal::HUP);
    let line = farend.wait_for("are in force");
    assert!(line.ends_with("needs a restart: tier, replace, stats"), "{line}");
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn check_refuses_what_cannot_run() {
    let Some(pair) = Pair::new(1_500) else { return };
    ip(&format!("-n {} link add name bridge type bridge", pair.far));
    let running = Farend::ready(&pair.far, "far --tier xdp --counters-page check-page-0");
    let folder = Folder::of_user("check");
    let foreign = folder.file("notes.txt", "no capture at all, but a text\n");
    let sample = format!("far --tier af-packet --sample 1 --sample-file {}", foreign.display());
    for (arguments, why) in [
        ("far --tier xdp".to_owned(), "another XDP program is attached"),
        ("far --tier af-xdp".to_owned(), "another XDP program is attached"),
        ("bridge --tier xdp".to_owned(), "does not run XDP"),
        ("--tier udp 198.18.99.1".to_owned(), "no interface has this address"),
        (sample, "no pcapng file"),
        ("far --tier af-packet --counters-page check-page-0".to_owned(), "check-page-0"),
    ] {
        let end = Farend::run(&pair.far, "", &format!("{arguments} --check"));
        assert_eq!(end.code, Some(1), "{arguments}: {end:?}");
        assert!(end.stderr.contains(why), "{arguments}: {end:?}");
        // As in earnest.
        let end = Farend::run(&pair.far, "", &format!("{arguments} --duration 0.2"));
        assert_eq!(end.code, Some(1), "{arguments}: {end:?}");
    }
    assert_eq!(running.stop().code, Some(0));
    let end = Farend::run(&pair.far, "", "far --tier xdp --check");
    assert_eq!(end.code, Some(0), "{end:?}");
}

#[test]
fn full_disk_and_closed_output_leave_the_reflector_at_work() {
    let Some(pair) = Pair::new(1_500) else { return };
    let arguments = "far --tier xdp-generic --stats json --stats-interval 0.02";
    for output in [">/dev/full", ">&-"] {
        let farend =
            Farend::ready_by(&pair.far, &format!("tests/support/to.sh {output}"), arguments);
        farend.wait_for("lost so far");
        let end = farend.stop();
        assert_eq!(end.code, Some(1), "{output}: {end:?}");
    }
}

#[test]
fn output_that_nobody_wants_is_no_lost_output() {
    let Some(pair) = Pair::new(1_500) else { return };
    let arguments = "far --tier xdp-generic --stats json --stats-interval 0.02 --duration 0.2";
    // Read-write is how many services open it for their children.
    for output in [">/dev/null", "1<>/dev/null"] {
        let before = format!("tests/support/to.sh {output}");
        let end = Farend::run(&pair.far, &before, arguments);
        assert_eq!(end.code, Some(0), "{output}: {end:?}");
        assert!(!end.stderr.contains("lost"), "{output}: {end:?}");
    }
}

#[test]
fn failed_start_writes_its_last_line() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _first = Farend::ready(&pair.far, "far --tier af-packet --stats none");
    for _ in 0..10 {
        let end = Farend::run(&pair.far, "", "far --stats json");
        assert_eq!(end.code, Some(1), "{end:?}");
        let skipped = end.stdout.matches("\"tier_skipped\"").count();
        assert_eq!(skipped, 5, "{end:?}");
    }
}

#[test]
fn counters_page_left_in_another_pid_namespace_names_the_file_to_remove() {
    let Some(pair) = Pair::new(1_500) else { return };
    let page = format!("left-{}", std::process::id());
    let arguments = format!("--tier udp 127.0.0.1 --counters-page {page}");
    let before = "unshare --pid --fork --kill-child";
    let killed = Farend::start(&pair.far, before, &arguments);
    killed.wait_for("ready: ");
    killed.signal(Signal::KILL);
    assert_eq!(killed.end().code, None);
    let end = Farend::run(&pair.far, "", &format!("{arguments} --duration 0.1"));
    let fix = format!("/dev/shm/{page}");
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.stderr.contains(&format!("if it has ended: rm {fix}")), "{end:?}");
    fs::remove_file(fix).unwrap();
    let end = Farend::run(&pair.far, "", &format!("{arguments} --duration 0.1"));
    assert_eq!(end.code, Some(0), "{end:?}");
}
