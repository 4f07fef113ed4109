//! Channels: senders that come, send and die beside receivers that sleep.

use std::{mem::ManuallyDrop, vec::Vec};

use super::{
    super::{Layout, SlowReader, channel},
    process::{become_process, die},
    *,
};
use crate::sync::model::killed_at;

type Channel = channel::Channel<'static>;
type Sender = channel::Sender<'static, Modelled, Process>;
type Receiver = channel::Receiver<'static, Modelled, Process>;

const SENDERS: u8 = if cfg!(farend_loom) { 2 } else { 5 };
const MESSAGES: u8 = if cfg!(farend_loom) { 1 } else { 6 };
/// Of the process that takes over.
const SUCCESSOR: u8 = 100;

fn made(senders: u8) -> Channel {
    let layout = Layout::channel(2, 8, u32::from(senders), 1, SlowReader::Block).unwrap();
    Channel::create::<Process>(memory(layout.octets()), layout, 0).unwrap()
}

/// The octet that the next message has eight times.
fn read(receiver: &mut Receiver) -> Option<u8> {
    let mut buffer = [0; 8];
    let message = receiver.read(&mut buffer).unwrap()?;
    assert_eq!((message.octets, message.lost), (8, 0));
    assert!(buffer.iter().all(|octet| *octet == buffer[0]), "a torn message");
    Some(buffer[0])
}

fn sender(channel: Channel, process: u32) -> Sender {
    become_process(process);
    channel.sender().unwrap()
}

fn send(mut sender: Sender, numbers: impl Iterator<Item = u8>) {
    for number in numbers {
        while !sender.push(&[number; 8]).unwrap() {
            sender.wait_room(NEVER).unwrap();
        }
        sender.flush();
    }
}

#[test]
fn a_receiver_that_sleeps_gets_the_messages_of_all_senders() {
    check(|| {
        let channel = made(SENDERS);
        let mut receiver: Receiver = channel.receiver().unwrap();
        let sending: Vec<_> = (0..SENDERS)
            .map(|number| {
                let process = 2 + u32::from(number);
                let sender = sender(channel, process);
                thread::spawn(move || {
                    become_process(process);
                    send(sender, (0..MESSAGES).map(|message| number * 10 + message));
                })
            })
            .collect();
        become_process(1);
        let mut next = [0; SENDERS as usize];
        for _ in 0..SENDERS * MESSAGES {
            receiver.wait_message(NEVER).unwrap();
            let number = read(&mut receiver).unwrap();
            let (sender, number) = (usize::from(number / 10), number % 10);
            assert_eq!(number, next[sender], "of sender {sender}");
            next[sender] += 1;
        }
        for sending in sending {
            sending.join().unwrap();
        }
        assert_eq!(receiver.wait_message(NEVER), Err(Error::PeerLeft));
    });
}

/// A sender is killed between any two of its stores; another takes its lane.
#[test]
fn a_dead_sender_keeps_nobody_and_its_successor_goes_on() {
    for steps in 1..=9 {
        check_deaths(move || {
            let channel = made(1);
            let mut receiver: Receiver = channel.receiver().unwrap();
            let sending = thread::spawn(move || {
                become_process(2);
                let mut sent = 0;
                killed_at(steps, || {
                    let sender = channel.sender::<Modelled, Process>().unwrap();
                    let mut sender = ManuallyDrop::new(sender);
                    for _ in 0..2 {
                        sent += u8::from(sender.push(&[sent; 8]).unwrap());
                        sender.flush();
                    }
                });
                die();
                send(sender(channel, 3), core::iter::once(SUCCESSOR));
                sent
            });
            let mut received = Vec::new();
            let mut sending = Some(sending);
            let mut sent = None;
            loop {
                match receiver.wait_message(NEVER) {
                    Ok(()) => received.extend(read(&mut receiver)),
                    Err(Error::PeerDied(_)) => {
                        sent = sending.take().map(|sending| sending.join().unwrap()).or(sent);
                    }
                    Err(error) => break assert_eq!(error, Error::PeerLeft),
                }
            }
            let sent = sending.map(|sending| sending.join().unwrap()).or(sent).unwrap();
            let own = received.len() - 1;
            assert_eq!(received[own], SUCCESSOR);
            assert!(received[..own].iter().copied().eq(0..u8::try_from(own).unwrap()));
            assert!(own == usize::from(sent) || own == usize::from(sent) + 1, "{received:?}");
        });
    }
}
