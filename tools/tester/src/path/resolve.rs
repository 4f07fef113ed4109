//! Finds a target's MAC address by asking for it: ARP, or neighbour discovery.

use farend_core::{MacAddress, measure::probe::Question};

use super::{
    Receive,
    packet::{PacketReceive, PacketTransmit},
};
use crate::{clock::now_ns, error::Error};

/// How often to ask.
const ATTEMPTS: u32 = 5;

/// Nanoseconds to wait for an answer before asking again.
const ANSWER_WAIT_NS: u64 = 400_000_000;

/// Octets of the least Ethernet frame, FCS out.
const FRAME_OCTETS_MIN: usize = 60;

/// Asks until somebody answers.
///
/// # Errors
///
/// [`Error::Run`] if nobody does, or frames cannot be sent.
pub fn resolve(
    question: &Question,
    transmit: &mut PacketTransmit,
    receive: &mut PacketReceive,
    interface: &str,
) -> Result<MacAddress, Error> {
    let mut frame = [0; Question::OCTETS_MAX];
    let octets = question.write(&mut frame).max(FRAME_OCTETS_MIN);
    let mut answer = None;
    for _ in 0..ATTEMPTS {
        transmit
            .send(frame.get(..octets).unwrap_or(&frame))
            .map_err(|error| Error::run(format!("cannot send on {interface}: {error}")))?;
        let asked_ns = now_ns();
        while answer.is_none() && now_ns().saturating_sub(asked_ns) < ANSWER_WAIT_NS {
            receive
                .receive(10, &mut |arrival| {
                    let parsed = question.parse_answer(arrival.octets);
                    answer = answer.or(parsed);
                })
                .map_err(|error| Error::run(format!("cannot receive on {interface}: {error}")))?;
        }
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
    let (protocol, target) = match question.addresses {
        farend_core::measure::probe::Addresses::V4 { destination, .. } => {
            ("ARP", destination.to_string())
        }
        farend_core::measure::probe::Addresses::V6 { destination, .. } => {
            ("neighbour discovery", destination.to_string())
        }
    };
    Err(Error::run(format!(
        "{target} does not answer {protocol} on {interface}: check cable, address and VLAN, or \
         give --target-mac (that of the router if the target is behind one)"
    )))
}
