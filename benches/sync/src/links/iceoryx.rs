//! iceoryx2, publish and subscribe: loaned samples, a subscriber that polls,
//! a publisher that waits for room, so that every message arrives.
#![expect(unsafe_code, reason = "a loaned sample is written in place, as its users write it")]

use std::{hint::spin_loop, mem::MaybeUninit};

use anyhow::{Context, Result};
use iceoryx2::{
    node::{Node, NodeBuilder},
    port::{publisher::Publisher, subscriber::Subscriber},
    prelude::{BackpressureStrategy, LogLevel, set_log_level},
    service::ipc,
};

use super::{Link, broken};
use crate::{
    message,
    session::{Session, Side},
};

/// Both directions of `WORDS` words a message, at most `DEPTH` in flight.
#[derive(Debug)]
pub(crate) struct Iceoryx<const WORDS: usize, const DEPTH: usize> {
    publisher: Publisher<ipc::Service, [u64; WORDS], ()>,
    subscriber: Subscriber<ipc::Service, [u64; WORDS], ()>,
    _node: Node<ipc::Service>,
}

impl<const WORDS: usize, const DEPTH: usize> Iceoryx<WORDS, DEPTH> {
    fn try_open(session: &Session) -> Result<Self, Box<dyn std::error::Error>> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let service = |direction: &str| -> Result<_, Box<dyn std::error::Error>> {
            let name = format!("{}/{direction}", session.name);
            let service = node
                .service_builder(&name.as_str().try_into()?)
                .publish_subscribe::<[u64; WORDS]>()
                .enable_safe_overflow(false)
                .subscriber_max_buffer_size(DEPTH)
                .history_size(0)
                .max_publishers(1)
                .max_subscribers(1)
                .open_or_create()?;
            Ok(service)
        };
        let (to_far, to_near) = (service("to-far")?, service("to-near")?);
        let (out, back) = match session.side {
            Side::Near => (&to_far, &to_near),
            Side::Far => (&to_near, &to_far),
        };
        let publisher = out
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let subscriber = back.subscriber_builder().buffer_size(DEPTH).create()?;
        Ok(Self { publisher, subscriber, _node: node })
    }
}

impl<const WORDS: usize, const DEPTH: usize> Link for Iceoryx<WORDS, DEPTH> {
    fn open(session: &Session) -> Result<Self> {
        Self::try_open(session).map_err(|error| anyhow::anyhow!("iceoryx2: {error}"))
    }

    #[inline]
    fn send(&mut self, sequence: u64) -> Result<()> {
        let mut sample = self.publisher.loan_uninit().context("iceoryx2 lends nothing")?;
        let words: *mut [MaybeUninit<u64>; WORDS] = sample.payload_mut().as_mut_ptr().cast();
        // SAFETY: an array of words that may be uninitialised is laid out as
        // an array that may be, and the sample is ours alone.
        message::fill(unsafe { &mut *words }, sequence);
        // SAFETY: `fill` writes every word.
        let sample = unsafe { sample.assume_init() };
        // Whom it reached is for the receiver to say, which misses none.
        sample.send().context("iceoryx2 does not send")?;
        Ok(())
    }

    #[inline]
    fn receive(&mut self, sequence: u64) -> Result<()> {
        loop {
            if let Some(sample) = self.subscriber.receive().context("iceoryx2 receives nothing")? {
                let is_whole = message::is_whole(&sample.payload()[..], sequence);
                return if is_whole { Ok(()) } else { Err(broken(sequence)) };
            }
            spin_loop();
        }
    }
}
