//! Writers: a full disk, `kill -9`, readers at the same time, many exchanges.

mod support;

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use farend_cassette::{
    AppendError, Cassette, FileHead, INDEX_EXCHANGES_MAX, Memory, Sink, Source, Tail, Writer,
    file::CassetteFile,
};
use support::{HEAD, add, is_there};

/// A disk with so many octets.
#[derive(Debug)]
struct Disk {
    memory: Memory,
    room: usize,
    can_cut: bool,
}

impl Source for Disk {
    fn octets(&self) -> io::Result<u64> {
        self.memory.octets()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.memory.read_at(offset, into)
    }
}

impl Sink for Disk {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let room = self.room - usize::try_from(offset).unwrap();
        self.memory.write_at(offset, &octets[..octets.len().min(room)])?;
        if octets.len() > room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn cut(&mut self, octets: u64) -> io::Result<()> {
        if self.can_cut { self.memory.cut(octets) } else { Err(io::ErrorKind::Other.into()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn full_disk_ends_the_recording_and_keeps_what_was_whole() {
    for room in (64..3_000).step_by(7) {
        for can_cut in [true, false] {
            let disk = Disk { memory: Memory::default(), room, can_cut };
            let mut writer = Writer::create(disk, HEAD).unwrap();
            let mut flushed = 0;
            for number in 1..=20 {
                add(&mut writer, number);
                match writer.flush() {
                    Ok(()) => flushed = number,
                    Err(AppendError::Io(error)) => {
                        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                        break;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(flushed < 20 && writer.has_ended());
            assert!(matches!(writer.flush(), Err(AppendError::Ended)));
            let left = writer.storage().memory.clone();
            let mut cassette = Cassette::open(left).unwrap();
            assert_eq!(cassette.tail() == Tail::Clean, can_cut || cassette.tail() == Tail::Clean);
            for number in 1..=20 {
                assert_eq!(is_there(&mut cassette, number), number <= flushed, "room {room}");
            }
        }
    }
}

#[test]
fn more_exchanges_than_one_index_holds_are_all_found() {
    let mut writer = Writer::create(Memory::default(), HEAD).unwrap();
    let many = INDEX_EXCHANGES_MAX as u64 * 2 + 100;
    for number in 1..=many {
        add(&mut writer, number);
        if number % 64 == 0 {
            writer.flush().unwrap();
        }
    }
    writer.flush().unwrap();
    // What is in no index record yet is found by the writer, and by a walk.
    let mut places = Vec::new();
    writer.find(many, &mut places).unwrap();
    assert_eq!(places.len(), 1);
    let crashed = writer.storage().clone();
    let closed = writer.close(1).unwrap();
    for storage in [crashed, closed] {
        let mut cassette = Cassette::open(storage).unwrap();
        for number in (1..=many).step_by(997).chain([1, many]) {
            assert!(is_there(&mut cassette, number), "{number}");
        }
        assert!(!is_there(&mut cassette, many + 1));
    }
}

/// Run by the next test, which kills it: appends, and says what is flushed.
#[test]
#[ignore = "a process that other tests start"]
fn child_that_records() {
    let Some(path) = env::var_os("FAREND_CASSETTE") else { return };
    let path = PathBuf::from(path);
    let mut writer = resume(&path);
    let mut said = io::stdout().lock();
    loop {
        for _more in 0..=writer.exchanges() % 5 {
            let number = writer.next_exchange();
            add(&mut writer, number);
        }
        writer.flush().unwrap();
        // Not by a macro: the test harness would keep it to itself.
        writeln!(said, "flushed {}", writer.exchanges()).unwrap();
    }
}

fn resume(path: &Path) -> Writer<CassetteFile> {
    let file = CassetteFile::append(path).unwrap();
    if file.octets().unwrap() == 0 {
        let id = fastrand::u128(..).to_le_bytes();
        return Writer::create(file, FileHead { id, ..HEAD }).unwrap();
    }
    if let Ok(cassette) = Cassette::open(file) {
        return Writer::resume(cassette).unwrap();
    }
    // Killed within the head: nothing was there yet.
    fs::remove_file(path).unwrap();
    resume(path)
}

#[test]
fn recording_that_is_killed_loses_nothing_flushed() {
    let path = temporary("killed");
    let rounds = if farend_effort::is_long() { 1_000 } else { 60 };
    let mut flushed = 0;
    for round in 0..rounds {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child_that_records", "--nocapture"])
            .env("FAREND_CASSETTE", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = child.stdout.take().unwrap();
        let reader = thread::spawn(move || last_flushed(said));
        thread::sleep(Duration::from_micros(fastrand::u64(3_000..40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        flushed = reader.join().unwrap().unwrap_or(flushed);
        if !path.exists() || fs::metadata(&path).unwrap().len() < 64 {
            continue;
        }
        let mut cassette = Cassette::open(CassetteFile::read(&path).unwrap()).unwrap();
        assert!(cassette.damage().is_empty(), "round {round}");
        assert!(cassette.exchanges() >= flushed, "round {round}");
        let step = 1 + usize::try_from(flushed / 200).unwrap();
        for number in (1..=flushed).step_by(step).chain([flushed].into_iter().filter(|n| *n > 0)) {
            assert!(is_there(&mut cassette, number), "round {round}: {number} of {flushed}");
        }
    }
    assert!(flushed > 0);
    fs::remove_file(&path).unwrap();
}

/// The last whole line of the child: the harness writes on the same line before.
fn last_flushed(said: impl io::Read) -> Option<u64> {
    let mut last = None;
    for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some((_, number)) = line.rsplit_once("flushed ") {
            last = number.parse().ok().max(last);
        }
    }
    last
}

#[test]
fn reader_while_another_writes_sees_a_whole_beginning() {
    let path = temporary("shared");
    let mut writer = Writer::create(CassetteFile::create_new(&path).unwrap(), HEAD).unwrap();
    let other = CassetteFile::append(&path).map(drop).unwrap_err();
    assert_eq!(other.kind(), io::ErrorKind::WouldBlock, "one writer alone");
    let reader = thread::spawn({
        let path = path.clone();
        move || {
            let mut seen = 0;
            while seen < 3_000 {
                let mut cassette = Cassette::open(CassetteFile::read(&path).unwrap()).unwrap();
                assert!(cassette.damage().is_empty());
                assert!(cassette.exchanges() >= seen, "what was there stays there");
                seen = cassette.exchanges();
                for number in (1..=seen).rev().take(5) {
                    assert!(is_there(&mut cassette, number));
                }
            }
        }
    });
    for number in 1..=3_000 {
        add(&mut writer, number);
        writer.flush().unwrap();
    }
    reader.join().unwrap();
    drop(writer.close(1).unwrap());
    fs::remove_file(&path).unwrap();
}

#[test]
fn folder_is_no_cassette() {
    assert!(CassetteFile::read(&env::temp_dir()).is_err());
}

fn temporary(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("farend-{name}-{}.cassette", std::process::id()));
    let _old = fs::remove_file(&path);
    path
}
