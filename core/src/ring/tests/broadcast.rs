use std::{mem::forget, thread, vec::Vec};

use super::{
    super::{Error, Layout, Owner, SlowReader, broadcast::*},
    Looking, Numbers, Played, after_ms, become_process, mourn, over, pattern, words,
};

type PlayedWriter<'m> = Writer<'m, Looking, Played>;
type PlayedReader<'m> = Reader<'m, Looking, Played>;

const CAPACITY: u64 = 8;
const LONGEST: usize = 61;

fn layout(slow_reader: SlowReader) -> Layout {
    Layout::broadcast(CAPACITY, LONGEST as u64, 3, slow_reader).unwrap()
}

fn ring(words: &mut Vec<u64>, slow_reader: SlowReader) -> Ring<'_> {
    let layout = layout(slow_reader);
    *words = super::words(layout.octets());
    Ring::create::<Played>(over(words), layout, 0).unwrap()
}

fn read(reader: &mut PlayedReader<'_>) -> Option<(Vec<u8>, u64)> {
    let mut buffer = [0; LONGEST];
    let message = reader.read(&mut buffer).unwrap()?;
    Some((buffer[..message.octets].to_vec(), message.lost))
}

#[test]
fn every_reader_gets_every_message_whatever_its_pace() {
    for slow_reader in [SlowReader::Block, SlowReader::DropNewest, SlowReader::Overwrite] {
        let mut memory = words(0);
        let ring = ring(&mut memory, slow_reader);
        let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
        let mut readers: Vec<PlayedReader<'_>> = (0..3).map(|_| ring.reader().unwrap()).collect();
        for number in 0..1_000 {
            assert!(writer.push(&pattern(number, number % (LONGEST + 1))).unwrap());
            for (index, reader) in readers.iter_mut().enumerate() {
                // The second and the third are one and two messages behind.
                let Some(number) = number.checked_sub(index) else { continue };
                let expected = pattern(number, number % (LONGEST + 1));
                assert_eq!(read(reader), Some((expected, 0)), "{slow_reader:?}");
            }
        }
    }
}

#[test]
fn a_blocked_writer_goes_on_when_the_slowest_reader_does() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Block);
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    let mut fast: PlayedReader<'_> = ring.reader().unwrap();
    let mut slow: PlayedReader<'_> = ring.reader().unwrap();
    for number in 0..8 {
        assert!(writer.push(&[number]).unwrap());
        assert!(read(&mut fast).is_some());
    }
    assert_eq!(writer.push(&[8]), Ok(false));
    assert_eq!(writer.wait_room(after_ms(2)), Err(Error::TimedOut));
    assert_eq!(slow.peek(), Ok(Some(&[0][..])));
    assert_eq!(writer.push(&[8]), Ok(false));
    slow.release().unwrap();
    assert_eq!(writer.wait_room(after_ms(2)), Ok(()));
    assert_eq!(writer.push(&[8]), Ok(true));
    assert_eq!(writer.push(&[9]), Ok(false));
    drop(slow);
    assert_eq!(writer.push(&[9]), Ok(true));
    assert_eq!(writer.dropped(), 0);
}

#[test]
fn what_is_dropped_is_the_newest_and_is_counted() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::DropNewest);
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    let mut reader: PlayedReader<'_> = ring.reader().unwrap();
    for number in 0..20 {
        assert_eq!(writer.push(&[number]), Ok(number < 8));
    }
    assert_eq!(reader.dropped(), 12);
    for number in 0..8 {
        assert_eq!(read(&mut reader), Some((std::vec![number], 0)));
    }
    assert_eq!(read(&mut reader), None);
}

#[test]
fn an_overtaken_reader_is_told_how_many_it_lost() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Overwrite);
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    let mut reader: PlayedReader<'_> = ring.reader().unwrap();
    let mut numbers = Numbers(3);
    let (mut sent, mut accounted) = (0_u64, 0_u64);
    for _ in 0..5_000 {
        for _ in 0..numbers.below(20) {
            assert!(writer.push(&sent.to_le_bytes()).unwrap());
            sent += 1;
        }
        for _ in 0..numbers.below(8) {
            let Some((message, lost)) = read(&mut reader) else { break };
            accounted += lost;
            assert_eq!(message, accounted.to_le_bytes());
            accounted += 1;
            assert_eq!(reader.number(), accounted);
        }
    }
    assert!(sent > 40_000 && accounted > 40_000);
}

#[test]
fn a_ring_that_overwrites_is_not_read_in_place() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Overwrite);
    let mut reader: PlayedReader<'_> = ring.reader().unwrap();
    assert_eq!(reader.peek(), Err(Error::NotInPlace));
}

#[test]
fn reading_after_peeking_copies_the_peeked_message_and_forgets_it() {
    for slow_reader in [SlowReader::Block, SlowReader::DropNewest] {
        let mut memory = words(0);
        let ring = ring(&mut memory, slow_reader);
        let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
        let mut reader: PlayedReader<'_> = ring.reader().unwrap();
        for number in 1..=3_u8 {
            assert!(writer.push(&std::vec![number; usize::from(number)]).unwrap());
        }
        assert_eq!(reader.peek(), Ok(Some(&[1][..])));
        assert_eq!(read(&mut reader), Some((std::vec![1], 0)));
        assert_eq!(reader.release(), Ok(()));
        assert_eq!(reader.peek(), Ok(Some(&[2, 2][..])));
        assert_eq!(reader.release(), Ok(()));
        assert_eq!(reader.peek(), Ok(Some(&[3; 3][..])));
    }
}

#[test]
fn a_reader_can_go_back_to_what_an_overwriting_ring_still_has() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Overwrite);
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    let mut first: PlayedReader<'_> = ring.reader().unwrap();
    assert_eq!(first.rewind(1), 0);
    for number in 0..3 {
        assert!(writer.push(&[number]).unwrap());
    }
    let mut late: PlayedReader<'_> = ring.reader().unwrap();
    assert_eq!(late.rewind(1), 1);
    assert_eq!(read(&mut late), Some((std::vec![2], 0)));
    for number in 3..100 {
        assert!(writer.push(&[number]).unwrap());
    }
    let mut later: PlayedReader<'_> = ring.reader().unwrap();
    assert_eq!(later.rewind(50), 7);
    assert_eq!(read(&mut later), Some((std::vec![93], 0)));
}

#[test]
fn a_message_that_the_buffer_cannot_take_stays_the_next() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Overwrite);
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    let mut reader: PlayedReader<'_> = ring.reader().unwrap();
    assert!(writer.push(&[5; 20]).unwrap());
    let too_short = Error::BufferTooShort { octets: 20, buffer_octets: 19 };
    assert_eq!(reader.read(&mut [0; 19]), Err(too_short));
    assert_eq!(reader.read(&mut [0; 20]), Ok(Some(Message { octets: 20, lost: 0 })));
    let too_long = Error::TooLong { octets: LONGEST + 1, octets_max: LONGEST };
    assert_eq!(writer.push(&[0; LONGEST + 1]), Err(too_long));
}

#[test]
fn a_head_of_words_and_a_body_are_one_message() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Overwrite);
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    let mut reader: PlayedReader<'_> = ring.reader().unwrap();
    assert!(writer.push_with_head([1, u64::MAX], b"body").unwrap());
    let (message, _lost) = read(&mut reader).unwrap();
    assert_eq!(message[..8], 1_u64.to_ne_bytes());
    assert_eq!(message[8..16], [0xFF; 8]);
    assert_eq!(&message[16..], b"body");
    assert!(writer.push_with_head([0; 8], b"").is_err());
}

#[test]
fn there_are_as_many_readers_as_the_ring_was_made_for() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Block);
    let writer: PlayedWriter<'_> = ring.writer().unwrap();
    let readers: Vec<PlayedReader<'_>> = (0..3).map(|_| ring.reader().unwrap()).collect();
    assert_eq!(writer.readers(), 3);
    let none_free = Error::NoReaderFree { readers_max: 3 };
    assert_eq!(ring.reader::<Looking, Played>().unwrap_err(), none_free);
    assert_eq!(ring.writer::<Looking, Played>().unwrap_err(), Error::Taken(Owner::new(1, 0)));
    drop(readers);
    assert_eq!(writer.readers(), 0);
    assert!(ring.reader::<Looking, Played>().is_ok());
}

#[test]
fn a_dead_reader_does_not_keep_the_writer() {
    for slow_reader in [SlowReader::Block, SlowReader::DropNewest] {
        let mut memory = words(0);
        let ring = ring(&mut memory, slow_reader);
        become_process(2);
        forget(ring.reader::<Looking, Played>().unwrap());
        become_process(1);
        let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
        while writer.push(b"x").unwrap() {}
        mourn(2);
        if slow_reader == SlowReader::Block {
            assert_eq!(writer.wait_room(after_ms(60_000)), Ok(()));
            assert_eq!(writer.push(b"y"), Ok(true));
        } else {
            let give_up_ns = after_ms(60_000);
            while !writer.push(b"y").unwrap() {
                assert!(after_ms(0) < give_up_ns, "the dead reader was not noticed");
            }
        }
        assert_eq!(writer.readers(), 0);
        mourn(0);
    }
}

#[test]
fn a_place_of_a_dead_reader_is_free() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Block);
    become_process(2);
    for _ in 0..3 {
        forget(ring.reader::<Looking, Played>().unwrap());
    }
    become_process(1);
    assert!(ring.reader::<Looking, Played>().is_err());
    mourn(2);
    assert!(ring.reader::<Looking, Played>().is_ok());
    mourn(0);
}

#[test]
fn a_new_writer_goes_on_after_the_last_whole_message_of_a_dead_one() {
    for slow_reader in [SlowReader::Block, SlowReader::Overwrite] {
        let mut memory = words(0);
        let ring = ring(&mut memory, slow_reader);
        let mut reader: PlayedReader<'_> = ring.reader().unwrap();
        for round in 0..50_u8 {
            become_process(2 + u32::from(round));
            mourn(1 + u32::from(round));
            let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
            assert!(writer.push(&[round]).unwrap());
            // Killed after the message's word and before the cursor.
            writer.set_back();
            forget(writer);
            assert_eq!(read(&mut reader), Some((std::vec![round], 0)));
            assert_eq!(read(&mut reader), None);
        }
        become_process(1);
        mourn(0);
    }
}

#[test]
fn a_writer_that_takes_over_overwrites_nothing_that_a_reader_needs() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Block);
    become_process(2);
    let mut reader: PlayedReader<'_> = ring.reader().unwrap();
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    assert!(writer.push(&[0]).unwrap());
    // Killed after the message's word and before the cursor.
    writer.set_back();
    forget(writer);
    become_process(3);
    mourn(2);
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    let mut sent = 1_u8;
    while writer.push(&[sent]).unwrap() {
        sent += 1;
        assert!(u64::from(sent) <= ring.layout().capacity(), "it went past the reader");
    }
    for number in 0..sent {
        assert_eq!(read(&mut reader), Some((std::vec![number], 0)));
    }
    assert_eq!(read(&mut reader), None);
    become_process(1);
    mourn(0);
}

#[test]
fn readers_learn_that_the_writer_is_gone() {
    let mut memory = words(0);
    let ring = ring(&mut memory, SlowReader::Overwrite);
    become_process(2);
    let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
    become_process(1);
    let mut reader: PlayedReader<'_> = ring.reader().unwrap();
    assert!(writer.push(b"last").unwrap());
    forget(writer);
    mourn(2);
    assert_eq!(reader.wait_message(after_ms(60_000)), Ok(()));
    assert!(read(&mut reader).is_some());
    let died = Error::PeerDied(Owner::new(2, 0));
    assert_eq!(reader.wait_message(after_ms(60_000)), Err(died));
    drop(ring.writer::<Looking, Played>().unwrap());
    assert_eq!(reader.wait_message(after_ms(60_000)), Err(Error::PeerLeft));
    mourn(0);
}

#[test]
fn threads_read_every_message_or_learn_of_its_loss() {
    const MESSAGES: u64 = 50_000;
    for slow_reader in [SlowReader::Block, SlowReader::Overwrite] {
        let mut memory = words(0);
        let ring = ring(&mut memory, slow_reader);
        let mut writer: PlayedWriter<'_> = ring.writer().unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                let mut reader: PlayedReader<'_> = ring.reader().unwrap();
                scope.spawn(move || {
                    let mut next = 0;
                    while next < MESSAGES {
                        reader.wait_message(after_ms(60_000)).unwrap();
                        let mut buffer = [0; LONGEST];
                        let Some(message) = reader.read(&mut buffer).unwrap() else { continue };
                        next += message.lost;
                        for octets in buffer[..message.octets].chunks_exact(8) {
                            assert_eq!(octets, next.to_le_bytes(), "a torn message");
                        }
                        next += 1;
                        assert!(slow_reader == SlowReader::Overwrite || message.lost == 0);
                    }
                });
            }
            for number in 0..MESSAGES {
                let message = number.to_le_bytes().repeat(7);
                while !writer.push(&message).unwrap() {
                    writer.wait_room(after_ms(60_000)).unwrap();
                }
                writer.flush();
            }
        });
    }
}
