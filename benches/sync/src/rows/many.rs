//! Many threads send to one, and one to many: every message counted.

use std::{sync::Barrier, thread, time::Instant};

use anyhow::{Result, anyhow, bail};
use farend_shm::{
    Deadline, SlowReader, broadcast,
    channel::{Channel, Options},
};

use super::one_way::per;
use crate::{SHORT_OCTETS, measured::Measured, message};

const SIDES: u64 = 4;
/// Messages that there is room for, in all contenders: in all lanes together.
const CAPACITY_MESSAGES: u64 = 1_024;

type Message = [u8; SHORT_OCTETS];

/// Sends messages of one sender, each of which has its number.
type Send = Box<dyn FnMut(&Message) -> Result<()> + std::marker::Send>;

fn send_all(mut send: Send, messages: u64) -> Result<()> {
    let mut message = [0; SHORT_OCTETS];
    for sequence in 1..=messages {
        message::fill_octets(&mut message, sequence);
        send(&message)?;
    }
    Ok(())
}

/// Runs four senders and one receiver, which looks at each message.
fn to_one(
    operations: u64,
    senders: Vec<Send>,
    mut receive: impl FnMut(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
) -> Result<Option<Measured>> {
    let each = (operations / SIDES).max(1);
    let start = Barrier::new(senders.len() + 1);
    let time = thread::scope(|scope| -> Result<_> {
        let sending: Vec<_> = senders
            .into_iter()
            .map(|send| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    send_all(send, each)
                })
            })
            .collect();
        start.wait();
        let begin = Instant::now();
        let mut sum = 0_u64;
        for _ in 0..each * SIDES {
            receive(&mut |octets| {
                let sequence = octets.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word));
                sum = sum.wrapping_add(sequence);
                if message::are_whole_octets(octets, sequence) {
                    Ok(())
                } else {
                    bail!("message {sequence} did not arrive whole")
                }
            })?;
        }
        let time = begin.elapsed();
        for sending in sending {
            sending.join().map_err(|_panic| anyhow!("a thread panicked"))??;
        }
        if sum != SIDES * (each * (each + 1) / 2) {
            bail!("messages were lost or doubled");
        }
        Ok(time)
    })?;
    Ok(Some(rate(each * SIDES, time)))
}

fn rate(messages: u64, time: std::time::Duration) -> Measured {
    Measured {
        value: 1e9 / per(time, messages),
        unit: "messages/s",
        ..Measured::times(messages, Vec::new(), None)
    }
}

/// A channel of ours.
pub(crate) fn farend(operations: u64) -> Result<Option<Measured>> {
    let channel = Channel::anonymous(Options {
        capacity_messages: CAPACITY_MESSAGES / SIDES,
        message_octets_max: SHORT_OCTETS as u64,
        senders_max: 4,
        receivers_max: 1,
        slow_receiver: SlowReader::Block,
    })?;
    let mut receiver = channel.receiver()?;
    let mut senders: Vec<Send> = Vec::new();
    for _ in 0..SIDES {
        let mut sender = channel.sender()?;
        senders.push(Box::new(move |message| {
            sender.send(message, Deadline::NEVER)?;
            Ok(())
        }));
    }
    to_one(operations, senders, |look| look(receiver.receive_in_place(Deadline::NEVER)?))
}

/// `crossbeam_channel`, bounded.
pub(crate) fn crossbeam(operations: u64) -> Result<Option<Measured>> {
    let capacity = usize::try_from(CAPACITY_MESSAGES)?;
    let (sender, receiver) = crossbeam_channel::bounded::<Message>(capacity);
    let senders = (0..SIDES).map(|_| -> Send {
        let sender = sender.clone();
        Box::new(move |message| Ok(sender.send(*message)?))
    });
    to_one(operations, senders.collect(), |look| look(&receiver.recv()?))
}

/// Runs one sender and four receivers, each of which gets every message.
fn to_many(
    operations: u64,
    send: Send,
    receivers: Vec<Box<dyn FnMut(u64) -> Result<bool> + std::marker::Send>>,
) -> Result<Option<Measured>> {
    let start = Barrier::new(receivers.len() + 1);
    let messages = operations.max(1);
    let time = thread::scope(|scope| -> Result<_> {
        let receiving: Vec<_> = receivers
            .into_iter()
            .map(|mut receive| {
                let start = &start;
                scope.spawn(move || -> Result<()> {
                    start.wait();
                    for sequence in 1..=messages {
                        if !receive(sequence)? {
                            bail!("message {sequence} did not arrive whole or in its order");
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        start.wait();
        let begin = Instant::now();
        send_all(send, messages)?;
        for receiving in receiving {
            receiving.join().map_err(|_panic| anyhow!("a thread panicked"))??;
        }
        Ok(begin.elapsed())
    })?;
    Ok(Some(rate(messages * SIDES, time)))
}

/// A route of ours.
pub(crate) fn farend_to_many(operations: u64) -> Result<Option<Measured>> {
    let ring = broadcast::Ring::anonymous(broadcast::Options {
        capacity_messages: CAPACITY_MESSAGES,
        message_octets_max: SHORT_OCTETS as u64,
        subscribers_max: 4,
        slow_reader: SlowReader::Block,
    })?;
    let mut publisher = ring.publisher()?;
    let mut receivers: Vec<Box<dyn FnMut(u64) -> Result<bool> + std::marker::Send>> = Vec::new();
    for _ in 0..SIDES {
        let mut subscriber = ring.subscriber()?;
        receivers.push(Box::new(move |sequence| {
            let octets = subscriber.receive_in_place(Deadline::NEVER)?;
            Ok(message::are_whole_octets(octets, sequence))
        }));
    }
    let send: Send = Box::new(move |message| {
        publisher.send(message, Deadline::NEVER)?;
        Ok(())
    });
    to_many(operations, send, receivers)
}

/// `crossbeam_channel`: one for each receiver, since each is to get every message.
pub(crate) fn crossbeam_to_many(operations: u64) -> Result<Option<Measured>> {
    let capacity = usize::try_from(CAPACITY_MESSAGES)?;
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..SIDES {
        let (sender, receiver) = crossbeam_channel::bounded::<Message>(capacity);
        senders.push(sender);
        let receive: Box<dyn FnMut(u64) -> Result<bool> + std::marker::Send> =
            Box::new(move |sequence| Ok(message::are_whole_octets(&receiver.recv()?, sequence)));
        receivers.push(receive);
    }
    let send: Send = Box::new(move |message| {
        for sender in &senders {
            sender.send(*message)?;
        }
        Ok(())
    });
    to_many(operations, send, receivers)
}
