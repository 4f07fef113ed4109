//! An origin whose every octet is known, the proxy as a process, and clients.
#![allow(dead_code, reason = "each test uses its own part")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use farend_http::{parse_request, ws};

/// A server of the tests.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    is_stopping: Arc<AtomicBool>,
    /// Requests that it answered.
    pub(crate) requests: Arc<AtomicU64>,
}

impl Origin {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_stopping = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(AtomicU64::new(0));
        let (stopping, counter) = (Arc::clone(&is_stopping), Arc::clone(&requests));
        thread::spawn(move || {
            for socket in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (socket, counter) = (socket.unwrap(), Arc::clone(&counter));
                let stopping = Arc::clone(&stopping);
                thread::spawn(move || serve(socket, &counter, &stopping));
            }
        });
        Self { address, is_stopping, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it: from now on nobody listens there.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        let _last = TcpStream::connect(self.address);
        while TcpStream::connect(self.address).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What the origin sends for a path; parts are sent one after the other, with a pause.
pub(crate) fn answer(path: &str, body: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let plain = |text: &str| (vec![text.as_bytes().to_vec()], true);
    match path.split('?').next().unwrap() {
        "/chunks" => plain(
            "HTTP/1.1 200 Fine\r\nx-lower: 1\r\nX-UPPER:2\r\nTransfer-Encoding: chunked\r\nX-last: 3 \r\n\r\n\
             3\r\nabc\r\n1;ext=1\r\nd\r\n0\r\nTrailer-One: t\r\n\r\n",
        ),
        "/slow" => (
            vec![
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n".to_vec(),
                b"6\r\nsecond\r\n".to_vec(),
                b"0\r\n\r\n".to_vec(),
            ],
            true,
        ),
        "/big" => {
            let body: Vec<u8> =
                (0..3_000_000_u32).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
            let mut all =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            all.extend_from_slice(&body);
            (vec![all], true)
        }
        // Chunks as long as a piece of a recording may be, and longer.
        "/chunks-long" => {
            let mut all = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for octets in [1 << 20, (1 << 20) + 1, 5] {
                all.extend(format!("{octets:x}\r\n").into_bytes());
                all.extend(vec![b'a'; octets]);
                all.extend(b"\r\n");
            }
            all.extend(b"0\r\n\r\n");
            (vec![all], true)
        }
        "/close" => (vec![b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end".to_vec()], false),
        "/none" => plain("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"),
        "/cookies" => plain(
            "HTTP/1.1 302 Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nLocation: /plain\r\nContent-Length: 0\r\n\r\n",
        ),
        "/cut" => {
            (vec![b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this".to_vec()], false)
        }
        "/secrets" => {
            let body = r#"{"access_token":"SECRET-answer","name":"n"}"#;
            plain(&format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: s=SECRET-set; Path=/\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
        }
        "/echo" => {
            let mut all = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n", body.len())
                .into_bytes();
            all.extend_from_slice(body);
            (vec![all], true)
        }
        "/early" => plain(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ),
        "/both" => plain(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        _ => {
            let body = format!("answer to {path}");
            plain(&format!(
                "HTTP/1.1 200 OK\r\nServer: test\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
        }
    }
}

fn serve(mut socket: TcpStream, counter: &AtomicU64, is_stopping: &AtomicBool) {
    let mut input = Vec::new();
    let mut room = [0; 16_384];
    loop {
        while let Ok(Some(head)) = parse_request(&input) {
            let length = head.fields.first("content-length");
            let length: usize = length.map_or(0, |l| str::from_utf8(l).unwrap().parse().unwrap());
            if input.len() < head.octets + length {
                break;
            }
            let path = String::from_utf8(head.target.to_vec()).unwrap();
            let path = if path == "/count" {
                format!("/count{}", counter.load(Ordering::SeqCst))
            } else {
                path
            };
            let is_head = head.method == b"HEAD";
            let octets = head.octets;
            counter.fetch_add(1, Ordering::SeqCst);
            if path == "/ws" {
                let key = head.fields.first("sec-websocket-key").unwrap().to_vec();
                assert_eq!(head.fields.first("sec-websocket-extensions"), None);
                input.drain(..octets);
                return websocket(socket, input, &key);
            }
            let (parts, is_kept) = answer(&path, &input[octets..octets + length]);
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    thread::sleep(Duration::from_millis(60));
                }
                let end = part.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0) + 4;
                let part = if is_head { &part[..end] } else { part };
                if socket.write_all(part).is_err() {
                    return;
                }
            }
            if !is_kept {
                let _gone = socket.shutdown(Shutdown::Both);
                return;
            }
            input.drain(..octets + length);
        }
        match socket.read(&mut room) {
            Ok(octets) if octets > 0 && !is_stopping.load(Ordering::SeqCst) => {
                input.extend_from_slice(&room[..octets]);
            }
            _ => return,
        }
    }
}

/// Greets, and answers each message by a text in two fragments and an octet string.
fn websocket(mut socket: TcpStream, mut input: Vec<u8>, key: &[u8]) {
    // Any client's check of the accept value is the tests' own: see `WebSocket::open`.
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: for-{}\r\n\r\n",
        str::from_utf8(key).unwrap()
    );
    let mut out = head.into_bytes();
    ws::write(0x81, b"welcome", &mut out);
    socket.write_all(&out).unwrap();
    let mut room = [0; 16_384];
    loop {
        while let Ok(Some(header)) = ws::Header::parse(&input, true, 0) {
            let end = header.header_octets + usize::try_from(header.payload_octets).unwrap();
            if input.len() < end {
                break;
            }
            let mut payload = input[header.header_octets..end].to_vec();
            ws::mask(&mut payload, header.mask.unwrap(), 0);
            input.drain(..end);
            let mut out = Vec::new();
            if header.opcode() == ws::Opcode::CLOSE {
                ws::write(0x88, &payload, &mut out);
                let _last = socket.write_all(&out);
                return;
            }
            ws::write(0x01, b"re: ", &mut out);
            ws::write(0x80, &payload, &mut out);
            ws::write(0x82, &payload, &mut out);
            if socket.write_all(&out).is_err() {
                return;
            }
        }
        match socket.read(&mut room) {
            Ok(octets) if octets > 0 => input.extend_from_slice(&room[..octets]),
            _ => return,
        }
    }
}

/// The proxy as a process.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
    said: BufReader<std::process::ChildStdout>,
}

pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_farend-replay")
}

impl Proxy {
    pub(crate) fn start(mode: &str, cassette: &Path, options: &[&str]) -> Self {
        Self::start_by(Command::new(program()), mode, cassette, options)
    }

    /// Starts it by another program, such as strace.
    pub(crate) fn start_by(
        mut command: Command,
        mode: &str,
        cassette: &Path,
        options: &[&str],
    ) -> Self {
        command.arg(mode).args((mode != "pass").then_some(cassette));
        command.args(["--listen", "127.0.0.1:0", "--json"]).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = ready["listen"].as_str().unwrap().parse().unwrap();
        Self { child, address, said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, and gives its exit status and its last line.
    pub(crate) fn stop(mut self) -> (ExitStatus, serde_json::Value) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut last = String::new();
        self.said.read_to_string(&mut last).unwrap();
        (self.child.wait().unwrap(), serde_json::from_str(&last).unwrap())
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What curl gets through the proxy: head and raw body.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Output {
        let proxy = self.address.to_string();
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--raw", "-m", "10", "--noproxy", "", "--proxy", &proxy]);
        command.args(arguments).output().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A name for a cassette that is not there.
pub(crate) fn cassette(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("farend-{name}-{}.cassette", std::process::id()));
    let _old = fs::remove_file(&path);
    path
}

/// A WebSocket client of the tests.
pub(crate) struct WebSocket {
    socket: TcpStream,
    input: Vec<u8>,
    pub(crate) head: String,
}

impl WebSocket {
    pub(crate) fn open(proxy: &Proxy, url: &str, key: &str) -> Self {
        let mut socket = TcpStream::connect(proxy.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let request = format!(
            "GET {url} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut found = Self { socket, input: Vec::new(), head: String::new() };
        loop {
            if let Some(end) = found.input.windows(4).position(|four| four == b"\r\n\r\n") {
                found.head = String::from_utf8(found.input.drain(..end + 4).collect()).unwrap();
                return found;
            }
            assert!(found.read(), "no answer");
        }
    }

    fn read(&mut self) -> bool {
        let mut room = [0; 16_384];
        let octets = self.socket.read(&mut room).unwrap();
        self.input.extend_from_slice(&room[..octets]);
        octets > 0
    }

    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        let mut out = Vec::new();
        ws::write_masked(first, payload, [1, 2, 3, 4], &mut out);
        self.socket.write_all(&out).unwrap();
    }

    /// The next frame: first octet and payload.
    pub(crate) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(header) = ws::Header::parse(&self.input, false, 0).unwrap() {
                let end = header.header_octets + usize::try_from(header.payload_octets).unwrap();
                if self.input.len() >= end {
                    let frame: Vec<u8> = self.input.drain(..end).collect();
                    return Some((header.first, frame[header.header_octets..].to_vec()));
                }
            }
            if !self.read() {
                return None;
            }
        }
    }
}
