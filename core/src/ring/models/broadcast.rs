use std::vec::Vec;

use super::{
    super::{Layout, SlowReader, broadcast},
    *,
};

type Ring = broadcast::Ring<'static>;
type Writer = broadcast::Writer<'static, Modelled, SameProcess>;
type Reader = broadcast::Reader<'static, Modelled, SameProcess>;

/// Readers beside the writer.
const READERS: u32 = if cfg!(farend_loom) { 2 } else { 7 };

/// The same, where more than one would be too many orders for loom.
const SOME_READERS: u32 = if cfg!(farend_loom) { 1 } else { 7 };

/// A ring with room for two messages of two words.
fn ring(readers: u32, slow_reader: SlowReader) -> Ring {
    let layout = Layout::broadcast(2, 16, readers, slow_reader).unwrap();
    Ring::create::<SameProcess>(memory(layout.octets()), layout, 0).unwrap()
}

fn message(number: u64) -> [u64; 2] {
    [number, !number]
}

/// The number in the next message, which must be whole, and how many were lost
/// before it.
fn read(reader: &mut Reader) -> Option<(u64, u64)> {
    let mut buffer = [0; 16];
    let message = reader.read(&mut buffer).unwrap()?;
    assert_eq!(message.octets, 16);
    let (first, second) = buffer.split_first_chunk::<8>().unwrap();
    let number = u64::from_ne_bytes(*first);
    assert_eq!(second, (!number).to_ne_bytes(), "a torn message");
    Some((number, message.lost))
}

fn send(writer: &mut Writer, number: u64) {
    while !writer.push_with_head(message(number), &[]).unwrap() {
        writer.wait_room(NEVER).unwrap();
    }
    writer.flush();
}

/// The writer and the readers sleep and are woken; nobody misses a message.
fn every_message_arrives(readers: u32, messages: u64) {
    check(move || {
        let ring = ring(readers, SlowReader::Block);
        let mut writer: Writer = ring.writer().unwrap();
        let reading: Vec<_> = (0..readers)
            .map(|_| {
                let mut reader: Reader = ring.reader().unwrap();
                thread::spawn(move || {
                    for expected in 0..messages {
                        reader.wait_message(NEVER).unwrap();
                        assert_eq!(read(&mut reader), Some((expected, 0)));
                    }
                })
            })
            .collect();
        for number in 0..messages {
            send(&mut writer, number);
        }
        join(reading);
    });
}

/// Runs `body` in a thread for each of [`SOME_READERS`].
fn in_each_reader(body: impl Fn() + Copy + Send + 'static) -> Vec<thread::JoinHandle<()>> {
    (0..SOME_READERS).map(|_| thread::spawn(body)).collect()
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_reader_that_sleeps_is_woken_and_misses_nothing() {
    every_message_arrives(1, if cfg!(farend_loom) { 3 } else { 20 });
}

#[test]
fn readers_that_sleep_are_all_woken() {
    every_message_arrives(READERS, if cfg!(farend_loom) { 1 } else { 10 });
}

/// A reader and the number that is next.
struct Overtaken {
    reader: Reader,
    expected: u64,
}

impl Overtaken {
    fn of(ring: Ring) -> Self {
        Self { reader: ring.reader().unwrap(), expected: 0 }
    }

    fn receive(&mut self) -> bool {
        let Some((number, lost)) = read(&mut self.reader) else { return false };
        self.expected += lost;
        assert_eq!(number, self.expected, "a wrong lag");
        self.expected += 1;
        true
    }

    fn read_twice(mut self) -> Self {
        self.receive();
        self.receive();
        self
    }
}

/// A reader that copies while the writer goes on gets each message whole, or is
/// told how many it lost.
#[test]
fn an_overtaken_reader_gets_whole_messages_and_the_exact_lag() {
    const MESSAGES: u64 = if cfg!(farend_loom) { 4 } else { 30 };
    check(|| {
        let ring = ring(SOME_READERS, SlowReader::Overwrite);
        let mut writer: Writer = ring.writer().unwrap();
        let mut readers: Vec<_> = (0..SOME_READERS).map(|_| Overtaken::of(ring)).collect();
        let writing = thread::spawn(move || {
            for number in 0..MESSAGES {
                assert!(writer.push_with_head(message(number), &[]).unwrap());
            }
            writer
        });
        let mut first = readers.pop().unwrap();
        let others: Vec<_> =
            readers.into_iter().map(|reader| thread::spawn(move || reader.read_twice())).collect();
        first = first.read_twice();
        let _writer = writing.join().unwrap();
        readers = others.into_iter().map(|other| other.join().unwrap()).collect();
        readers.push(first);
        for mut reader in readers {
            while reader.receive() {}
            assert_eq!(reader.expected, MESSAGES);
        }
    });
}

/// Whoever attaches while the writer writes misses nothing from then on.
#[test]
fn a_reader_that_comes_late_is_waited_for() {
    check(|| {
        let ring = ring(SOME_READERS, SlowReader::Block);
        let mut writer: Writer = ring.writer().unwrap();
        let reading = in_each_reader(move || {
            let mut reader: Reader = ring.reader().unwrap();
            let mut expected = reader.number();
            for _ in 0..2 {
                if let Some((number, lost)) = read(&mut reader) {
                    assert_eq!((number, lost), (expected, 0));
                    expected += 1;
                }
            }
        });
        let mut number = 0;
        for _ in 0..5 {
            let is_sent = writer.push_with_head(message(number), &[]).unwrap();
            number += u64::from(is_sent);
        }
        join(reading);
    });
}

#[test]
fn a_sleeping_writer_goes_on_when_the_readers_leave() {
    check(|| {
        let ring = ring(SOME_READERS, SlowReader::Block);
        let mut writer: Writer = ring.writer().unwrap();
        let readers: Vec<Reader> = (0..SOME_READERS).map(|_| ring.reader().unwrap()).collect();
        let leaving = readers.into_iter().map(|reader| thread::spawn(move || drop(reader)));
        let leaving = leaving.collect();
        for number in 0..3 {
            send(&mut writer, number);
        }
        join(leaving);
    });
}

#[test]
fn sleeping_readers_learn_that_the_writer_left() {
    check(|| {
        let ring = ring(SOME_READERS, SlowReader::Overwrite);
        let readers: Vec<Reader> = (0..SOME_READERS).map(|_| ring.reader().unwrap()).collect();
        let mut writer: Writer = ring.writer().unwrap();
        let read_all = |mut reader: Reader| {
            assert_eq!(reader.wait_message(NEVER), Ok(()));
            assert_eq!(read(&mut reader), Some((0, 0)));
            assert_eq!(reader.wait_message(NEVER), Err(Error::PeerLeft));
        };
        let readers = readers.into_iter().map(|reader| thread::spawn(move || read_all(reader)));
        let reading = readers.collect();
        send(&mut writer, 0);
        drop(writer);
        join(reading);
    });
}
