//! The AF_XDP tier between two hosts: all queues, overload, and what goes wrong
//! in the field. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use farend_effort::is_long;
use rustix::process::Signal;
use support::{
    PATIENCE,
    farend::{End, Farend},
    flood::{Flood, flows, probe_each},
    frame::{Ip, answer, echo_request, probe},
    namespace::{Pair, inside, ip},
    pass::Pass,
    queues::{ethtool, frames_of_queues, pair_with_queues, queues_of_flows, set_queues},
    raw::Raw,
};

const LONG: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(100);

/// Starts the tier on the far end.
fn ready(pair: &Pair, options: &str) -> Farend {
    Farend::ready(&pair.far, &format!("far --tier af-xdp --stats json {options}"))
}

/// Sends one probe from the near end; what comes back.
fn ask(pair: &Pair, frame: &[u8], limit: Duration) -> Option<Vec<u8>> {
    inside(&pair.near, || {
        let raw = Raw::open("near");
        assert!(raw.send(frame));
        raw.receive_probe(limit)
    })
}

fn is_attached(pair: &Pair) -> bool {
    let mut command = Command::new("ip");
    let output = command.args(["-n", &pair.far, "-d", "link", "show", "far"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().contains("prog/xdp")
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "still not: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// One line on standard error that starts so and has these parts.
fn refused(end: &End, code: i32, parts: &[&str]) {
    assert_eq!(end.code, Some(code), "{end:?}");
    let lines: Vec<_> = end.stderr.lines().filter(|line| !line.starts_with("notice: ")).collect();
    assert_eq!(lines.len(), 1, "{end:?}");
    assert!(lines[0].starts_with("farend-xdp: "), "{end:?}");
    for part in parts {
        assert!(lines[0].contains(part), "{part:?} not in {end:?}");
    }
}

fn losses(end: &End) -> serde_json::Map<String, serde_json::Value> {
    end.last()["total"]["losses"].as_object().unwrap().clone()
}

fn lost(end: &End) -> u64 {
    losses(end).values().map(|frames| frames.as_u64().unwrap()).sum()
}

fn reflected(end: &End) -> u64 {
    end.last()["total"]["reflected"]["probeot"].as_u64().unwrap()
}

#[test]
fn all_queues_are_used_and_flows_spread_over_them() {
    let Some(pair) = pair_with_queues(4) else { return };
    let farend = ready(&pair, "");
    let line = farend.wait_for("queues 0-3 in copy mode");
    assert!(line.contains("UMEM of 32 MiB: 4096 chunks of 2048 octets for each of 4"), "{line}");
    let back = inside(&pair.near, || flows(&Raw::open("near"), 64, 10));
    assert_eq!(back, 640);
    let queues = frames_of_queues(&pair);
    assert_eq!(queues.len(), 4, "{queues:?}");
    assert!(queues.iter().all(|frames| *frames > 0), "{queues:?}");
    let end = farend.stop();
    assert_eq!((reflected(&end), lost(&end)), (640, 0), "{end:?}");
}

#[test]
fn queues_that_are_not_named_stay_the_hosts() {
    let Some(pair) = pair_with_queues(4) else { return };
    let farend = ready(&pair, "--queues 1,3 --cpus 0");
    assert!(farend.wait_for("queues 1,3 in copy mode").contains("CPUs 0,0"));
    let back = inside(&pair.near, || flows(&Raw::open("near"), 64, 1));
    let end = farend.stop();
    assert!(back > 0 && back < 64, "{back}");
    assert_eq!(reflected(&end), u64::from(back), "{end:?}");
    assert_eq!(losses(&end)["queue_not_served"], 64 - back, "{end:?}");
    assert_eq!(lost(&end), u64::from(64 - back), "{end:?}");
}

#[test]
fn flows_that_nobody_serves_do_not_hold_up_the_others() {
    let Some(pair) = pair_with_queues(4) else { return };
    let farend = ready(&pair, "--queues 1,3");
    let raw = inside(&pair.near, || Raw::open("near"));
    // As uneven as a hash could spread them: those of no served queue first, more
    // than may be under way.
    let ports: Vec<_> = (30_000..30_200).collect();
    let queues = queues_of_flows(&pair, &raw, &ports);
    let of = |is_served: bool, count: usize| {
        let flows = ports.iter().zip(&queues).filter(|(_, queue)| (**queue % 2 == 1) == is_served);
        flows.map(|(port, _)| *port).take(count).collect::<Vec<_>>()
    };
    while raw.receive_probe(SHORT).is_some() {}
    let drawn = [of(false, 60), of(true, 4)].concat();
    assert_eq!(drawn.len(), 64, "{queues:?}");
    assert_eq!(probe_each(&raw, &drawn, 1), 4);
    let end = farend.stop();
    let served = queues.iter().filter(|queue| **queue % 2 == 1).count();
    assert_eq!(reflected(&end), served as u64 + 4, "{end:?}");
    assert_eq!(lost(&end), (ports.len() - served) as u64 + 60, "{end:?}");
}

#[test]
fn queues_that_come_later_are_served_too() {
    let Some(pair) = pair_with_queues(1) else { return };
    let farend = ready(&pair, "");
    farend.wait_for("queue 0 in copy mode");
    let back = inside(&pair.near, || flows(&Raw::open("near"), 64, 1));
    assert_eq!(back, 64);
    set_queues(&pair, 4);
    farend.wait_for("there are more queues now: queues 1-3 in copy mode");
    let back = inside(&pair.near, || flows(&Raw::open("near"), 64, 10));
    assert_eq!(back, 640);
    // The kernel keeps the queues that have sockets.
    set_queues(&pair, 1);
    let back = inside(&pair.near, || flows(&Raw::open("near"), 64, 10));
    assert_eq!(back, 640);
    let end = farend.stop();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(reflected(&end), 64 + 640 + 640, "{end:?}");
}

#[test]
fn the_host_keeps_all_that_is_not_answered() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "");
    let is_reachable = Command::new("ip")
        .args(["netns", "exec", &pair.near, "ping", "-c", "2", "-i", "0.1", "-W", "1"])
        .arg("198.18.0.1")
        .output()
        .unwrap();
    // The neighbour was asked for by ARP before.
    assert!(is_reachable.status.success(), "{is_reachable:?}");
    inside(&pair.near, || {
        let raw = Raw::open("near");
        assert!(raw.send(&echo_request()));
        let deadline = Instant::now() + PATIENCE;
        while raw.receive(LONG).is_none_or(|frame| frame.get(34) != Some(&0)) {
            assert!(Instant::now() < deadline, "no echo reply");
        }
    });
    let end = farend.stop();
    assert!(end.last()["total"]["passed"]["ip_protocol"].as_u64() >= Some(3), "{end:?}");
    assert!(end.last()["total"]["frames"]["passed"].as_u64() >= Some(4), "{end:?}");
}

#[test]
fn a_longer_mtu_is_served_as_soon_as_it_is_set() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "");
    for (namespace, link) in [(&pair.far, "far"), (&pair.near, "near")] {
        ip(&format!("-n {namespace} link set {link} mtu 9000"));
    }
    farend.wait_for("MTU is now 9000 octets");
    let frame = probe(Ip::V4, &[], 9_014, 1);
    assert_eq!(ask(&pair, &frame, PATIENCE), Some(answer(Ip::V4, &[], &frame)));
    let end = farend.stop();
    assert_eq!(end.last()["total"]["reflected_octets"], 9_014, "{end:?}");
}

#[test]
fn overload_loses_frames_by_name_and_nothing_else() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "");
    let time = Duration::from_secs(if is_long() { 10 } else { 3 });
    let flood = Flood::run(&pair, time);
    println!("{flood:?}");
    assert!(flood.answers > 10_000, "{flood:?}");
    assert_eq!((flood.twice, flood.out_of_order, flood.wrong), (0, 0, 0), "{flood:?}");
    let end = farend.stop();
    assert_eq!(end.code, Some(0), "{end:?}");
    let losses = losses(&end);
    println!("{losses:?}");
    assert_eq!(losses["frames_leaked"], 0, "{end:?}");
    assert_eq!(losses["redirect_lost"], 0, "{end:?}");
    // All that the interface delivered is told.
    let queues: u64 = frames_of_queues(&pair).iter().sum();
    let passed = end.last()["total"]["frames"]["passed"].as_u64().unwrap();
    assert_eq!(reflected(&end) + lost(&end) + passed, queues, "{end:?}");
}

#[test]
fn the_full_rate_is_back_within_a_second_of_each_overload() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "");
    for cycle in 0..if is_long() { 100 } else { 20 } {
        let flood = Flood::run(&pair, Duration::from_millis(200));
        assert_eq!((flood.twice, flood.out_of_order, flood.wrong), (0, 0, 0), "{flood:?}");
        let start = Instant::now();
        // The flood's last frames may still be in the way: all are to come back in
        // some run that ends within the second.
        let mut back = Vec::new();
        while back.last() != Some(&2_000) && start.elapsed() < Duration::from_secs(1) {
            back.push(inside(&pair.near, || flows(&Raw::open("near"), 1, 2_000)));
        }
        assert!(start.elapsed() < Duration::from_secs(1), "cycle {cycle}: {back:?}");
    }
    let end = farend.stop();
    assert_eq!(losses(&end)["frames_leaked"], 0, "{end:?}");
}

#[test]
fn what_a_stopped_process_cannot_take_is_counted_and_the_rest_answered() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "");
    // More than its ring holds, fewer than its UMEM.
    let sent = 3_000;
    farend.freeze();
    let back = inside(&pair.near, || {
        let raw = Raw::open("near");
        for number in 0..sent {
            assert!(raw.send(&probe(Ip::V4, &[], 60, number)));
            // The veth's own ring is short.
            if number % 100 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        wait_until("delivered", || frames_of_queues(&pair).iter().sum::<u64>() >= u64::from(sent));
        farend.signal(Signal::CONT);
        let mut back = 0;
        while raw.receive_probe(Duration::from_millis(300)).is_some() {
            back += 1;
        }
        back
    });
    assert!(back >= 2_048 && back < sent, "{back}");
    let frame = probe(Ip::V4, &[], 60, 7);
    assert!(ask(&pair, &frame, PATIENCE).is_some());
    let end = farend.stop();
    assert_eq!(reflected(&end), u64::from(back) + 1, "{end:?}");
    assert_eq!(lost(&end), u64::from(sent - back), "{end:?}");
    let losses = losses(&end);
    let named =
        losses["receive_ring_full"].as_u64().unwrap() + losses["fill_ring_empty"].as_u64().unwrap();
    assert_eq!(named, u64::from(sent - back), "{end:?}");
}

#[test]
fn a_killed_process_leaves_a_clean_interface_and_the_next_one_serves_it() {
    let Some(pair) = Pair::new(1_500) else { return };
    let frame = probe(Ip::V4, &[], 60, 1);
    let farend = ready(&pair, "");
    let load = Flood::start(&pair, Duration::from_secs(1));
    thread::sleep(SHORT);
    farend.signal(Signal::KILL);
    assert_eq!(farend.end().code, None);
    assert_eq!(load.finish().wrong, 0);
    wait_until("no program", || !is_attached(&pair));
    assert_eq!(ask(&pair, &frame, SHORT), None);
    let farend = ready(&pair, "");
    assert_eq!(ask(&pair, &frame, PATIENCE), Some(answer(Ip::V4, &[], &frame)));
    assert_eq!(farend.stop().code, Some(0));
    assert!(!is_attached(&pair));
}

#[test]
fn an_interface_that_goes_down_is_waited_for() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "");
    let frame = probe(Ip::V4, &[], 60, 1);
    let load = Flood::start(&pair, Duration::from_millis(600));
    thread::sleep(SHORT);
    ip(&format!("-n {} link set far down", pair.far));
    farend.wait_for("was set down");
    let before = farend.cpu_time();
    thread::sleep(Duration::from_millis(500));
    let used = farend.cpu_time().saturating_sub(before);
    assert!(used < Duration::from_millis(100), "{used:?}");
    load.finish();
    ip(&format!("-n {} link set far up", pair.far));
    farend.wait_for("is up again");
    wait_until("answered", || ask(&pair, &frame, SHORT).is_some());
    let end = farend.stop();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(losses(&end)["frames_leaked"], 0, "{end:?}");
}

#[test]
fn a_ring_that_stands_still_is_named_and_its_answers_are_kept() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "");
    let raw = inside(&pair.near, || Raw::open("near"));
    farend.freeze();
    for number in 0..100 {
        assert!(raw.send(&probe(Ip::V4, &[], 60, number)));
    }
    wait_until("delivered", || frames_of_queues(&pair).iter().sum::<u64>() >= 100);
    ip(&format!("-n {} link set far down", pair.far));
    farend.signal(Signal::CONT);
    let line = farend.wait_for("has stood still for 2 s");
    assert!(
        line.contains("far queue 0: the tx ring") && line.contains("is the link up?"),
        "{line}"
    );
    ip(&format!("-n {} link set far up", pair.far));
    let mut back = 0;
    while back < 100 && raw.receive_probe(PATIENCE).is_some() {
        back += 1;
    }
    assert_eq!(back, 100);
    let end = farend.stop();
    assert_eq!((reflected(&end), lost(&end)), (100, 0), "{end:?}");
}

#[test]
fn an_interface_that_is_deleted_ends_it_with_a_reason() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "");
    ip(&format!("-n {} link del far", pair.far));
    let end = farend.end();
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.stderr.ends_with("far: the interface was deleted\n"), "{end:?}");
}

#[test]
fn an_idle_process_uses_no_cpu_and_busy_polling_uses_one() {
    let Some(pair) = Pair::new(1_500) else { return };
    let used = |options: &str, told: &str| {
        let farend = ready(&pair, options);
        println!("{}", farend.wait_for(told));
        thread::sleep(Duration::from_millis(200));
        let before = farend.cpu_time();
        thread::sleep(Duration::from_secs(1));
        let used = farend.cpu_time().saturating_sub(before);
        let frame = probe(Ip::V4, &[], 60, 1);
        assert_eq!(ask(&pair, &frame, PATIENCE), Some(answer(Ip::V4, &[], &frame)));
        let end = farend.stop();
        assert_eq!((end.code, end.stderr.contains("worker sleeps")), (Some(0), options.is_empty()));
        println!("{options:?}: {used:?} of CPU in a second");
        used
    };
    assert!(used("", "an idle worker sleeps, and wakes within ") < Duration::from_millis(50));
    // As much as others leave it.
    let busy = used("--busy-poll", "never sleeps, and keeps a whole CPU busy");
    assert!(busy > Duration::from_millis(100));
}

#[test]
fn several_interfaces_are_served_at_once_and_one_may_end() {
    let Some(pair) = Pair::new(1_500) else { return };
    let Pair { far, near } = &pair;
    ip(&format!("-n {far} link add more type veth peer name most netns {near}"));
    ip(&format!("-n {far} link set more address 02:00:00:00:00:01 up"));
    ip(&format!("-n {near} link set most up"));
    let farend = Farend::ready(far, "far more --tier af-xdp --stats json");
    let answered = |interface: &'static str| inside(near, || flows(&Raw::open(interface), 1, 10));
    assert_eq!((answered("near"), answered("most")), (10, 10));
    ip(&format!("-n {near} link del most"));
    farend.wait_for("more: the interface was deleted; the other interfaces go on");
    assert_eq!(answered("near"), 10);
    let end = farend.stop();
    assert_eq!(end.code, Some(1), "{end:?}");
    assert_eq!((reflected(&end), lost(&end)), (30, 0), "{end:?}");
}

#[test]
fn a_rate_cap_is_kept() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = ready(&pair, "--max-rate 1000");
    let start = Instant::now();
    let flood = Flood::run(&pair, Duration::from_secs(1));
    let most = 1_000.0 * (start.elapsed().as_secs_f64() + 0.2);
    assert!(f64::from(flood.answers) <= most && flood.answers >= 900, "{flood:?}");
    let end = farend.stop();
    assert!(end.last()["total"]["dropped"]["rate_cap"].as_u64() > Some(0), "{end:?}");
}

#[test]
fn what_is_in_the_way_is_told_in_one_line() {
    let Some(pair) = Pair::new(1_500) else { return };
    let run = |before: &str, options: &str| {
        let arguments = format!("far --tier af-xdp --stats none --duration 0.1 {options}");
        Farend::run(&pair.far, before, &arguments)
    };
    refused(&run("", "--queues 7"), 2, &["far has no receive queue 7", "--queues"]);
    refused(&run("", "--queues 3-1"), 2, &["--queues", "1-3"]);
    refused(&run("", "--cpus 4000"), 2, &["no CPU 4000", "--cpus: 0"]);
    refused(&run("", "--busy-poll=0"), 2, &["--busy-poll", "1 to 65535"]);
    let end = run("prlimit --memlock=65536 setpriv --bounding-set -ipc_lock,-sys_resource", "");
    refused(&end, 1, &["8192 KiB of frame memory", "limit of locked memory", "ulimit -l 8192"]);
    let end = run("prlimit --nofile=12", "");
    refused(&end, 1, &["open files", "ulimit -n"]);
    let end = run("setpriv --bounding-set -net_raw", "");
    refused(&end, 1, &["CAP_NET_RAW missing", "grant cap_net_raw,"]);
    let end = Farend::run(&pair.far, "", "far --tier af-packet --queues 0");
    refused(&end, 2, &["--queues is for AF_XDP sockets", "--tier af-xdp"]);
    assert!(!is_attached(&pair));
}

#[test]
fn who_holds_the_interface_is_told() {
    let Some(pair) = Pair::new(1_500) else { return };
    let again = || Farend::run(&pair.far, "", "far --tier af-xdp --stats none --duration 0.1");
    {
        let _foreign = Pass::attach(&pair.far, "far");
        refused(&again(), 1, &["another XDP program is attached", "farend_reflect", "--replace"]);
    }
    let farend = ready(&pair, "");
    let holder = format!("held by farend-xdp with process id {}", farend.pid().as_raw_nonzero());
    refused(&again(), 1, &["another XDP program is attached", "farend_redirect", &holder]);
    let frame = probe(Ip::V4, &[], 60, 1);
    assert!(ask(&pair, &frame, PATIENCE).is_some());
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn a_driver_with_too_few_queues_is_served_after_it() {
    let Some(pair) = Pair::with_queues(1_500, 4) else { return };
    ethtool(&pair.far, "-L far rx 1 tx 1");
    let end = Farend::run(&pair.far, "", "far --tier xdp --stats none --duration 0.1");
    refused(&end, 1, &["too few queues for XDP", "ethtool -L far"]);
    let farend = ready(&pair, "");
    farend.wait_for("the program runs after the driver, which is slower");
    let frame = probe(Ip::V4, &[], 60, 1);
    assert_eq!(ask(&pair, &frame, PATIENCE), Some(answer(Ip::V4, &[], &frame)));
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn auto_takes_it_when_an_option_needs_it_and_says_so() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = Farend::ready(&pair.far, "far --queues 0");
    farend.wait_for("tier xdp skipped on far: --queues needs frames in user space");
    assert!(farend.wait_for("ready: ").contains("tier=af-xdp "));
    assert_eq!(farend.stop().code, Some(0));
    let end = Farend::run(&pair.far, "", "far --tier af-xdp --queues 0 --check");
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stdout.contains("tier = \"af-xdp\"") && end.stdout.contains("queues = \"0\""));
    assert!(end.stderr.contains("far: UMEM of 8 MiB: 4096 chunks of 2048 octets"), "{end:?}");
}

#[test]
fn auto_comes_to_user_space_to_look_at_frames_and_says_so() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = Farend::ready(&pair.far, "far --residence --testers 10 --stats json");
    for tier in ["xdp", "xdp-generic"] {
        let line = format!("tier {tier} skipped on far: --testers needs frames in user space");
        farend.wait_for(&line);
    }
    assert!(farend.wait_for("ready: ").contains("tier=af-xdp "));
    let back = inside(&pair.near, || flows(&Raw::open("near"), 4, 10));
    assert_eq!(back, 40);
    let end = farend.stop();
    assert_eq!(reflected(&end), 40, "{end:?}");
    let end = Farend::run(&pair.far, "", "far --tier xdp --residence");
    refused(&end, 2, &["--residence needs frames in user space", "--tier af-xdp"]);
}
