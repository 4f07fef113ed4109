//! The control API, by a driver that has nothing but wires in memory.

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use farend_control::{
    Error,
    calls::{
        GetConfiguration, GetStatistics, GetStatus, Monitor, Parameters, ResetStatistics, Since,
        Start, Stop,
    },
    client::ClientError,
    configuration::{Mode, SetConfiguration},
    service,
    statistics::StatisticsLine,
    status::State,
};
use rustix::process::Signal;
use serde_json::json;

use support::{Controlled, File, PATIENCE, reflected};

fn count(line: &StatisticsLine, interface: usize) -> u64 {
    line.body.interfaces[interface].frames.reflected
}

fn start(interface: &str) -> Start {
    Start { interface: interface.to_owned(), for_s: None }
}

fn stop(interface: &str) -> Stop {
    Stop { interface: Some(interface.to_owned()) }
}

/// Counts of now, since the start.
fn now() -> GetStatistics {
    GetStatistics { since: Some(Since::Start), max_age_ms: Some(0), ..GetStatistics::default() }
}

fn set(configuration: &serde_json::Value) -> SetConfiguration {
    let configuration = configuration.as_object().cloned();
    SetConfiguration { configuration, ..SetConfiguration::default() }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> Error {
    match outcome {
        Err(ClientError::Refused(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn interface_stops_and_starts_in_the_living_process() {
    let it = Controlled::ready("steer", "mem0 mem1 --stats json");
    let mut client = it.client();
    let mut before = 0;
    for _ in 0..20 {
        let stopped = client.call(&stop("mem0")).unwrap().r#final;
        assert_eq!(stopped.body.interfaces.len(), 1);
        let first = client.call(&now()).unwrap().statistics;
        thread::sleep(Duration::from_millis(10));
        let second = client.call(&now()).unwrap().statistics;
        assert_eq!(count(&first, 0), count(&second, 0), "a stopped wire answers");
        assert_eq!(count(&first, 0), count(&stopped, 0));
        assert!(count(&first, 0) >= before, "counts went back");
        assert!(count(&second, 1) > count(&first, 1), "the other one stopped too");
        before = count(&second, 0);
        assert_eq!(client.call(&start("mem0")).unwrap().tier, "memory");
        thread::sleep(Duration::from_millis(5));
    }
    let known = vec!["mem0".to_owned(), "mem1".to_owned()];
    assert_eq!(refusal(client.call(&stop("mem9"))), Error::NoSuchInterface { known });
    let (code, last) = it.stop();
    assert_eq!(code, Some(0));
    assert!(reflected(&last, 0) > before);
}

#[test]
fn thousand_starts_and_stops_in_any_order_leave_it_sound() {
    let it = Controlled::ready("thousand", "mem0 mem1 mem2 --stats json --pace 100000");
    let mut client = it.client();
    let mut is_open = [true; 3];
    // A fixed order that looks like none.
    let mut state = 12_345_u32;
    for _ in 0..1_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (at, starts) = ((state >> 8) as usize % 3, state >> 31 == 0);
        let name = format!("mem{at}");
        if starts {
            client.call(&start(&name)).unwrap();
        } else {
            client.call(&stop(&name)).unwrap();
        }
        is_open[at] = starts;
    }
    let status = client.call(&GetStatus {}).unwrap();
    for (interface, is_open) in status.interfaces.iter().zip(is_open) {
        let expected = if is_open { State::Serving } else { State::Stopped };
        assert_eq!(interface.state, expected, "{}", interface.interface);
    }
    let all = client.call(&Stop::default()).unwrap().r#final;
    assert_eq!(client.call(&GetStatus {}).unwrap().state, State::Stopped);
    let (code, last) = it.stop();
    assert_eq!(code, Some(0));
    for at in 0..3 {
        assert_eq!(reflected(&last, at), count(&all, at));
    }
}

#[test]
fn all_finals_sum_to_the_counts_since_the_start_under_load() {
    let it = Controlled::ready("reset", "mem0 mem1 --stats json --pace 100000");
    let mut client = it.client();
    let mut sums = [0; 2];
    for round in 1..=200 {
        // Every third one is of one interface.
        let interfaces = (round % 3 == 0).then(|| vec!["mem1".to_owned()]);
        let reply = client.call(&ResetStatistics { interfaces: interfaces.clone() }).unwrap();
        assert_eq!((reply.epoch, reply.r#final.event.as_str()), (round, "reset"));
        for one in &reply.r#final.body.interfaces {
            sums[usize::from(one.interface == "mem1")] += one.frames.reflected;
            assert_eq!(one.sent, Some(one.frames.reflected));
        }
        assert_eq!(reply.r#final.body.interfaces.len(), if interfaces.is_some() { 1 } else { 2 });
    }
    client.call(&Stop::default()).unwrap();
    let rest = client.call(&ResetStatistics::default()).unwrap().r#final;
    let (_, last) = it.stop();
    for (at, sum) in sums.into_iter().enumerate() {
        assert_eq!(sum + count(&rest, at), reflected(&last, at));
        assert!(reflected(&last, at) > 100, "there was no load");
    }
}

#[test]
fn interface_that_was_started_for_a_time_stops_by_itself() {
    let it = Controlled::ready("for", "mem0 --stats json");
    let mut client = it.client();
    client.call(&Start { for_s: Some(0.3), ..start("mem0") }).unwrap();
    let remaining = client.call(&GetStatus {}).unwrap().interfaces[0].remaining_s;
    assert!(remaining.is_some_and(|time| time > 0.0 && time <= 0.3), "{remaining:?}");
    // Also if whoever started it is gone.
    drop(client);
    it.driver.wait_for("its time is over", 1);
    let mut client = it.client();
    let status = client.call(&GetStatus {}).unwrap();
    assert_eq!((status.state, status.interfaces[0].remaining_s), (State::Stopped, None));
    // A second start without a time takes the time back.
    client.call(&Start { for_s: Some(0.2), ..start("mem0") }).unwrap();
    client.call(&start("mem0")).unwrap();
    thread::sleep(Duration::from_millis(400));
    assert_eq!(client.call(&GetStatus {}).unwrap().state, State::Serving);
    for wrong in [0.0, -1.0, 1e300] {
        let asked = Start { for_s: Some(wrong), ..start("mem0") };
        let parameter = "for_s".to_owned();
        assert_eq!(refusal(client.call(&asked)), Error::InvalidParameter { parameter });
    }
    it.stop();
}

#[test]
fn configuration_has_layers_and_generations() {
    let file = File::new("layers", "max-rate = 1000000\noui = \"00:c0:17\"\n");
    let arguments = format!("mem0 --vlan 0 --stats json --config {}", file.0.display());
    let it = Controlled::ready("layers", &arguments);
    let mut client = it.client();
    let before = client.call(&GetConfiguration {}).unwrap();
    let layer = |name: &str| {
        let layers = &before.layers.0;
        layers.iter().find(|(key, _)| key == name).unwrap().1.clone()
    };
    assert_eq!(layer("max-rate"), "file");
    assert_eq!(layer("vlan"), "command line");
    assert_eq!((layer("port").as_str(), layer("interfaces").as_str()), ("default", "command line"));
    assert_eq!(before.configuration["max-rate"], 1_000_000);
    assert_eq!(before.configuration["vlan"], json!([0]));

    let changed = client.call(&set(&json!({"max-rate": 500, "port": 7, "vlan": [0, 9]}))).unwrap();
    assert_eq!(changed.generation, before.generation + 1);
    let mut applied = changed.applied.clone();
    applied.sort();
    assert_eq!(applied, ["max-rate", "port", "vlan"]);
    // A key that is null is given up; a reload keeps the rest.
    client.call(&set(&json!({"max-rate": null}))).unwrap();
    file.write("max-rate = 2000000\n");
    it.driver.signal(Signal::HUP);
    it.driver.wait_for("are in force", 1);
    let after = client.call(&GetConfiguration {}).unwrap();
    assert_eq!(
        (&after.configuration["max-rate"], &after.configuration["port"]),
        (&2_000_000.into(), &7.into())
    );
    assert!(after.layers.0.contains(&("port".to_owned(), "api".to_owned())));
    assert_eq!(after.generation, before.generation + 3);

    // The same text again changes nothing; another one is compared with the file.
    let whole = |toml: String| SetConfiguration { toml: Some(toml), ..SetConfiguration::default() };
    let same = client.call(&whole(after.toml.clone())).unwrap();
    assert_eq!((same.applied, same.generation), (vec![], after.generation));
    let edited = after.toml.replace("port = 7", "port = 3842");
    assert_eq!(client.call(&whole(edited)).unwrap().applied, ["port"]);
    let discard = SetConfiguration { mode: Some(Mode::Replace), ..set(&json!({})) };
    client.call(&discard).unwrap();
    let last = client.call(&GetConfiguration {}).unwrap();
    assert!(last.layers.0.iter().all(|(_, layer)| layer != "api"), "{:?}", last.layers);
    it.stop();
}

#[test]
fn configuration_that_is_refused_changes_nothing() {
    let it = Controlled::ready("refused", "mem0 mem1 --stubborn mem1 --stats json");
    let mut client = it.client();
    let before = client.call(&GetConfiguration {}).unwrap();
    let wrong = |key: &str, line: Option<u64>, error: &Error, part: &str| {
        let Error::InvalidConfiguration { key: told, line: at, expected } = error else {
            panic!("{error:?}");
        };
        assert_eq!((told.as_str(), *at), (key, line), "{error:?}");
        assert!(expected.contains(part), "{error:?}");
    };
    for (settings, key, part) in [
        (json!({"port": 0}), "port", "1 to 65535"),
        (json!({"port": 18_446_744_073_709_551_616.0}), "port", "1 to 65535"),
        (json!({"port": {"a": 1}}), "port", "expected text"),
        (json!({"prot": 7}), "prot", "is no key"),
        (json!({"prot": null}), "prot", "is no key"),
        (json!({"port": "any", "signatures": "any"}), "signatures", "any signature"),
        (json!({"vlan": [5, null]}), "vlan", "expected text"),
        (json!({"interface.mem0.port": 7}), "interface", "single interfaces"),
    ] {
        wrong(key, None, &refusal(client.call(&set(&settings))), part);
    }
    let toml = SetConfiguration { toml: Some("\nport = 0".into()), ..SetConfiguration::default() };
    wrong("port", Some(2), &refusal(client.call(&toml)), "1 to 65535");
    let table = Some("[interface.mem0]\nport = 7\n".into());
    let toml = SetConfiguration { toml: table, ..SetConfiguration::default() };
    wrong("interface", None, &refusal(client.call(&toml)), "single interfaces");
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    let restart = json!({"duration": 5, "pace": 3, "port": 9});
    let expected = Error::NeedsRestart { keys: keys(&["pace", "duration"]) };
    assert_eq!(refusal(client.call(&set(&restart))), expected);
    let interfaces = set(&json!({"interfaces": ["mem7"]}));
    let expected = Error::NeedsRestart { keys: keys(&["interfaces"]) };
    assert_eq!(refusal(client.call(&interfaces)), expected);
    // One wire takes no other policy.
    for dry_run in [Some(true), None] {
        let asked = SetConfiguration { dry_run, ..set(&json!({"port": 9})) };
        let Error::Unsupported { reason, .. } = refusal(client.call(&asked)) else { panic!() };
        assert!(reason.contains("mem1: takes no other policy"), "{reason}");
    }
    let old = SetConfiguration { if_generation: Some(77), ..set(&json!({})) };
    let expected = Error::Conflict { generation: before.generation };
    assert_eq!(refusal(client.call(&old)), expected);
    assert_eq!(client.call(&GetConfiguration {}).unwrap(), before);
    it.stop();
}

#[test]
fn dry_run_says_what_would_change() {
    let it = Controlled::ready("dry", "mem0 --stats json");
    let mut client = it.client();
    let asked = SetConfiguration { dry_run: Some(true), ..set(&json!({"port": 9})) };
    assert_eq!(client.call(&asked).unwrap().applied, ["port"]);
    assert_eq!(client.call(&GetConfiguration {}).unwrap().configuration["port"], 3842);
    let probes = client.call(&now()).unwrap().statistics;
    thread::sleep(Duration::from_millis(50));
    assert!(count(&client.call(&now()).unwrap().statistics, 0) > count(&probes, 0));
    it.stop();
}

#[test]
fn policy_changes_under_load_judge_every_frame() {
    let it = Controlled::ready("load", "mem0 --stats json --pace 100000");
    let mut client = it.client();
    for round in 0..100 {
        let port = if round % 2 == 0 { 7 } else { 3842 };
        client.call(&set(&json!({"port": port}))).unwrap();
    }
    client.call(&Stop::default()).unwrap();
    let (_, last) = it.stop();
    let total = &last["total"];
    assert_eq!(total["sent"], total["frames"]["reflected"]);
    assert_eq!(total["frames"]["passed"], total["passed"]["udp_port"]);
    assert!(total["passed"]["udp_port"].as_u64() > Some(0), "no policy was in force");
}

#[test]
fn streams_tell_readings_status_and_events() {
    let it = Controlled::ready("streams", "mem0 mem1 --stats json");
    let (events, statuses) = (spawn(&it, Monitor {}, 3), spawn(&it, GetStatus {}, 3));
    let fast = GetStatistics { interval_ms: Some(100), ..GetStatistics::default() };
    let begun = Instant::now();
    let readings = spawn(&it, fast, 4).join().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "faster than asked");
    for pair in readings.windows(2) {
        assert!(count(&pair[1].statistics, 0) > count(&pair[0].statistics, 0));
        assert!(pair[1].statistics.body.interval_s < 0.5, "rates since the reply before");
    }
    let mut client = it.client();
    // Whoever looks on is connected by now: the readings took their time.
    client.call(&stop("mem1")).unwrap();
    thread::sleep(Duration::from_millis(250));
    client.call(&start("mem1")).unwrap();
    client.call(&ResetStatistics::default()).unwrap();
    let events = events.join().unwrap();
    let told: Vec<_> = events.iter().map(|one| one.event.as_str()).collect();
    assert_eq!(told, ["stopped", "started", "reset"]);
    assert_eq!(events[0].interface.as_deref(), Some("mem1"));
    assert!(events.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence));
    let states: Vec<_> = statuses.join().unwrap().iter().map(|one| one.state).collect();
    assert_eq!(states, [State::Serving, State::Partly, State::Serving]);
    assert_eq!(refusal(client.call(&Monitor {})), Error::ExpectedMore {});
    let slow = GetStatistics { interval_ms: Some(99), ..GetStatistics::default() };
    let refused = client.stream(&slow, |_| true);
    assert_eq!(refusal(refused), Error::InvalidParameter { parameter: "interval_ms".into() });
    it.stop();
}

/// Takes so many replies of a stream.
fn spawn<P>(it: &Controlled, parameters: P, replies: usize) -> thread::JoinHandle<Vec<P::Reply>>
where
    P: Parameters + Send + 'static,
    P::Reply: Send,
{
    let mut client = it.client();
    thread::spawn(move || {
        let mut taken = Vec::new();
        let take = |reply| {
            taken.push(reply);
            taken.len() < replies
        };
        client.stream(&parameters, take).unwrap();
        taken
    })
}

#[test]
fn service_describes_itself() {
    let it = Controlled::ready("service", "mem0 --stats json");
    let mut client = it.client();
    let info = client.call(&service::GetInfo {}).unwrap();
    assert_eq!(info.product, "farend-memory-driver");
    for interface in info.interfaces {
        let asked = service::GetInterfaceDescription { interface: interface.clone() };
        let description = client.call(&asked).unwrap().description;
        assert!(description.contains(&format!("interface {interface}\n")));
    }
    let asked = service::GetInterfaceDescription { interface: "org.example".into() };
    let interface = "org.example".to_owned();
    assert_eq!(refusal(client.call(&asked)), Error::InterfaceNotFound { interface });
    it.stop();
}

#[test]
fn client_that_waits_hears_of_the_end() {
    let it = Controlled::ready("end", "mem0 --stats json");
    let mut client = it.client();
    let waiting = thread::spawn(move || client.stream(&Monitor {}, |_| true));
    thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    it.stop();
    assert!(matches!(waiting.join().unwrap(), Err(ClientError::Gone(_))));
    assert!(begun.elapsed() < PATIENCE / 2);
}
