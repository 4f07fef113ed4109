//! The last events, for whoever looks on.

use std::{
    collections::VecDeque,
    io::Write,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError},
};

use farend_control::event::EventReply;

use crate::{event::Event, statistics::unix_ms};

/// Events that are kept.
const EVENTS_MAX: usize = 1_024;

/// Events in their order. Adding one never waits for a reader; the oldest go.
#[derive(Debug)]
pub(crate) struct Journal {
    state: Mutex<State>,
    wake: Arc<UnixStream>,
}

#[derive(Debug)]
struct State {
    /// Of the next event.
    sequence: u64,
    events: VecDeque<EventReply>,
}

impl Journal {
    /// An empty one, that writes to this socket when there is something new.
    pub(super) fn new(wake: Arc<UnixStream>) -> Self {
        Self { state: Mutex::new(State { sequence: 1, events: VecDeque::new() }), wake }
    }

    /// Keeps an event.
    pub(crate) fn push(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = state.sequence;
        state.sequence += 1;
        if state.events.len() == EVENTS_MAX {
            state.events.pop_front();
        }
        state.events.push_back(EventReply {
            sequence,
            missed: 0,
            time_unix_ms: unix_ms(),
            event: event.code.name().to_owned(),
            interface: event.interface.clone(),
            tier: event.tier.map(str::to_owned),
            message: event.message.clone(),
            finding: event.finding.clone(),
        });
        drop(state);
        // A full socket wakes as well.
        let _ = (&*self.wake).write(&[0]);
    }

    /// The number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).sequence
    }

    /// The first event from this number on, which is told how many are gone.
    pub(super) fn from(&self, sequence: u64) -> Option<EventReply> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = state.events.front()?.sequence;
        let place = usize::try_from(sequence.saturating_sub(oldest)).ok()?;
        let event = state.events.get(place)?.clone();
        Some(EventReply { missed: event.sequence.saturating_sub(sequence), ..event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Code;

    #[test]
    fn slow_reader_is_told_how_many_events_are_gone() {
        let (wake, _theirs) = UnixStream::pair().unwrap();
        wake.set_nonblocking(true).unwrap();
        let journal = Journal::new(Arc::new(wake));
        assert_eq!(journal.from(1), None);
        let push = |count: usize| {
            (0..count).for_each(|_| journal.push(&Event::new(Code::Notice, "x")));
        };
        push(3);
        let first = journal.from(2).unwrap();
        assert_eq!((first.sequence, first.missed), (2, 0));
        assert_eq!(journal.from(4), None);
        push(EVENTS_MAX);
        let first = journal.from(2).unwrap();
        assert_eq!((first.sequence, first.missed), (4, 2));
        assert_eq!(journal.next(), 4 + EVENTS_MAX as u64);
    }
}
