//! Receive queues that an interface gets while it is served (`ethtool -L`).

use std::ops::Range;

use super::TierError;
use crate::interface::Interface;

/// Watches how many receive queues there are.
pub(super) struct QueueWatch {
    interface: Interface,
    /// The most that were there at once.
    known: u32,
    /// As many as there were last.
    last: u32,
}

/// Queues that have come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum MoreQueues {
    /// These were never there before.
    New(Range<u32>),
    /// Some that had gone are back. Those that were gone while the link went down and
    /// up have lost their program.
    Back,
}

impl QueueWatch {
    /// Watches for more than these.
    pub(super) fn beyond(interface: &Interface, known: u32) -> Self {
        Self { interface: interface.clone(), known, last: known }
    }

    /// Queues that have come since the last call; `None` if there are none.
    pub(super) fn look(&mut self) -> Option<MoreQueues> {
        self.grow(self.interface.active_receive_queues())
    }

    fn grow(&mut self, count: u32) -> Option<MoreQueues> {
        let last = std::mem::replace(&mut self.last, count);
        let new = self.known..count;
        self.known = self.known.max(count);
        if !new.is_empty() {
            Some(MoreQueues::New(new))
        } else if count > last {
            Some(MoreQueues::Back)
        } else {
            None
        }
    }

    /// Watches for more than there are now, of the same interface: those that
    /// are gone do not get what is put on the others from here on.
    pub(super) fn start_over(&self) -> Self {
        Self::beyond(&self.interface, self.interface.active_receive_queues())
    }
}

/// Says what became of new queues.
pub(super) fn tell(outcome: Result<String, TierError>) -> String {
    let more = "there are more queues now";
    match outcome {
        Ok(description) => format!("{more}: {description}"),
        Err(error) => format!("{more}, and they are not served: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_new_once_and_may_come_back() {
        let mut watch = QueueWatch::beyond(&Interface::default(), 1);
        assert_eq!(watch.grow(1), None);
        assert_eq!(watch.grow(4), Some(MoreQueues::New(1..4)));
        assert_eq!(watch.grow(4), None);
        assert_eq!(watch.grow(2), None);
        assert_eq!(watch.grow(3), Some(MoreQueues::Back));
        assert_eq!(watch.grow(5), Some(MoreQueues::New(4..5)));
    }

    #[test]
    fn queues_that_were_gone_at_another_program_are_new_when_they_are_back() {
        // No such interface: it is taken to have one queue.
        let mut watch = QueueWatch::beyond(&Interface::default(), 4).start_over();
        assert_eq!(watch.look(), None);
        assert_eq!(watch.grow(4), Some(MoreQueues::New(1..4)));
    }
}
