//! Processes that are killed between any two of their steps, and those that take their
//! sides over.

use std::mem::ManuallyDrop;

use super::{
    super::{Layout, SlowReader, broadcast, spsc},
    process::{become_process, die},
    *,
};
use crate::sync::model::killed_at;

/// More than a killed process has steps in any of these models.
const STEPS: std::ops::RangeInclusive<u32> = 1..=9;

/// Numbers of messages of the process that takes over.
const SUCCESSOR: u8 = 100;

type Spsc = spsc::Ring<'static>;
type Broadcast = broadcast::Ring<'static>;

fn spsc_ring() -> Spsc {
    let memory = memory(Layout::spsc(64).unwrap().octets());
    Spsc::create::<Process>(memory, 64, 0).unwrap()
}

fn broadcast_ring() -> Broadcast {
    let layout = Layout::broadcast(2, 8, 1, SlowReader::Block).unwrap();
    Broadcast::create::<Process>(memory(layout.octets()), layout, 0).unwrap()
}

/// The dead process's messages in order, one more perhaps than it knew of, and then
/// its successor's.
#[derive(Default)]
struct Received(std::vec::Vec<u8>);

impl Received {
    fn push(&mut self, message: &[u8]) {
        assert!(message.iter().all(|octet| *octet == message[0]), "a torn message");
        self.0.push(message[0]);
    }

    fn assert_from(&self, sent: u8) {
        let own = self.0.iter().take_while(|number| **number < SUCCESSOR).count();
        assert!(self.0[..own].iter().copied().eq(0..u8::try_from(own).unwrap()), "{:?}", self.0);
        assert!(own == usize::from(sent) || own == usize::from(sent) + 1, "{:?}", self.0);
        assert_eq!(self.0[own..], [SUCCESSOR], "of the successor's");
    }
}

/// A producer is killed; another one goes on while the consumer reads.
#[test]
fn a_producer_that_takes_over_loses_and_doubles_nothing() {
    for steps in STEPS {
        check_deaths(move || {
            let ring = spsc_ring();
            let mut consumer = ring.consumer::<Modelled, Process>().unwrap();
            let sending = thread::spawn(move || {
                become_process(2);
                let mut first = ManuallyDrop::new(ring.producer::<Modelled, Process>().unwrap());
                let mut sent = 0;
                killed_at(steps, || {
                    for _ in 0..2 {
                        sent += u8::from(first.push(&[sent; 8]).unwrap());
                        first.flush();
                    }
                });
                die();
                become_process(3);
                let mut second = ring.producer::<Modelled, Process>().unwrap();
                while !second.push(&[SUCCESSOR; 8]).unwrap() {
                    second.wait_room(8, NEVER).unwrap();
                }
                sent
            });
            let mut received = Received::default();
            let mut sending = Some(sending);
            let mut sent = None;
            loop {
                match consumer.wait_record(NEVER) {
                    Ok(()) => {
                        received.push(consumer.peek().unwrap().unwrap());
                        consumer.release();
                    }
                    Err(Error::PeerDied(_)) => {
                        sent = sending.take().map(|sending| sending.join().unwrap()).or(sent);
                    }
                    Err(error) => break assert_eq!(error, Error::PeerLeft),
                }
            }
            let sent = sending.map(|sending| sending.join().unwrap()).or(sent).unwrap();
            received.assert_from(sent);
        });
    }
}

/// A consumer is killed; another one goes on while the producer sends.
#[test]
fn a_consumer_that_takes_over_leaves_nothing_out() {
    const RECORDS: u8 = 3;
    for steps in 1..=6 {
        check_deaths(move || {
            let ring = spsc_ring();
            let mut producer = ring.producer::<Modelled, Process>().unwrap();
            let receiving = thread::spawn(move || {
                become_process(2);
                let mut first = ManuallyDrop::new(ring.consumer::<Modelled, Process>().unwrap());
                let mut seen = 0;
                killed_at(steps, || {
                    for _ in 0..2 {
                        if let Some(record) = first.peek().unwrap() {
                            assert_eq!(record, [seen; 8]);
                            seen += 1;
                            first.release();
                            first.flush();
                        }
                    }
                });
                die();
                become_process(3);
                let mut second = ring.consumer::<Modelled, Process>().unwrap();
                let mut next = None;
                while second.wait_record(NEVER).is_ok() {
                    let number = second.peek().unwrap().unwrap()[0];
                    assert!(next.map_or(number <= seen, |next| number == next), "{number}");
                    assert_eq!(second.peek(), Ok(Some(&[number; 8][..])));
                    second.release();
                    next = Some(number + 1);
                }
                assert!(next == Some(RECORDS) || seen == RECORDS);
            });
            for number in 0..RECORDS {
                assert!(producer.push(&[number; 8]).unwrap());
                producer.flush();
            }
            drop(producer);
            receiving.join().unwrap();
        });
    }
}

/// A writer is killed; another one goes on while a reader reads in place.
#[test]
fn a_writer_that_takes_over_loses_and_doubles_nothing() {
    for steps in STEPS {
        check_deaths(move || {
            let ring = broadcast_ring();
            let mut reader = ring.reader::<Modelled, Process>().unwrap();
            let writing = thread::spawn(move || {
                become_process(2);
                let mut first = ManuallyDrop::new(ring.writer::<Modelled, Process>().unwrap());
                let mut sent = 0;
                killed_at(steps, || {
                    for _ in 0..2 {
                        sent += u8::from(first.push(&[sent; 8]).unwrap());
                        first.flush();
                    }
                });
                die();
                become_process(3);
                let mut second = ring.writer::<Modelled, Process>().unwrap();
                while !second.push(&[SUCCESSOR; 8]).unwrap() {
                    second.wait_room(NEVER).unwrap();
                }
                sent
            });
            let mut received = Received::default();
            let mut writing = Some(writing);
            let mut sent = None;
            loop {
                match reader.wait_message(NEVER) {
                    Ok(()) => {
                        let mut message = [0; 8];
                        assert_eq!(reader.read(&mut message).unwrap().unwrap().octets, 8);
                        received.push(&message);
                    }
                    Err(Error::PeerDied(_)) => {
                        sent = writing.take().map(|writing| writing.join().unwrap()).or(sent);
                    }
                    Err(error) => break assert_eq!(error, Error::PeerLeft),
                }
            }
            let sent = writing.map(|writing| writing.join().unwrap()).or(sent).unwrap();
            received.assert_from(sent);
        });
    }
}

/// A reader is killed while it attaches or reads, and another one takes its place while
/// the writer removes the dead one: the writer waits for the living alone, and for them
/// it does wait.
#[test]
fn a_reader_in_the_place_of_a_dead_one_is_not_taken_for_it() {
    for steps in 1..=4 {
        check_deaths(move || {
            let ring = broadcast_ring();
            become_process(2);
            killed_at(steps, || {
                let mut dead = ManuallyDrop::new(ring.reader::<Modelled, Process>().unwrap());
                let _none = dead.read(&mut [0; 8]).unwrap();
                dead.flush();
            });
            die();
            become_process(1);
            let mut writer = ring.writer::<Modelled, Process>().unwrap();
            let mut sent = 0;
            while sent < 2 && writer.push(&[sent; 8]).unwrap() {
                sent += 1;
            }
            let reading = thread::spawn(move || {
                become_process(3);
                // The writer may be removing the dead one.
                let Ok(mut reader) = ring.reader::<Modelled, Process>() else { return };
                let mut next = u8::try_from(reader.number()).unwrap();
                while reader.wait_message(NEVER).is_ok() {
                    let mut message = [0; 8];
                    assert_eq!(reader.read(&mut message).unwrap().unwrap().lost, 0);
                    assert_eq!(message, [next; 8]);
                    next += 1;
                }
            });
            while sent < 5 {
                while !writer.push(&[sent; 8]).unwrap() {
                    writer.wait_room(NEVER).unwrap();
                }
                writer.flush();
                sent += 1;
            }
            drop(writer);
            reading.join().unwrap();
        });
    }
}
