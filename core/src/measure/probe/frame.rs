//! A whole frame around a probe, written once and renewed for every send.

use super::{Form, Headers, Probe, WriteError};
use crate::{
    frame::checksum::Sum,
    frame::wire::{ip_protocol::IpProtocol, udp},
};

/// What stays the same from frame to frame of one stream.
///
/// Writing a frame costs a pass over all of it. Sending the next one of the
/// same stream costs the probe's fields alone: the sum over everything else is
/// kept, and the UDP checksum follows from it.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    form: Form,
    transport_offset: usize,
    payload_offset: usize,
    /// Over pseudo-header, UDP header without checksum, and padding.
    constant: Sum,
}

impl Template {
    /// Writes a frame that is the whole of `frame`, FCS out: headers, probe,
    /// padding, all checksums.
    ///
    /// # Errors
    ///
    /// [`WriteError::Frame`] if the frame is too short for the headers or too
    /// long for IP; else as [`Probe::write_payload`].
    pub fn write(frame: &mut [u8], headers: &Headers, probe: &Probe) -> Result<Self, WriteError> {
        let error = WriteError::Frame { octets: frame.len(), wanted_octets: headers.octets() };
        headers.write(frame)?;
        let payload_offset = headers.octets();
        let transport_offset = payload_offset - udp::HEADER_OCTETS;
        let payload = frame.get_mut(payload_offset..).ok_or(error)?;
        let form = probe.write_payload(payload)?;
        let padding = payload.get(form.octets()..).unwrap_or(&[]);
        let length = u32::try_from(payload.len() + udp::HEADER_OCTETS).map_err(|_| error)?;
        let constant = headers
            .addresses
            .pseudo_header(IpProtocol::UDP, length)
            .add_octets(padding)
            .add_octets(frame.get(transport_offset..payload_offset).ok_or(error)?);
        let template = Self { form, transport_offset, payload_offset, constant };
        template.renew(frame, probe)?;
        Ok(template)
    }

    /// Puts another probe of the same kind into a frame that
    /// [`write`](Self::write) made, or a copy of it.
    ///
    /// # Errors
    ///
    /// [`WriteError::Frame`] if the frame ends before its headers do; else as
    /// [`Probe::write_payload`].
    #[inline]
    pub fn renew(&self, frame: &mut [u8], probe: &Probe) -> Result<(), WriteError> {
        let error = WriteError::Frame { octets: frame.len(), wanted_octets: self.payload_offset };
        let fields = probe.fields(self.form);
        let payload = frame.get_mut(self.payload_offset..).ok_or(error)?;
        probe.renew(payload)?;
        let checksum = self.constant.add_octets(&fields).checksum();
        let header = frame
            .get_mut(self.transport_offset..)
            .and_then(|datagram| datagram.first_chunk_mut::<{ udp::HEADER_OCTETS }>())
            .ok_or(error)?;
        udp::set_checksum(header, checksum);
        Ok(())
    }

    /// Where the fields of the probe stand.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Octets before the payload.
    #[must_use]
    pub const fn payload_offset(&self) -> usize {
        self.payload_offset
    }
}
