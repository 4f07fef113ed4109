//! Decides what each arrival is: ours or foreign, whole or damaged, first or
//! again.

use farend_core::{
    Histogram, Kind,
    measure::probe::{ChecksumState, Form, Headers, Probe, Received, is_padding_intact},
};

use crate::{
    path::Arrival,
    tracker::{Place, Tracker},
};

/// What came back, by what it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Distinct, whole probes of this run.
    pub received: u64,
    /// Of those, the ones after a higher sequence number (RFC 4737).
    pub reordered: u64,
    /// Probes that came back again.
    pub duplicated: u64,
    /// Probes with wrong padding, length, checksum, VLAN id, or with a
    /// sequence number that was never sent.
    pub corrupted: u64,
    /// Sound probes of another stream: an earlier run, another tester.
    pub foreign: u64,
    /// Probes so far behind the highest one that a duplicate cannot be told
    /// from a first arrival.
    pub outside_window: u64,
}

/// The stream that is expected back.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The signature.
    pub kind: Kind,
    /// The form that the frame size allows.
    pub form: Form,
    /// As the form carries it.
    pub stream: u32,
    /// Octets of every UDP payload.
    pub payload_octets: usize,
    /// What was sent, for raw frames; `None` if arrivals are UDP payloads that
    /// a socket already sorted by address and port.
    pub headers: Option<Headers>,
}

/// Counts arrivals and times them.
#[derive(Debug)]
pub struct Judge {
    expected: Expected,
    tracker: Tracker,
    /// What came back.
    pub counts: Counts,
    /// Round-trip times of [`Counts::received`].
    pub round_trip: Box<Histogram>,
}

/// A datagram out of an arrival that is between the right stations.
struct Datagram<'octets> {
    payload: &'octets [u8],
    is_sound: bool,
    /// Ports, addresses and station are those of this run.
    is_ours: bool,
}

impl Judge {
    /// Expects one stream.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        Self {
            expected,
            tracker: Tracker::new(),
            counts: Counts::default(),
            round_trip: Box::default(),
        }
    }

    /// Judges one arrival. `sequence_end` is above every sequence number that
    /// may have been sent by now.
    #[inline]
    pub fn judge(&mut self, arrival: &Arrival<'_>, sequence_end: u64) {
        let Some(datagram) = self.open(arrival) else { return };
        let parsed = Probe::parse(datagram.payload);
        if !datagram.is_ours {
            // Other traffic of the interface, unless it carries a signature.
            self.counts.foreign += u64::from(parsed.is_some());
            return;
        }
        let Some((probe, form)) = parsed.filter(|_| datagram.is_sound) else {
            self.counts.corrupted += 1;
            return;
        };
        let expected = &self.expected;
        if probe.kind != expected.kind || probe.stream & form.stream_mask() != expected.stream {
            self.counts.foreign += 1;
            return;
        }
        let is_whole = form == expected.form
            && datagram.payload.len() == expected.payload_octets
            && u64::from(probe.sequence) < sequence_end
            && is_padding_intact(datagram.payload, form);
        if !is_whole {
            self.counts.corrupted += 1;
            return;
        }
        match self.tracker.note(probe.sequence) {
            Place::Duplicate => self.counts.duplicated += 1,
            Place::OutsideWindow => self.counts.outside_window += 1,
            place => {
                self.counts.received += 1;
                self.counts.reordered += u64::from(place == Place::Reordered);
                self.round_trip.record(form.elapsed_ns(&probe, arrival.time_ns));
            }
        }
    }

    /// Takes an arrival apart; `None` if it is no UDP datagram for us.
    fn open<'octets>(&self, arrival: &Arrival<'octets>) -> Option<Datagram<'octets>> {
        let Some(sent) = &self.expected.headers else {
            let is_sound = arrival.octets.len() == arrival.whole_octets;
            return Some(Datagram { payload: arrival.octets, is_sound, is_ours: true });
        };
        let frame = Received::parse(arrival.octets, arrival.outer_tag)?;
        if frame.destination_mac != sent.source_mac {
            return None;
        }
        let is_turned = frame.source_port == sent.destination_port
            && frame.destination_port == sent.source_port
            && frame.addresses == sent.addresses.turned();
        // A reflector may exchange less: MAC addresses alone, or those and IP.
        let is_half_turned = frame.source_port == sent.source_port
            && frame.destination_port == sent.destination_port
            && (frame.addresses == sent.addresses || frame.addresses == sent.addresses.turned());
        if !is_turned && !is_half_turned {
            return Some(Datagram { payload: frame.payload, is_sound: true, is_ours: false });
        }
        // Priorities may be remarked on the way; the VLAN is to be the same.
        let vids = |tags: farend_core::measure::probe::Tags| {
            let mut tags = tags.iter().map(farend_core::measure::probe::Tag::vid);
            [tags.next(), tags.next()]
        };
        let is_sound = vids(frame.tags) == vids(sent.tags)
            && (arrival.is_checksum_unfinished || frame.checksum_state() != ChecksumState::Wrong);
        Some(Datagram { payload: frame.payload, is_sound, is_ours: true })
    }
}

#[cfg(test)]
mod tests {
    use farend_core::measure::probe::Flags;

    use super::*;

    const STREAM: u32 = 9;

    fn judge() -> Judge {
        Judge::new(Expected {
            kind: Kind::Rfc2544,
            form: Form::Full,
            stream: STREAM,
            payload_octets: 60,
            headers: None,
        })
    }

    fn payload(sequence: u32, stream: u32) -> [u8; 60] {
        let mut payload = [0; 60];
        let flags = Flags::NONE;
        let probe = Probe { kind: Kind::Rfc2544, sequence, timestamp_ns: 1_000, stream, flags };
        probe.write_payload(&mut payload).unwrap();
        payload
    }

    fn arrival(octets: &[u8]) -> Arrival<'_> {
        Arrival {
            octets,
            whole_octets: octets.len(),
            time_ns: 3_000,
            outer_tag: None,
            is_checksum_unfinished: false,
        }
    }

    #[test]
    fn every_arrival_is_counted_as_one_thing() {
        let mut judge = judge();
        judge.judge(&arrival(&payload(1, STREAM)), 10);
        judge.judge(&arrival(&payload(0, STREAM)), 10);
        judge.judge(&arrival(&payload(0, STREAM)), 10);
        judge.judge(&arrival(&payload(2, STREAM + 1)), 10);
        judge.judge(&arrival(&payload(10, STREAM)), 10);
        judge.judge(&arrival(b"something else"), 10);
        let mut damaged = payload(3, STREAM);
        damaged[40] ^= 1;
        judge.judge(&arrival(&damaged), 10);
        judge.judge(&arrival(&payload(4, STREAM)[..59]), 10);
        let counts = Counts {
            received: 2,
            reordered: 1,
            duplicated: 1,
            corrupted: 4,
            foreign: 1,
            outside_window: 0,
        };
        assert_eq!(judge.counts, counts);
        assert_eq!(judge.round_trip.max(), Some(2_000));
        assert_eq!(judge.round_trip.count(), 2);
    }

    #[test]
    fn a_datagram_that_was_cut_to_the_buffer_is_corrupted() {
        let mut judge = judge();
        let octets = payload(0, STREAM);
        judge.judge(&Arrival { whole_octets: 61, ..arrival(&octets) }, 10);
        assert_eq!(judge.counts.corrupted, 1);
    }
}
