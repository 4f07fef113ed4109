//! Receive queues that an interface gets while it is served (`ethtool -L`).

use std::ops::Range;

use super::TierError;
use crate::interface::Interface;

/// Watches how many receive queues there are.
pub(super) struct QueueWatch {
    interface: Interface,
    /// The most that were there at once.
    known: u32,
}

impl QueueWatch {
    /// Watches for more than these.
    pub(super) fn beyond(interface: &Interface, known: u32) -> Self {
        Self { interface: interface.clone(), known }
    }

    /// Queues that have come since the last call; `None` if there are none.
    /// Those that went and came back are not new: veth kept their program.
    pub(super) fn look(&mut self) -> Option<Range<u32>> {
        self.grow(self.interface.active_receive_queues())
    }

    fn grow(&mut self, count: u32) -> Option<Range<u32>> {
        let new = self.known..count;
        self.known = self.known.max(count);
        (!new.is_empty()).then_some(new)
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
    fn a_queue_is_new_once() {
        let mut watch = QueueWatch::beyond(&Interface::default(), 1);
        assert_eq!(watch.grow(1), None);
        assert_eq!(watch.grow(4), Some(1..4));
        assert_eq!(watch.grow(4), None);
        assert_eq!(watch.grow(2), None);
        assert_eq!(watch.grow(5), Some(4..5));
    }

    #[test]
    fn queues_that_were_gone_at_another_program_are_new_when_they_are_back() {
        // No such interface: it is taken to have one queue.
        let mut watch = QueueWatch::beyond(&Interface::default(), 4).start_over();
        assert_eq!(watch.look(), None);
        assert_eq!(watch.grow(4), Some(1..4));
    }
}
