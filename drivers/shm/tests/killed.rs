//! Processes that are killed while they send or receive: nobody hangs, everybody
//! learns of it, and no message that arrives is torn, doubled or left out.

#[macro_use]
mod support;

use std::{cell::RefCell, time::Duration};

use farend_shm::{Deadline, RingError, SlowReader, broadcast, spsc};
use support::{
    Killing, LONG, MESSAGE_OCTETS_MAX, Numbers, Peer, THERE, fresh_name, kills, message, number_of,
};

/// How soon a peer's death must be known, most of the time: sooner than by looking now
/// and then. Other tests run meanwhile.
const NOTICED_MEDIAN: Duration = Duration::from_millis(4);

/// How soon it must be known every time.
const NOTICED: Duration = Duration::from_secs(2);

/// After which a dead subscriber is removed.
const SLICE: Duration = Duration::from_millis(8);

/// Octets of the rings: a few dozen messages, so that they are full and empty often.
const CAPACITY: u64 = 1 << 13;

/// The longest time until a process is killed.
const LIFE_US: u64 = 6_000;

peer_process!(play);

/// What processes that these tests start do, until they are killed.
fn play(role: &str, arguments: &[String]) {
    let name = &arguments[0];
    match role {
        "sender" => {
            let mut sender = spsc::Ring::attach(name).unwrap().sender().unwrap();
            println!("{THERE}");
            for number in arguments[1].parse().unwrap().. {
                sender.send(&message(number), Deadline::NEVER).unwrap();
            }
        }
        "receiver" => {
            let mut receiver = spsc::Ring::attach(name).unwrap().receiver().unwrap();
            let mut report = spsc::Ring::attach(&arguments[1]).unwrap().sender().unwrap();
            println!("{THERE}");
            loop {
                let number = number_of(receiver.receive(Deadline::NEVER).unwrap());
                report.send(&number.to_le_bytes(), Deadline::NEVER).unwrap();
            }
        }
        "publisher" => {
            let mut publisher = broadcast::Ring::attach(name).unwrap().publisher().unwrap();
            println!("{THERE}");
            for number in arguments[1].parse().unwrap().. {
                publisher.send(&message(number), Deadline::NEVER).unwrap();
            }
        }
        "subscriber" => {
            let ring = broadcast::Ring::attach(name).unwrap();
            let mut subscriber = ring.subscriber().unwrap();
            println!("{THERE}");
            let mut buffer = [0; MESSAGE_OCTETS_MAX];
            let mut next = None;
            loop {
                let got = subscriber.receive(&mut buffer, Deadline::NEVER).unwrap();
                let number = number_of(&buffer[..got.octets]);
                let expected = next.map_or(number, |next: u64| next + got.lost);
                assert_eq!(number, expected, "{} lost", got.lost);
                next = Some(number + 1);
            }
        }
        other => panic!("no role {other}"),
    }
}

fn options(slow_reader: SlowReader) -> broadcast::Options {
    broadcast::Options {
        capacity_messages: 32,
        message_octets_max: MESSAGE_OCTETS_MAX as u64,
        subscribers_max: 4,
        slow_reader,
    }
}

/// When to kill a process that was just started, or that has just come.
fn life(numbers: &mut Numbers) -> Duration {
    Duration::from_micros(numbers.below(LIFE_US))
}

/// How long until one look at a ring ends.
fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(1))
}

thread_local! {
    /// How soon this test knew of each death.
    static KNOWN_AFTER: RefCell<Vec<Duration>> = const { RefCell::new(Vec::new()) };
}

/// Fails if most deaths were not known soon enough.
fn assert_deaths_known_soon() {
    let mut known_after = KNOWN_AFTER.take();
    known_after.sort();
    let longest = known_after.last().expect("deaths that were known");
    assert!(known_after.len() >= kills() as usize / 2, "only {} were known", known_after.len());
    let median = known_after[known_after.len() / 2];
    println!("{} deaths known after {median:?}, at most {longest:?}", known_after.len());
    assert!(median < NOTICED_MEDIAN, "deaths were known after {median:?}");
}

/// What a test knows about one process that it kills.
struct Victim {
    peer: Peer,
    killing: Killing,
    /// Whether it is killed while it does its work, and not perhaps before.
    is_known_to_come: bool,
}

impl Victim {
    /// Starts it and has it killed: each second one only once it has come, the
    /// others often before they do anything.
    fn start(role: &str, arguments: &[&str], numbers: &mut Numbers) -> Self {
        let is_known_to_come = numbers.toggle();
        let mut peer = Peer::start(role, arguments);
        let life = life(numbers);
        let killing =
            if is_known_to_come { peer.kill_once_there(life) } else { peer.kill_after(life) };
        Self { peer, killing, is_known_to_come }
    }

    /// Whether an error tells of the death of this process, which must not have
    /// been long ago, or of its never having come.
    fn is_over(&mut self, error: RingError) -> bool {
        let since = self.killing.elapsed();
        match error {
            RingError::PeerDied(owner) if owner.pid() == self.peer.pid() => {
                let since = since.unwrap_or_default();
                assert!(since < NOTICED, "the death was known after {since:?}");
                KNOWN_AFTER.with_borrow_mut(|known_after| known_after.push(since));
                true
            }
            // One before it died, or it died before it came.
            RingError::TimedOut | RingError::PeerDied(_) => {
                let is_over = since.is_some_and(|since| since > NOTICED / 20);
                if self.is_known_to_come {
                    assert!(since < Some(NOTICED), "its death was not known after {since:?}");
                    return false;
                }
                is_over
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_killed_senders_records_all_arrive_whole_and_its_death_is_known() {
    let mut numbers = Numbers::new();
    let name = fresh_name();
    let mut receiver = spsc::Ring::create(&name, CAPACITY).unwrap().receiver().unwrap();
    let mut next = 0;
    for _ in 0..kills() {
        let mut sender = Victim::start("sender", &[&name, &next.to_string()], &mut numbers);
        loop {
            match receiver.receive(soon()) {
                Ok(record) => {
                    assert_eq!(number_of(record), next);
                    next += 1;
                }
                Err(error) if sender.is_over(error) => break,
                Err(_) => {}
            }
        }
        sender.peer.finish_killed();
    }
    println!("{next} records");
    assert_deaths_known_soon();
    assert!(next > 0);
}

#[test]
fn a_killed_receivers_records_go_to_the_next_one_and_its_death_is_known() {
    let mut numbers = Numbers::new();
    let (name, report_name) = (fresh_name(), fresh_name());
    let mut sender = spsc::Ring::create(&name, CAPACITY).unwrap().sender().unwrap();
    let mut report = spsc::Ring::create(&report_name, 1 << 16).unwrap().receiver().unwrap();
    let (mut sent, mut next) = (0, 0);
    for _ in 0..kills() {
        let mut receiver = Victim::start("receiver", &[&name, &report_name], &mut numbers);
        let mut is_first = true;
        loop {
            let result = sender.send(&message(sent), soon());
            while let Some(number) = report.try_receive().unwrap() {
                let number = u64::from_le_bytes(number.try_into().unwrap());
                // What the last one had not given back is received again.
                assert!(number == next || (is_first && number < next), "{number} for {next}");
                next = number + 1;
                is_first = false;
            }
            match result {
                Ok(()) => sent += 1,
                Err(error) if receiver.is_over(error) => break,
                Err(_) => {}
            }
        }
        receiver.peer.finish_killed();
    }
    println!("{sent} records sent, {next} received");
    assert_deaths_known_soon();
    assert!(next > 0 && next <= sent);
}

/// The messages of publishers that are killed one after the other, in a ring of
/// this policy.
fn killed_publishers(slow_reader: SlowReader) {
    let mut numbers = Numbers::new();
    let name = fresh_name();
    let ring = broadcast::Ring::create(&name, options(slow_reader)).unwrap();
    let mut subscriber = ring.subscriber().unwrap();
    let mut buffer = [0; MESSAGE_OCTETS_MAX];
    let (mut received, mut lost) = (0, 0);
    for _ in 0..kills() {
        let next = subscriber.number().to_string();
        let mut publisher = Victim::start("publisher", &[&name, &next], &mut numbers);
        loop {
            let before = subscriber.number();
            match subscriber.receive(&mut buffer, soon()) {
                Ok(got) => {
                    assert_eq!(number_of(&buffer[..got.octets]) + 1, subscriber.number());
                    assert_eq!(subscriber.number(), before + got.lost + 1);
                    received += 1;
                    lost += got.lost;
                    assert_eq!(received + lost, subscriber.number());
                }
                Err(error) if publisher.is_over(error) => break,
                Err(_) => {}
            }
        }
        publisher.peer.finish_killed();
    }
    println!("{slow_reader:?}: {received} messages received, {lost} lost");
    assert_deaths_known_soon();
    assert!(received > 0 && (lost == 0 || slow_reader == SlowReader::Overwrite));
}

#[test]
fn a_killed_publishers_messages_all_arrive_whole_where_it_waits() {
    killed_publishers(SlowReader::Block);
}

#[test]
fn a_killed_publishers_messages_arrive_whole_or_are_counted_as_lost() {
    killed_publishers(SlowReader::Overwrite);
}

#[test]
fn killed_subscribers_stop_neither_the_publisher_nor_the_others() {
    for slow_reader in [SlowReader::Block, SlowReader::DropNewest, SlowReader::Overwrite] {
        let mut numbers = Numbers::new();
        let name = fresh_name();
        let ring = broadcast::Ring::create(&name, options(slow_reader)).unwrap();
        let mut publisher = ring.publisher().unwrap();
        let witness = Peer::start("subscriber", &[&name]);
        let mut sent = 0;
        for _ in 0..kills().div_ceil(3) {
            let mut victim = Victim::start("subscriber", &[&name], &mut numbers);
            // On until well after its death.
            while victim.killing.elapsed().is_none_or(|since| since < 2 * SLICE) {
                if publisher.send(&message(sent), Deadline::after(LONG)).unwrap() {
                    sent += 1;
                }
            }
            victim.peer.finish_killed();
        }
        println!("{slow_reader:?}: {sent} messages");
        let stopped = witness.kill_after(Duration::ZERO);
        drop(stopped);
        witness.finish_killed();
    }
}
