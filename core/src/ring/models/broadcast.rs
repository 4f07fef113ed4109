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
        for thread in reading {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_reader_that_sleeps_is_woken_and_misses_nothing() {
    every_message_arrives(1, if cfg!(farend_loom) { 3 } else { 20 });
}

#[test]
fn readers_that_sleep_are_all_woken() {
    every_message_arrives(READERS, if cfg!(farend_loom) { 1 } else { 10 });
}

/// A reader that copies while the writer goes on gets each message whole, or is
/// told how many it lost.
#[test]
fn an_overtaken_reader_gets_whole_messages_and_the_exact_lag() {
    const MESSAGES: u64 = if cfg!(farend_loom) { 4 } else { 30 };
    check(|| {
        let ring = ring(1, SlowReader::Overwrite);
        let mut writer: Writer = ring.writer().unwrap();
        let mut reader: Reader = ring.reader().unwrap();
        let writing = thread::spawn(move || {
            for number in 0..MESSAGES {
                assert!(writer.push_with_head(message(number), &[]).unwrap());
            }
            writer
        });
        let mut expected = 0;
        let mut receive = |reader: &mut Reader| {
            let Some((number, lost)) = read(reader) else { return false };
            expected += lost;
            assert_eq!(number, expected, "a wrong lag");
            expected += 1;
            true
        };
        for _ in 0..2 {
            receive(&mut reader);
        }
        let _writer = writing.join().unwrap();
        while receive(&mut reader) {}
        assert_eq!(expected, MESSAGES);
    });
}

/// Whoever attaches while the writer writes misses nothing from then on.
#[test]
fn a_reader_that_comes_late_is_waited_for() {
    check(|| {
        let ring = ring(1, SlowReader::Block);
        let mut writer: Writer = ring.writer().unwrap();
        let reading = thread::spawn(move || {
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
        reading.join().unwrap();
    });
}

#[test]
fn a_sleeping_writer_goes_on_when_the_reader_leaves() {
    check(|| {
        let ring = ring(1, SlowReader::Block);
        let mut writer: Writer = ring.writer().unwrap();
        let reader: Reader = ring.reader().unwrap();
        let leaving = thread::spawn(move || drop(reader));
        for number in 0..3 {
            send(&mut writer, number);
        }
        leaving.join().unwrap();
    });
}

#[test]
fn a_sleeping_reader_learns_that_the_writer_left() {
    check(|| {
        let ring = ring(1, SlowReader::Overwrite);
        let mut reader: Reader = ring.reader().unwrap();
        let mut writer: Writer = ring.writer().unwrap();
        let writing = thread::spawn(move || send(&mut writer, 0));
        assert_eq!(reader.wait_message(NEVER), Ok(()));
        assert_eq!(read(&mut reader), Some((0, 0)));
        assert_eq!(reader.wait_message(NEVER), Err(Error::PeerLeft));
        writing.join().unwrap();
    });
}
