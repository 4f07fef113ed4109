//! From settings to running reactors and back.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener as StdListener},
    os::unix::{net::UnixStream, process::ExitStatusExt as _},
    process::{Child, Command, ExitCode, ExitStatus},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use farend_cassette::{Kind, Step, payload::Exchange};
use mio::{Poll, Waker, net::TcpListener};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{
    counters::{Counters, Outcome},
    jobs::Jobs,
    library::{Cursors, Library, stored},
    miss::Missed,
    options::FailOn,
    outward::Outward,
    reactor::{Parts, Reactor, WAKER},
    say,
    settings::Settings,
    tape::Tape,
};

/// The exit code when a miss or an unused exchange is a failure.
const FAILED_ON: u8 = 3;

/// Serves until a signal comes, or until `command`, if there is one, has ended.
pub(crate) fn serve(
    mut settings: Settings,
    fail_on: &[FailOn],
    command: &[OsString],
) -> Result<ExitCode> {
    let listeners = listen(&mut settings)?;
    let settings = Arc::new(settings);
    let mode = settings.mode;
    let tape = match &settings.cassette {
        Some(path) if mode.records() => Some(Arc::new(Tape::open(path, &settings)?)),
        _ => None,
    };
    let counters = Arc::new(Counters::default());
    let is_stopping = Arc::new(AtomicBool::new(false));
    let cursors: Arc<Cursors> = Arc::new(Mutex::new(HashMap::new()));
    let (mut threads, mut wakers) = (Vec::new(), Vec::new());
    for listener in listeners {
        let poll = Poll::new()?;
        let jobs = Arc::new(Jobs::new(Waker::new(poll.registry(), WAKER)?));
        let library = match &settings.cassette {
            Some(path) if mode.replays() => {
                let (settings, cursors) = (Arc::clone(&settings), Arc::clone(&cursors));
                Some(Library::open(path, settings, tape.clone(), cursors)?)
            }
            _ => None,
        };
        // A reactor that only replays has no way out at all.
        let goes_out = mode != crate::settings::Mode::Replay;
        let outward = goes_out.then(|| Outward::new(Arc::clone(&jobs)));
        let reactor = Reactor::new(Parts {
            poll,
            listener: TcpListener::from_std(listener),
            settings: Arc::clone(&settings),
            library,
            outward,
            tape: tape.clone(),
            jobs: Arc::clone(&jobs),
            counters: Arc::clone(&counters),
            is_stopping: Arc::clone(&is_stopping),
        })?;
        wakers.push(jobs);
        threads.push(thread::Builder::new().name("reactor".into()).spawn(|| reactor.run())?);
    }
    ready(&settings);
    let code = if command.is_empty() {
        wait_for_signal(None)?;
        0
    } else {
        run(command, settings.listen)?
    };
    is_stopping.store(true, Ordering::Relaxed);
    for jobs in &wakers {
        jobs.wake();
    }
    let mut libraries = Vec::new();
    for thread in threads {
        let library = thread.join().map_err(|_| anyhow::anyhow!("a reactor ended by a panic"))?;
        libraries.extend(library?);
    }
    let unused = unused(&libraries)?;
    drop(libraries);
    report(&settings, &counters, &unused);
    if let Some(tape) = tape {
        let tape = Arc::into_inner(tape).context("the cassette is still in use")?;
        tape.close()?;
    }
    let has_missed = counters.get(Outcome::Missed) + counters.get(Outcome::MissedFrame) > 0;
    let is_failure = fail_on.iter().any(|what| match what {
        FailOn::Miss => has_missed,
        FailOn::Unused => !unused.is_empty(),
    });
    Ok(ExitCode::from(if is_failure { FAILED_ON } else { code }))
}

/// Runs a command with variables that name the proxy, and gives its exit code. A signal
/// ends it too.
fn run(command: &[OsString], listen: SocketAddr) -> Result<u8> {
    let Some((program, arguments)) = command.split_first() else { return Ok(0) };
    let mut child = Command::new(program);
    child.args(arguments);
    let proxy = format!("http://{listen}");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        child.env(name, &proxy);
    }
    // Servers of tests are on this machine: they are no exception.
    child.env("no_proxy", "").env("NO_PROXY", "");
    let name = || format!("cannot run {}", program.display());
    let child = child.spawn().with_context(name)?;
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let status = wait_for_signal(Some(child))?;
    if status.is_none()
        && let Some(id) = id
    {
        // The thread that waits for it ends with it.
        let _gone = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
    // As a shell says it: 128 and the signal.
    let code = status.map_or(128 + SIGTERM, |status| {
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    });
    Ok(u8::try_from(code).unwrap_or(1))
}

/// A listener for each reactor, all on one address.
fn listen(settings: &mut Settings) -> Result<Vec<StdListener>> {
    let taken = || format!("cannot listen on {}", settings.listen);
    // Without sharing, so that another program on the port is an error, not a share of
    // the connections; it also chooses the port if none is given.
    let probe = bind(settings.listen, false).with_context(taken)?;
    let address = probe.local_addr()?;
    if !cfg!(target_os = "linux") {
        settings.listen = address;
        let mut listeners = vec![probe];
        while listeners.len() < settings.reactors {
            listeners.push(listeners[0].try_clone()?);
        }
        return Ok(listeners);
    }
    drop(probe);
    let listeners = (0..settings.reactors).map(|_| bind(address, true));
    let listeners = listeners.collect::<io::Result<_>>().with_context(taken)?;
    settings.listen = address;
    Ok(listeners)
}

/// On Linux the kernel shares connections out among listeners of one address.
fn bind(address: SocketAddr, is_shared: bool) -> io::Result<StdListener> {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let descriptor = socket(family, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&descriptor, true)?;
    if is_shared {
        #[cfg(target_os = "linux")]
        sockopt::set_socket_reuseport(&descriptor, true)?;
    }
    bind(&descriptor, &address)?;
    listen(&descriptor, 1_024)?;
    let listener = StdListener::from(descriptor);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn ready(settings: &Settings) {
    let (mode, listen) = (settings.mode.name(), settings.listen);
    let cassette = settings.cassette.as_ref().map(|path| path.display().to_string());
    if settings.is_json {
        let line = json!({"event": "ready", "mode": mode, "listen": listen.to_string(), "cassette": cassette});
        say::out(&line.to_string());
    }
    let cassette = cassette.map(|path| format!(", cassette {path}")).unwrap_or_default();
    let to = settings.to.as_ref().map(|to| format!(" for {to}")).unwrap_or_default();
    say::line(&format!("ready: {mode} on {listen}{to}{cassette}"));
}

/// Waits for a signal, or for the end of `child`, whose status it gives.
fn wait_for_signal(child: Option<Child>) -> io::Result<Option<ExitStatus>> {
    let (mut reader, mut writer) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    let ended = Arc::new(Mutex::new(None));
    if let Some(mut child) = child {
        let ended = Arc::clone(&ended);
        thread::Builder::new().name("child".into()).spawn(move || {
            let status = child.wait().ok();
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = status;
            let _nobody_waits = writer.write_all(&[0]);
        })?;
    }
    loop {
        match reader.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => {
                let ended = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
                return read.map(|_| ended);
            }
        }
    }
}

/// Exchanges that nobody asked for.
fn unused(libraries: &[Library]) -> Result<Vec<String>> {
    let Some(first) = libraries.first() else { return Ok(Vec::new()) };
    let used: HashSet<u64> =
        libraries.iter().flat_map(|library| library.used.iter().copied()).collect();
    let mut unused = Vec::new();
    let mut walk = first.cassette().walk()?;
    loop {
        let record = match walk.step()? {
            Step::Record(record) => record,
            Step::Damage(_) => continue,
            Step::End(_) => return Ok(unused),
        };
        let is_exchange = matches!(record.head.kind, Kind::EXCHANGE | Kind::OPEN);
        if is_exchange
            && !used.contains(&record.offset)
            && let Some(content) = Exchange::parse(record.payload())
            && let Some((origin, _)) = stored(&content)
        {
            let head = content.request_head.to_vec();
            unused.push(Missed { origin, head, body: Vec::new() }.name());
        }
    }
}

fn report(settings: &Settings, counters: &Counters, unused: &[String]) {
    const NAMED: usize = 20;
    let misses = counters.misses();
    if settings.is_json {
        let counts: serde_json::Map<_, _> =
            counters.all().map(|(name, count)| (name.to_owned(), count.into())).collect();
        let line =
            json!({"event": "final", "counters": counts, "misses": misses, "unused": unused});
        say::out(&line.to_string());
        return;
    }
    for (name, count) in counters.all().filter(|(_, count)| *count > 0) {
        say::line(&format!("{name}: {count}"));
    }
    for miss in misses.iter().take(NAMED) {
        say::line(&format!("missed: {miss}"));
    }
    if settings.mode == crate::settings::Mode::Replay && !unused.is_empty() {
        say::line(&format!("never asked for: {}", unused.len()));
        for name in unused.iter().take(NAMED) {
            say::line(&format!("  {name}"));
        }
    }
}
