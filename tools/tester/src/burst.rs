//! Frames of one length, side by side, sent together.

use farend_core::{
    Kind,
    measure::probe::{Flags, Form, Headers, Probe, Template, WriteError},
};

use crate::error::Error;

/// Frames sent with one system call at most. A burst of 64 spreads the cost
/// of the call thin and is still far below every send buffer.
pub const BURST_FRAMES_MAX: usize = 64;

/// What stands in a slot of a burst.
#[derive(Clone, Copy, Debug)]
enum Filling {
    /// A UDP payload.
    Payload,
    /// A whole frame.
    Frame(Template),
}

/// A burst whose slots hold probes of one stream, renewed for every send.
#[derive(Debug)]
pub struct Burst {
    octets: Vec<u8>,
    slot_octets: usize,
    filling: Filling,
    form: Form,
    kind: Kind,
    stream: u32,
}

impl Burst {
    /// Fills every slot with a UDP payload of this length.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it is too short for a probe.
    pub fn of_payloads(kind: Kind, stream: u32, payload_octets: usize) -> Result<Self, Error> {
        let mut slot = vec![0; payload_octets];
        let form = first_probe(kind, stream).write_payload(&mut slot).map_err(too_short)?;
        Ok(Self::repeat(&slot, Filling::Payload, form, kind, stream))
    }

    /// Fills every slot with a frame of this length, FCS out.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it is too short for headers and probe.
    pub fn of_frames(
        kind: Kind,
        stream: u32,
        headers: &Headers,
        frame_octets: usize,
    ) -> Result<Self, Error> {
        let mut slot = vec![0; frame_octets];
        let probe = first_probe(kind, stream);
        let template = Template::write(&mut slot, headers, &probe).map_err(too_short)?;
        Ok(Self::repeat(&slot, Filling::Frame(template), template.form(), kind, stream))
    }

    fn repeat(slot: &[u8], filling: Filling, form: Form, kind: Kind, stream: u32) -> Self {
        let octets = slot.repeat(BURST_FRAMES_MAX);
        let stream = stream & form.stream_mask();
        Self { octets, slot_octets: slot.len(), filling, form, kind, stream }
    }

    /// Puts the probe with this sequence number and time into a slot.
    #[inline]
    pub fn renew(&mut self, slot: usize, sequence: u32, timestamp_ns: u64) {
        let probe = Probe {
            kind: self.kind,
            sequence,
            timestamp_ns,
            stream: self.stream,
            flags: Flags::NONE,
        };
        let start = slot * self.slot_octets;
        let Some(octets) = self.octets.get_mut(start..start + self.slot_octets) else { return };
        // The slot was written with the same form, so neither can fail.
        let renewed = match &self.filling {
            Filling::Payload => probe.renew(octets).map(|_| ()),
            Filling::Frame(template) => template.renew(octets, &probe),
        };
        debug_assert_eq!(renewed, Ok(()));
    }

    /// The octets of some slots, one after another.
    #[must_use]
    pub fn slots(&self, slots: std::ops::Range<usize>) -> &[u8] {
        let (start, end) = (slots.start * self.slot_octets, slots.end * self.slot_octets);
        self.octets.get(start..end).unwrap_or(&[])
    }

    /// Octets of one slot.
    #[must_use]
    pub const fn slot_octets(&self) -> usize {
        self.slot_octets
    }

    /// Where the fields of its probes stand.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The stream, as far as the form carries it.
    #[must_use]
    pub const fn stream(&self) -> u32 {
        self.stream
    }
}

const fn first_probe(kind: Kind, stream: u32) -> Probe {
    Probe { kind, sequence: 0, timestamp_ns: 0, stream, flags: Flags::NONE }
}

fn too_short(error: WriteError) -> Error {
    Error::usage(error.to_string())
}
