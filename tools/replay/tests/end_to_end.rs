//! Real clients through the real program: recorded, the origin stopped, replayed.

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use farend_cassette::{Cassette, Kind, Step, file::CassetteFile, payload::Exchange};
use support::{Origin, Proxy, WebSocket, answer, cassette, program};

/// What curl is asked for, each with its arguments.
fn requests(origin: &Origin) -> Vec<Vec<String>> {
    let plain =
        ["/plain", "/plain?a=1&b=2", "/chunks", "/slow", "/big", "/close", "/none", "/cookies"];
    let mut all: Vec<Vec<String>> = plain.iter().map(|path| vec![origin.url(path)]).collect();
    let more: [&[&str]; 8] = [
        &["-I", "/plain"],
        &["-0", "/plain?old"],
        &["-r", "0-3", "/plain?range"],
        &["-d", "name=value&other=1", "/echo"],
        &["-H", "Content-Type: application/json", "-d", r#"{"b":1,"a":[1,2]}"#, "/echo"],
        &["-X", "PUT", "--data-binary", "\u{1}\u{2}", "/echo?put"],
        &["-F", "field=value", "/echo?form"],
        &["-X", "DELETE", "/plain?gone"],
    ];
    for arguments in more {
        let (path, options) = arguments.split_last().unwrap();
        let mut one: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        one.push(origin.url(path));
        all.push(one);
    }
    all
}

fn ask_all(proxy: &Proxy, origin: &Origin) -> Vec<Vec<u8>> {
    let one = |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = proxy.curl(&arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    requests(origin).into_iter().map(one).collect()
}

#[test]
fn curl_sees_the_same_octets_after_the_origin_is_gone() {
    let (origin, path) = (Origin::start(), cassette("equal"));
    let proxy = Proxy::start("record", &path, &["--no-redact"]);
    let recorded = ask_all(&proxy, &origin);
    let (status, counts) = proxy.stop();
    assert!(status.success(), "{counts}");
    origin.stop();
    for reactors in ["1", "4"] {
        let proxy = Proxy::start("replay", &path, &["--reactors", reactors]);
        let replayed = ask_all(&proxy, &origin);
        for ((arguments, one), other) in requests(&origin).iter().zip(&recorded).zip(&replayed) {
            // What curl draws by chance stands in its own multipart body.
            let is_drawn = arguments.iter().any(|argument| argument == "-F");
            assert!(is_drawn || one == other, "{arguments:?}");
        }
        let (status, counts) = proxy.stop();
        assert!(status.success());
        assert_eq!(counts["counters"]["missed"], 0, "{counts}");
        assert_eq!(counts["unused"].as_array().unwrap().len(), 0, "{counts}");
    }
    // And what was recorded is what the origin sent: head without hops, chunk borders.
    let text = String::from_utf8(recorded[2].clone()).unwrap();
    let sent = String::from_utf8(answer("/chunks", b"").0.concat()).unwrap();
    let without = sent.replace("Transfer-Encoding: chunked\r\n", "");
    let body = without.split_once("\r\n\r\n").unwrap();
    assert!(text.starts_with(&format!("{}\r\n", body.0)), "{text}");
    assert!(text.contains("3\r\nabc\r\n1;ext=1\r\nd\r\n0\r\nTrailer-One: t\r\n\r\n"), "{text}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn chunks_longer_than_a_piece_come_back_whole_and_the_connection_goes_on() {
    let (origin, path) = (Origin::start(), cassette("long-chunks"));
    let urls = [origin.url("/chunks-long"), origin.url("/plain")];
    let ask = |proxy: &Proxy| {
        let output = proxy.curl(&["--no-raw", &urls[0], &urls[1]]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let proxy = Proxy::start("record", &path, &[]);
    let recorded = ask(&proxy);
    proxy.stop();
    origin.stop();
    assert!(recorded.len() > 2 << 20);
    let proxy = Proxy::start("replay", &path, &[]);
    assert!(ask(&proxy) == recorded);
    proxy.stop();
    fs::remove_file(&path).unwrap();
}

#[test]
fn replay_opens_no_connection_and_asks_for_no_name() {
    if Command::new("strace").arg("-V").output().is_err() {
        return farend_effort::skip("no strace");
    }
    let (origin, path) = (Origin::start(), cassette("alone"));
    let proxy = Proxy::start("record", &path, &[]);
    proxy.curl(&[&origin.url("/plain")]);
    proxy.stop();
    let log = path.with_extension("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=connect,socket,sendto,sendmsg", "-o"]).arg(&log);
    strace.arg(program());
    let proxy = Proxy::start_by(strace, "replay", &path, &[]);
    assert!(proxy.curl(&[&origin.url("/plain")]).stdout.starts_with(b"HTTP/1.1 200"));
    let miss = proxy.curl(&["http://name.example/of/nobody"]);
    assert!(miss.stdout.starts_with(b"HTTP/1.1 502"), "{miss:?}");
    let before = origin.requests.load(std::sync::atomic::Ordering::SeqCst);
    // strace passes the signal's end on, not the signal.
    let child = Command::new("pgrep").args(["-P", &proxy.id().to_string()]).output().unwrap();
    let child = String::from_utf8(child.stdout).unwrap();
    assert!(Command::new("kill").args(["-TERM", child.trim()]).status().unwrap().success());
    thread::sleep(Duration::from_millis(500));
    drop(proxy);
    let traced = fs::read_to_string(&log).unwrap();
    let outward: Vec<_> =
        traced.lines().filter(|l| l.contains("connect(") || l.contains("DGRAM")).collect();
    assert!(outward.is_empty(), "{outward:?}");
    assert!(traced.contains("SOCK_STREAM"), "its own listeners are traced: {traced}");
    assert_eq!(before, 1);
    fs::remove_file(&log).unwrap();
    fs::remove_file(&path).unwrap();
}

#[test]
fn secrets_are_not_in_the_file_and_do_not_matter() {
    let (origin, path) = (Origin::start(), cassette("secrets"));
    let ask = |proxy: &Proxy, secret: &str| {
        let url = origin.url(&format!("/secrets?api_key={secret}&page=1"));
        let authorization = format!("Authorization: Bearer {secret}");
        let cookie = format!("Cookie: sid={secret}");
        let json = format!(r#"{{"user":"u","password":"{secret}"}}"#);
        let one = proxy.curl(&["-H", &authorization, "-H", &cookie, &url]);
        let kind = "Content-Type: application/json";
        let other = proxy.curl(&["-H", kind, "-d", &json, &origin.url("/secrets")]);
        let form = format!("user=u&client_secret={secret}");
        let third = proxy.curl(&["-d", &form, &origin.url("/secrets?form")]);
        [one, other, third].map(|output| String::from_utf8(output.stdout).unwrap())
    };
    let proxy = Proxy::start("record", &path, &[]);
    let seen = ask(&proxy, "SECRET-one");
    assert!(seen.iter().all(|seen| seen.contains("SECRET-answer")), "the client gets the original");
    let mut socket = WebSocket::open(&proxy, &origin.url("/ws"), "AAAAAAAAAAAAAAAAAAAAAA==");
    socket.next();
    socket.send(0x81, br#"{"token":"SECRET-frame"}"#);
    for _frame in 0..3 {
        socket.next();
    }
    proxy.stop();
    let octets = fs::read(&path).unwrap();
    let count = |octets: &[u8]| octets.windows(6).filter(|part| part == b"SECRET").count();
    // The echo's fragments are not JSON of their own; the octets of a binary frame may be
    // anything: both are named in the documents.
    assert_eq!(count(&octets), 2);
    origin.stop();
    let proxy = Proxy::start("replay", &path, &[]);
    for seen in ask(&proxy, "SECRET-two") {
        assert!(seen.starts_with("HTTP/1.1 200") && seen.contains("\"REDACTED\""), "{seen}");
    }
    proxy.stop();
    let check = Command::new(program()).arg("check").arg(&path).arg("--secrets").output().unwrap();
    assert!(matches!(check.status.code(), Some(0 | 3)), "{check:?}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn redaction_off_writes_all_and_check_finds_it() {
    let (origin, path) = (Origin::start(), cassette("open"));
    let proxy = Proxy::start("record", &path, &["--no-redact"]);
    proxy.curl(&["-H", "Authorization: Bearer SECRET", &origin.url("/secrets")]);
    proxy.stop();
    let check = Command::new(program()).arg("check").arg(&path).arg("--secrets").output().unwrap();
    assert_eq!(check.status.code(), Some(3), "{check:?}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn miss_names_the_nearest_exchange_and_the_option_that_matches() {
    let (origin, path) = (Origin::start(), cassette("miss"));
    let proxy = Proxy::start("record", &path, &[]);
    proxy.curl(&[&origin.url("/plain?page=1&ts=100")]);
    proxy.stop();
    let proxy = Proxy::start("replay", &path, &["--fail-on", "miss"]);
    let miss = proxy.curl(&[&origin.url("/plain?page=1&ts=200")]);
    let text = String::from_utf8(miss.stdout).unwrap();
    assert!(text.starts_with("HTTP/1.1 502"), "{text}");
    assert!(
        text.contains("query.ts: recorded \"100\", asked \"200\"; --ignore query.ts"),
        "{text}"
    );
    let (status, last) = proxy.stop();
    assert_eq!(status.code(), Some(3));
    assert_eq!(last["misses"][0], format!("GET {}", origin.url("/plain?page=1&ts=200")));
    let proxy = Proxy::start("replay", &path, &["--ignore", "query.ts"]);
    // Under other rules the stored canonical key is another: the exact one still holds.
    assert!(proxy.curl(&[&origin.url("/plain?page=1&ts=100")]).stdout.starts_with(b"HTTP/1.1 200"));
    assert!(proxy.curl(&[&origin.url("/plain?ts=3&page=1")]).stdout.starts_with(b"HTTP/1.1 200"));
    proxy.stop();
    fs::remove_file(&path).unwrap();
}

#[test]
fn websocket_is_replayed_in_lockstep_and_a_mismatch_is_closed() {
    let (origin, path) = (Origin::start(), cassette("websocket"));
    let talk = |proxy: &Proxy, key: &str, messages: &[&str]| {
        let mut socket = WebSocket::open(proxy, &origin.url("/ws"), key);
        let mut frames = vec![socket.next().unwrap()];
        for message in messages {
            socket.send(0x81, message.as_bytes());
            frames.extend((0..3).map_while(|_| socket.next()));
        }
        socket.send(0x88, &1000_u16.to_be_bytes());
        frames.extend(socket.next());
        (socket.head.clone(), frames)
    };
    let proxy = Proxy::start("record", &path, &[]);
    let (_, recorded) = talk(&proxy, "AAAAAAAAAAAAAAAAAAAAAA==", &["one", r#"{"b":1,"a":2}"#]);
    let (status, _) = proxy.stop();
    assert!(status.success());
    origin.stop();
    let proxy = Proxy::start("replay", &path, &[]);
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let (head, replayed) = talk(&proxy, key, &["one", r#"{ "a":2,"b":1}"#]);
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert_eq!(replayed, recorded);
    assert_eq!(recorded.len(), 8);
    let mut socket = WebSocket::open(&proxy, &origin.url("/ws"), key);
    assert_eq!(socket.next().unwrap().1, b"welcome");
    socket.send(0x89, b"ping");
    assert_eq!(socket.next().unwrap(), (0x8A, b"ping".to_vec()));
    socket.send(0x81, b"another");
    let (first, close) = socket.next().unwrap();
    assert_eq!((first, &close[..2]), (0x88, &1008_u16.to_be_bytes()[..]));
    let why = String::from_utf8_lossy(&close[2..]).into_owned();
    assert_eq!(why, "message 1: recorded one, asked another");
    let (_, last) = proxy.stop();
    assert_eq!(last["counters"]["missed_frame"], 1);
    assert_eq!(last["counters"]["replayed_websocket"], 2);
    fs::remove_file(&path).unwrap();
}

#[test]
fn auto_records_what_is_missing_and_repeats_follow_their_order() {
    let (origin, path) = (Origin::start(), cassette("auto"));
    let proxy = Proxy::start("record", &path, &[]);
    let first: Vec<_> = (0..3).map(|_| proxy.curl(&[&origin.url("/count")]).stdout).collect();
    proxy.stop();
    let proxy = Proxy::start("auto", &path, &[]);
    let new = proxy.curl(&[&origin.url("/plain?new")]).stdout;
    let before = origin.requests.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(proxy.curl(&[&origin.url("/plain?new")]).stdout, new);
    assert_eq!(origin.requests.load(std::sync::atomic::Ordering::SeqCst), before, "answered alone");
    proxy.stop();
    origin.stop();
    for (repeat, expected) in [("last", [0, 1, 2, 2]), ("cycle", [0, 1, 2, 0])] {
        let proxy = Proxy::start("replay", &path, &["--repeat", repeat]);
        for which in expected {
            assert_eq!(proxy.curl(&[&origin.url("/count")]).stdout, first[which], "{repeat}");
        }
    }
    let proxy =
        Proxy::start("replay", &path, &["--repeat", "stop", "--cursor-per", "header:X-Test"]);
    for test in ["X-Test: a", "X-Test: b"] {
        for (which, expected) in first.iter().enumerate() {
            let seen = proxy.curl(&["-H", test, &origin.url("/count")]).stdout;
            assert_eq!(&seen, expected, "{test} {which}");
        }
        let over = proxy.curl(&["-H", test, &origin.url("/count")]);
        assert!(over.stdout.starts_with(b"HTTP/1.1 502"), "{over:?}");
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn recorded_pauses_are_repeated_or_left_out() {
    let (origin, path) = (Origin::start(), cassette("pace"));
    let proxy = Proxy::start("record", &path, &[]);
    proxy.curl(&[&origin.url("/slow")]);
    proxy.stop();
    origin.stop();
    let time = |options: &[&str]| {
        let proxy = Proxy::start("replay", &path, options);
        let started = Instant::now();
        assert!(proxy.curl(&[&origin.url("/slow")]).status.success());
        started.elapsed()
    };
    let recorded = time(&["--time", "recorded"]);
    assert!(recorded >= Duration::from_millis(118), "{recorded:?}");
    let twice = time(&["--time", "x2"]);
    assert!(twice >= Duration::from_millis(236), "{twice:?}");
    let fixed = time(&["--time", "30ms"]);
    assert!(fixed >= Duration::from_millis(30) && fixed < recorded, "{fixed:?}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn reverse_form_and_pipelining_answer_in_order() {
    let (origin, path) = (Origin::start(), cassette("reverse"));
    let to = origin.url("");
    let many: Vec<_> =
        (0..40).map(|n| format!("GET /plain?{n} HTTP/1.1\r\nHost: whatever\r\n\r\n")).collect();
    let many =
        many.concat() + "GET /plain?last HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n";
    let ask = |proxy: &Proxy| {
        let mut socket = TcpStream::connect(proxy.address).unwrap();
        socket.write_all(many.as_bytes()).unwrap();
        let mut all = String::new();
        socket.read_to_string(&mut all).unwrap();
        all
    };
    let proxy = Proxy::start("record", &path, &["--to", &to]);
    let recorded = ask(&proxy);
    proxy.stop();
    origin.stop();
    let proxy = Proxy::start("replay", &path, &["--to", &to]);
    assert_eq!(ask(&proxy), recorded);
    let places: Vec<_> =
        (0..40).map(|n| recorded.find(&format!("answer to /plain?{n}H")).unwrap()).collect();
    assert!(places.is_sorted());
    fs::remove_file(&path).unwrap();
}

/// Every exchange of a cassette: its request line.
fn recorded(path: &Path) -> Vec<String> {
    let cassette = Cassette::open(CassetteFile::read(path).unwrap()).unwrap();
    assert!(cassette.damage().is_empty());
    let (mut walk, mut found) = (cassette.walk().unwrap(), Vec::new());
    while let Step::Record(record) = walk.step().unwrap() {
        if record.head.kind == Kind::EXCHANGE {
            let content = Exchange::parse(record.payload()).unwrap();
            let head = String::from_utf8(content.request_head.to_vec()).unwrap();
            found.push(head.lines().next().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn killed_recording_has_every_answer_that_a_client_had_whole() {
    let (origin, path) = (Origin::start(), cassette("killed"));
    let rounds = if farend_effort::is_long() { 1_000 } else { 25 };
    let mut had = Vec::new();
    for round in 0..rounds {
        let proxy = Proxy::start("record", &path, &["--to", &origin.url("")]);
        let address = proxy.address;
        let client = thread::spawn(move || {
            let mut had = Vec::new();
            let Ok(mut socket) = TcpStream::connect(address) else { return had };
            let mut room = [0; 4_096];
            for number in 0.. {
                let path = format!("/r{round}-{number}");
                let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
                let mut seen = Vec::new();
                if socket.write_all(request.as_bytes()).is_err() {
                    break;
                }
                let wanted = format!("answer to {path}");
                while !seen.ends_with(wanted.as_bytes()) {
                    match socket.read(&mut room) {
                        Ok(octets) if octets > 0 => seen.extend_from_slice(&room[..octets]),
                        _ => return had,
                    }
                }
                had.push(format!("GET {path} HTTP/1.1"));
            }
            had
        });
        thread::sleep(Duration::from_micros(fastrand::u64(1_000..60_000)));
        proxy.kill();
        had.extend(client.join().unwrap());
        let kept = recorded(&path);
        let missing = had.iter().find(|line| !kept.contains(line));
        assert_eq!(missing, None, "round {round}");
        // One connection: at most one more than the client had.
        assert!(kept.len() <= had.len() + round + 1);
    }
    assert!(!had.is_empty());
    fs::remove_file(&path).unwrap();
}

#[test]
fn broken_requests_are_answered_with_a_reason_and_others_are_served() {
    let (origin, path) = (Origin::start(), cassette("broken"));
    let proxy = Proxy::start("record", &path, &["--to", &origin.url("")]);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400",
        ),
        ("GET / HTTP/1.1\nHost: a\n\n", "400"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "501"),
        ("\x16\x03\x01\x02\x00\x01\r\n", "400"),
        ("GET /both HTTP/1.1\r\nHost: a\r\n\r\n", "502"),
    ] {
        let mut socket = TcpStream::connect(proxy.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut seen = String::new();
        socket.read_to_string(&mut seen).unwrap();
        assert!(seen.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {seen}");
    }
    let own = format!("http://{}/", proxy.address);
    assert!(proxy.curl(&[&own]).stdout.starts_with(b"HTTP/1.1 421"));
    let cut = proxy.curl(&[&origin.url("/cut")]);
    assert_eq!(cut.status.code(), Some(18), "curl sees that the answer broke off");
    assert!(proxy.curl(&[&origin.url("/plain")]).stdout.starts_with(b"HTTP/1.1 200"));
    assert!(proxy.curl(&["http://127.0.0.1:1/"]).stdout.starts_with(b"HTTP/1.1 502"));
    fs::remove_file(&path).unwrap();
}

#[test]
fn command_runs_with_the_proxy_and_its_exit_code_is_kept() {
    let (origin, path) = (Origin::start(), cassette("run"));
    let run = |mode: &str, options: &[&str], script: &str| {
        let mut command = Command::new(program());
        command.args(["run", mode]).arg(&path).args(options);
        command.args(["--", "sh", "-c", script, "sh", &origin.url("/plain")]);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let script = "curl -sS -m 10 $1 && exit 7";
    let recorded = run("record", &[], script);
    assert_eq!(recorded, (Some(7), "answer to /plain".to_owned()));
    origin.stop();
    assert_eq!(run("replay", &[], script), recorded);
    let (code, said) = run("replay", &["--fail-on", "miss"], "curl -sS -m 10 $1/other");
    assert_eq!(code, Some(3), "{said}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn origin_that_says_nothing_is_answered_for() {
    let path = cassette("silent");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start("record", &path, &["--timeout", "1"]);
    let seen = proxy.curl(&[&format!("http://{}/", silent.local_addr().unwrap())]);
    assert!(seen.stdout.starts_with(b"HTTP/1.1 504"), "{seen:?}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn wrong_options_and_cassettes_are_one_line() {
    let run = |arguments: &[&str]| {
        let output = Command::new(program()).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let path = cassette("wrong");
    let name = path.to_str().unwrap();
    let (code, said) = run(&["record", name, "--listen", "0.0.0.0:0"]);
    assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("--allow"), "{said}");
    for wrong in [["--time", "soon"], ["--to", "ftp://a"], ["--ignore", "x"], ["--cursor-per", "y"]]
    {
        let (code, said) = run(&["replay", name, wrong[0], wrong[1]]);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(wrong[0]), "{said}");
    }
    let (code, said) = run(&["replay", name]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    fs::write(&path, "no cassette at all, but text that is longer than a cassette's head is")
        .unwrap();
    for command in ["replay", "record", "ls", "check"] {
        let (code, said) = run(&[command, name]);
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains("not a cassette"), "{said}");
    }
    fs::remove_file(&path).unwrap();
}
