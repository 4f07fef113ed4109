//! Clients of the control socket that behave badly: a named error or a closed
//! connection, and the driver goes on. Users of threads and limits of processes are
//! Linux's.
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    thread,
    time::{Duration, Instant},
};

use farend_control::{
    Client, Error,
    calls::{GetConfiguration, GetStatistics, GetStatus, Start, Stop},
    client::ClientError,
    framing::REQUEST_OCTETS_MAX,
    request::Reply,
    service,
};
use rustix::{
    process::{Pid, Resource, Rlimit, Uid, getrlimit, prlimit},
    thread::set_thread_res_uid,
};

use support::{Controlled, PATIENCE, reflected};

fn connect(it: &Controlled) -> UnixStream {
    let socket = UnixStream::connect(&it.path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends octets; gives the reply, and whether the connection is closed after it.
fn exchange(it: &Controlled, octets: &[u8]) -> (Reply, bool) {
    let mut socket = connect(it);
    // It may be closed before all is sent.
    let _ = socket.write_all(octets);
    let reply = reply(&mut socket);
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let is_closed = matches!(socket.read(&mut [0; 1]), Ok(0))
        || socket.write_all(b"x").is_err()
        || socket.peer_addr().is_err();
    (reply, is_closed)
}

fn reply(socket: &mut UnixStream) -> Reply {
    let mut message = Vec::new();
    let mut octet = [0; 1];
    loop {
        assert_eq!(socket.read(&mut octet).unwrap(), 1, "closed without a reply");
        if octet == [0] {
            return Reply::read(&message).unwrap();
        }
        message.push(octet[0]);
    }
}

fn request(method: &str, parameters: &str) -> Vec<u8> {
    let method = format!("org.farend.Control.{method}");
    format!("{{\"method\":\"{method}\",\"parameters\":{parameters}}}\0").into_bytes()
}

fn rss_kib(it: &Controlled) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", it.driver.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The driver answers calls and frames, as soon as it has seen who is gone.
fn assert_sound(it: &Controlled) {
    let now = GetStatistics { max_age_ms: Some(0), ..GetStatistics::default() };
    let deadline = Instant::now() + PATIENCE;
    let mut first = None;
    while Instant::now() < deadline {
        match it.client().call(&now) {
            Err(ClientError::Refused(Error::Busy { .. }) | ClientError::Gone(_)) => {}
            reply => {
                let reflected = reply.unwrap().statistics.body.total.frames.reflected;
                if reflected > *first.get_or_insert(reflected) {
                    return;
                }
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("calls or frames are not answered: {first:?}");
}

#[test]
fn what_is_no_request_is_refused_by_name_and_ends_the_connection() {
    let it = Controlled::ready("nonsense", "mem0 --stats json");
    let long = vec![b' '; REQUEST_OCTETS_MAX + 1];
    let deep = format!("{{\"method\":{}", "[".repeat(10_000));
    let twice =
        b"{\"method\":\"org.farend.Control.Stop\",\"method\":\"org.farend.Control.GetStatus\"}\0";
    let nested = request("SetConfiguration", "{\"configuration\":{\"port\":1,\"port\":2}}");
    for (octets, part) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0"[..], "expected"),
        (b"\0", "EOF"),
        (b"{}\0", "no method"),
        (b"\xff\xfe\0", "expected"),
        (twice, "stands twice"),
        (&nested, "stands twice"),
        (&long, "more than 65536 octets"),
        (&[deep.as_bytes(), b"\0"].concat(), "levels deep"),
    ] {
        let (reply, is_closed) = exchange(&it, octets);
        let Err(Error::InvalidRequest { reason }) = reply.outcome else { panic!("{reply:?}") };
        assert!(reason.contains(part), "{reason}");
        assert!(is_closed, "{part}");
    }
    let refused = it.client().call(&GetStatus {}).unwrap().refused;
    assert_eq!(refused, 8, "they are counted");
    assert_sound(&it);
    it.stop();
}

#[test]
fn wrong_call_is_refused_by_name_and_the_connection_goes_on() {
    let it = Controlled::ready("wrong", "mem0 --stats json");
    let mut socket = connect(&it);
    let invalid = |parameter: &str| Error::InvalidParameter { parameter: parameter.into() };
    for (octets, expected) in [
        (request("Reboot", "{}"), Error::MethodNotFound { method: "Reboot".into() }),
        (request("GetStatistics", "{\"max_age_ms\":18446744073709551616}"), invalid("max_age_ms")),
        (request("GetStatistics", "{\"since\":\"tomorrow\"}"), invalid("since")),
        (request("Stop", "{\"version\":2}"), invalid("version")),
        (
            b"{\"method\":\"org.farend.Control2.Stop\"}\0".to_vec(),
            Error::InterfaceNotFound { interface: "org.farend.Control2".into() },
        ),
        (request("Monitor", "{}"), Error::ExpectedMore {}),
    ] {
        socket.write_all(&octets).unwrap();
        assert_eq!(reply(&mut socket).outcome, Err(expected));
    }
    socket.write_all(&request("GetStatus", "{}")).unwrap();
    assert!(reply(&mut socket).outcome.is_ok());
    it.stop();
}

#[test]
fn half_a_request_is_given_five_seconds() {
    let it = Controlled::ready("half", "mem0 --stats json");
    let begun = Instant::now();
    let (reply, is_closed) = exchange(&it, b"{\"method\":");
    let took = begun.elapsed();
    let Err(Error::InvalidRequest { reason }) = reply.outcome else { panic!() };
    assert!(reason.contains("not whole after 5 s") && is_closed, "{reason}");
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(8), "{took:?}");
    assert_sound(&it);
    it.stop();
}

#[test]
fn disconnecting_in_every_state_leaves_nothing_behind() {
    let it = Controlled::ready("vanish", "mem0 mem1 --stats json");
    let stream = "{\"method\":\"org.farend.Control.Monitor\",\"more\":true}\0";
    let fast = "{\"method\":\"org.farend.Control.GetStatistics\",\"more\":true,\
                \"parameters\":{\"interval_ms\":100}}\0";
    for whole in [
        request("GetStatus", "{}"),
        request("ResetStatistics", "{}"),
        request("Stop", "{\"interface\":\"mem1\"}"),
        request("Start", "{\"interface\":\"mem1\"}"),
        stream.into(),
        fast.into(),
    ] {
        for length in (0..whole.len()).step_by(5).chain([whole.len()]) {
            connect(&it).write_all(&whole[..length]).unwrap();
        }
        for _ in 0..10 {
            // With a reply on its way, and with one that was never read.
            connect(&it).write_all(&[&whole[..], &whole[..]].concat()).unwrap();
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while it.client().call(&GetStatus {}).unwrap().connections > 1 {
        assert!(Instant::now() < deadline, "connections stay");
        thread::sleep(Duration::from_millis(20));
    }
    it.client().call(&Start { interface: "mem1".into(), for_s: None }).unwrap();
    assert_sound(&it);
    it.stop();
}

#[test]
fn hundred_thousand_pipelined_calls_are_all_answered() {
    const CALLS: usize = 100_000;
    let it = Controlled::ready("pipeline", "mem0 --stats json");
    let mut socket = connect(&it);
    let mut writer = socket.try_clone().unwrap();
    let before = rss_kib(&it);
    let sender = thread::spawn(move || {
        let call = b"{\"method\":\"org.varlink.service.GetInfo\"}\0";
        let many = call.repeat(1_000);
        (0..CALLS / 1_000).for_each(|_| writer.write_all(&many).unwrap());
    });
    let (mut replies, mut octets) = (0, vec![0; 64 << 10]);
    while replies < CALLS {
        let read = socket.read(&mut octets).unwrap();
        assert!(read > 0, "closed after {replies} replies");
        replies += octets[..read].split(|octet| *octet == 0).count() - 1;
    }
    sender.join().unwrap();
    assert_eq!(replies, CALLS);
    let grown = rss_kib(&it).saturating_sub(before);
    assert!(grown < 1_024, "grew by {grown} KiB");
    assert_sound(&it);
    it.stop();
}

#[test]
fn reader_that_never_reads_holds_little_memory_and_nobody_up() {
    let it = Controlled::ready("deaf", "mem0 mem1 --stats json");
    let before = rss_kib(&it);
    let mut deaf = Vec::new();
    for _ in 0..15 {
        let mut socket = connect(&it);
        socket.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let call = request("GetStatistics", "{\"max_age_ms\":1000}");
        // Until it takes no more.
        while socket.write_all(&call).is_ok() {}
        deaf.push(socket);
    }
    let begun = Instant::now();
    assert_sound(&it);
    assert!(begun.elapsed() < Duration::from_secs(2), "others wait");
    let grown = rss_kib(&it).saturating_sub(before);
    assert!(grown < 15 * 1_024, "grew by {grown} KiB");
    drop(deaf);
    assert_sound(&it);
    it.stop();
}

#[test]
fn calls_that_wait_for_room_are_answered_though_nothing_more_is_sent() {
    let it = Controlled::ready("room", "mem0 --stats json");
    let mut socket = connect(&it);
    let calls = 200; // Each reply has some KiB, and 64 KiB are kept.
    for _ in 0..calls {
        socket.write_all(&request("GetStatistics", "{\"max_age_ms\":1000}")).unwrap();
    }
    socket.shutdown(Shutdown::Write).unwrap();
    // The server is full by now, and waits for a reader.
    thread::sleep(Duration::from_millis(300));
    for number in 0..calls {
        assert!(reply(&mut socket).outcome.is_ok(), "reply {number}");
    }
    assert_eq!(socket.read(&mut [0]).unwrap(), 0, "and then it ends");
    it.stop();
}

#[test]
fn server_out_of_descriptors_accepts_again_once_there_are_some() {
    let it = Controlled::ready("descriptors", "mem0 --stats json");
    assert_sound(&it);
    let pid = Pid::from_raw(it.driver.child.id().cast_signed());
    let few = Rlimit { current: Some(3), ..getrlimit(Resource::Nofile) };
    let before = prlimit(pid, Resource::Nofile, few).unwrap();
    let mut socket = connect(&it);
    socket.write_all(&request("GetStatus", "{}")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(socket.read(&mut [0]).is_err(), "it has no descriptor for this one");
    prlimit(pid, Resource::Nofile, before).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(reply(&mut socket).outcome.is_ok());
    assert_sound(&it);
    it.stop();
}

#[test]
fn slow_subscriber_loses_readings_and_is_told() {
    let it = Controlled::ready("slow", "mem0 --stats json --pace 100");
    let mut socket = connect(&it);
    let call = "{\"method\":\"org.farend.Control.GetStatistics\",\"more\":true,\
                \"parameters\":{\"interval_ms\":100}}\0";
    socket.write_all(call.as_bytes()).unwrap();
    // A buffer holds about 200 KiB, a reading has 3: this many do not fit.
    thread::sleep(Duration::from_secs(12));
    let mut missed = 0;
    let deadline = Instant::now() + PATIENCE;
    while missed == 0 && Instant::now() < deadline {
        let parameters = reply(&mut socket).outcome.unwrap();
        missed = parameters["missed"].as_u64().unwrap();
    }
    assert!(missed > 0, "all readings were kept");
    it.stop();
}

/// A client of another user; `None` where this user may not become one.
fn client_of(it: &Controlled, uid: u32) -> Option<Client> {
    let path = it.path.clone();
    // Users belong to threads, as this changes them.
    let connect = move || {
        let uid = Uid::from_raw(uid);
        set_thread_res_uid(uid, uid, uid).ok()?;
        Some(Client::connect(&path, Some(PATIENCE)).unwrap())
    };
    thread::spawn(connect).join().unwrap()
}

fn is_busy<T>(outcome: &Result<T, ClientError>) -> bool {
    // The connection is closed as soon as the refusal is sent.
    matches!(outcome, Err(ClientError::Refused(Error::Busy { .. }) | ClientError::Gone(_)))
}

#[test]
fn connections_are_bounded_by_user_and_in_all() {
    let it = Controlled::ready("crowd", "mem0 --stats json");
    let mut sixteen: Vec<_> = (0..16).map(|_| it.client()).collect();
    for client in &mut sixteen {
        client.call(&GetStatus {}).unwrap();
    }
    let mut socket = connect(&it);
    assert_eq!(reply(&mut socket).outcome, Err(Error::Busy { retry_after_ms: 1_000 }));
    drop(sixteen);
    let deadline = Instant::now() + PATIENCE;
    while is_busy(&it.client().call(&GetStatus {})) {
        assert!(Instant::now() < deadline, "no place is free again");
    }
    fs::set_permissions(&it.path, fs::Permissions::from_mode(0o666)).unwrap();
    if client_of(&it, 40_000).is_none() {
        farend_effort::skip("becoming other users needs root");
        it.stop();
        return;
    }
    let info = service::GetInfo {};
    let mut crowd = Vec::new();
    for at in 0..64 {
        let mut client = client_of(&it, 40_001 + at / 16).unwrap();
        client.call(&info).unwrap();
        crowd.push(client);
    }
    assert!(is_busy(&client_of(&it, 40_009).unwrap().call(&info)), "the 65th is taken");
    drop(crowd);
    let (code, last) = it.stop();
    assert_eq!(code, Some(0));
    assert!(reflected(&last, 0) > 0);
}

#[test]
fn strangers_may_ask_who_serves_and_nothing_else() {
    let it = Controlled::ready("roles", "mem0 --stats json");
    fs::set_permissions(&it.path, fs::Permissions::from_mode(0o666)).unwrap();
    for uid in [40_000, 65_534] {
        let Some(mut client) = client_of(&it, uid) else {
            farend_effort::skip("becoming other users needs root");
            break;
        };
        client.call(&service::GetInfo {}).unwrap();
        let refused = |error: ClientError, role: &str| {
            let ClientError::Refused(Error::PermissionDenied { role: told }) = error else {
                panic!("{error:?}");
            };
            assert_eq!(told, role);
        };
        refused(client.call(&GetStatus {}).unwrap_err(), "viewer");
        refused(client.call(&GetConfiguration {}).unwrap_err(), "viewer");
        refused(client.call(&Stop::default()).unwrap_err(), "admin");
    }
    assert_sound(&it);
    it.stop();
}

#[test]
fn no_thread_of_a_served_driver_holds_a_capability() {
    let it = Controlled::ready("threads", "mem0 --stats json");
    let tasks = fs::read_dir(format!("/proc/{}/task", it.driver.child.id())).unwrap();
    let mut names = Vec::new();
    for task in tasks.flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap();
        let name = read("comm").trim().to_owned();
        let status = read("status");
        for set in ["CapPrm:", "CapEff:"] {
            let held = status.lines().find_map(|line| line.strip_prefix(set)).unwrap();
            assert_eq!(u64::from_str_radix(held.trim(), 16), Ok(0), "{name} {set}");
        }
        names.push(name);
    }
    assert!(names.contains(&"control".to_owned()), "{names:?}");
    it.stop();
}
