//! Messages: octets up to a NUL.

use std::fmt;

/// Octets of a request at most, without its NUL.
pub const REQUEST_OCTETS_MAX: usize = 64 << 10;

/// Octets of a reply that a client takes at most.
pub const REPLY_OCTETS_MAX: usize = 16 << 20;

/// A buffer that is empty and larger than this is given back.
const KEPT_OCTETS_MAX: usize = 4 << 10;

/// Octets received, cut into messages. Holds one octet more than a message may
/// have, and no more if the caller asks [`room`](Self::room) first.
#[derive(Debug)]
pub struct Inbox {
    octets: Vec<u8>,
    /// Those that are known to hold no NUL.
    scanned: usize,
    octets_max: usize,
}

/// A message is longer than it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong {
    /// What it may have.
    pub octets_max: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message of more than {} octets", self.octets_max)
    }
}

impl std::error::Error for TooLong {}

impl Inbox {
    /// An empty one, for messages of so many octets at most.
    #[must_use]
    pub const fn new(octets_max: usize) -> Self {
        Self { octets: Vec::new(), scanned: 0, octets_max }
    }

    /// Octets that it may be given now; 0 while a whole message waits.
    #[must_use]
    pub const fn room(&self) -> usize {
        (self.octets_max + 1).saturating_sub(self.octets.len())
    }

    /// Takes octets.
    pub fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The next whole message, without its NUL.
    ///
    /// # Errors
    ///
    /// [`TooLong`]; there is no way to go on.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let unseen = self.octets.get(self.scanned..).unwrap_or_default();
        let Some(at) = unseen.iter().position(|octet| *octet == 0) else {
            self.scanned = self.octets.len();
            if self.octets.len() > self.octets_max {
                return Err(TooLong { octets_max: self.octets_max });
            }
            return Ok(None);
        };
        let end = self.scanned + at;
        if end > self.octets_max {
            return Err(TooLong { octets_max: self.octets_max });
        }
        let rest = self.octets.split_off(end + 1);
        let mut message = std::mem::replace(&mut self.octets, rest);
        message.truncate(end);
        self.scanned = 0;
        if self.octets.is_empty() && self.octets.capacity() > KEPT_OCTETS_MAX {
            self.octets = Vec::new();
        }
        Ok(Some(message))
    }

    /// Whether there is the beginning of a message.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}

/// A message with its NUL, from what cannot fail to be written: text keys,
/// finite numbers.
#[must_use]
pub fn message(value: &impl serde::Serialize) -> Vec<u8> {
    let mut octets = serde_json::to_vec(value).unwrap_or_default();
    octets.push(0);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_nul_however_they_arrive() {
        let stream = b"{}\0{\"a\":1}\0\0tail";
        for step in 1..=stream.len() {
            let mut inbox = Inbox::new(64);
            let mut messages = Vec::new();
            for part in stream.chunks(step) {
                inbox.push(part);
                while let Some(message) = inbox.take().unwrap() {
                    messages.push(message);
                }
            }
            assert_eq!(messages, [&b"{}"[..], b"{\"a\":1}", b""], "{step}");
            assert!(!inbox.is_empty());
        }
    }

    #[test]
    fn longest_message_passes_and_one_octet_more_does_not() {
        let mut inbox = Inbox::new(REQUEST_OCTETS_MAX);
        assert_eq!(inbox.room(), REQUEST_OCTETS_MAX + 1);
        inbox.push(&vec![b' '; REQUEST_OCTETS_MAX]);
        assert_eq!(inbox.take(), Ok(None));
        inbox.push(&[0]);
        assert_eq!(inbox.room(), 0);
        assert_eq!(inbox.take().unwrap().unwrap().len(), REQUEST_OCTETS_MAX);
        assert!(inbox.is_empty() && inbox.octets.capacity() <= KEPT_OCTETS_MAX);
        inbox.push(&vec![b' '; REQUEST_OCTETS_MAX + 1]);
        assert_eq!(inbox.take(), Err(TooLong { octets_max: REQUEST_OCTETS_MAX }));
        let mut inbox = Inbox::new(3);
        inbox.push(b"abcd\0");
        assert_eq!(inbox.take(), Err(TooLong { octets_max: 3 }));
    }
}
