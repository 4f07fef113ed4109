//! The reflector's loop, the same for every port.

use super::{Burst, Medium, Observer, Port};
use crate::{Caller, Counters, Policy, frame::window::Fragmented, reflect, reflect_packet};

/// What one turn moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// Frames received, and judged.
    pub received_frames: usize,
    /// Answers that the port took, those kept from earlier turns too.
    pub transmitted_frames: usize,
    /// Answers that found no room and are kept for the next turn.
    pub pending_frames: usize,
}

impl Turn {
    /// Whether nothing moved: time to wait.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.received_frames == 0 && self.transmitted_frames == 0
    }
}

/// Does what [`Port::turn`] provides, for ports that do a part of it in a way of
/// their own and leave the rest to this.
///
/// # Errors
///
/// As [`Port::turn`].
#[inline(always)]
pub fn turn<const N: usize, P, C, O>(
    port: &mut P,
    policy: &Policy,
    caller: &mut C,
    counters: &mut Counters,
    observer: &mut O,
    pending: &mut Burst<N>,
) -> Result<Turn, P::Error>
where
    P: Port,
    C: Caller,
    O: Observer,
{
    let mut turn = Turn::default();
    if !pending.is_empty() {
        transmit(port, observer, pending, &mut turn)?;
    }
    // Behind the answers that are kept, so that no more is taken than fits.
    let kept = pending.len();
    let received = port.receive(pending);
    turn.received_frames = pending.len().saturating_sub(kept);
    let mut refused = Burst::<N>::sized();
    if let Err(error) = received {
        pending.sift(kept, &mut refused, |_, _| false);
        port.recycle(&mut refused);
        return Err(error);
    }
    if turn.received_frames > 0 {
        observer.burst_received(turn.received_frames);
        pending.sift(kept, &mut refused, |frame, whole_octets| {
            let Some(octets) = port.octets(frame) else { return false };
            observer.received(octets, whole_octets);
            let mut window = Fragmented::new(octets, whole_octets);
            let verdict = match P::MEDIUM {
                Medium::Ethernet => reflect(&mut window, policy, caller),
                Medium::Ip => reflect_packet(&mut window, policy, caller),
            };
            counters.count(verdict, whole_octets);
            observer.judged(window.first(), whole_octets, verdict);
            verdict.is_sent()
        });
        if !refused.is_empty() {
            port.recycle(&mut refused);
        }
        transmit(port, observer, pending, &mut turn)?;
    }
    turn.pending_frames = pending.len();
    port.kick()?;
    Ok(turn)
}

#[inline(always)]
fn transmit<const N: usize, P: Port, O: Observer>(
    port: &mut P,
    observer: &mut O,
    pending: &mut Burst<N>,
    turn: &mut Turn,
) -> Result<(), P::Error> {
    let frames_before = pending.len();
    let packets_before = if O::IS_LOOKING { pending.packets() } else { 0 };
    let outcome = port.transmit(pending);
    let taken = frames_before.saturating_sub(pending.len());
    if taken > 0 {
        turn.transmitted_frames = turn.transmitted_frames.saturating_add(taken);
        if O::IS_LOOKING {
            observer.burst_transmitted(packets_before.saturating_sub(pending.packets()));
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{boxed::Box, vec::Vec};

    use super::*;
    use crate::port::{
        Frame, Limits,
        memory::{
            MemoryPort, Wire, WireBusy,
            tests::{receive, send},
        },
    };

    const PROBE: &[u8] = b"\x45\x00\x00\x28\x00\x00\x40\x00\x40\x11\xb6\xc1\xc0\x00\x02\x01\
        \xc0\x00\x02\x02\x9c\x40\x0f\x02\x00\x14\x00\x00RFC2544.....";

    /// A port whose frames are packets, as a tunnel's are.
    struct Tunnel<'wire>(MemoryPort<'wire, 16, 128>);

    impl Port for Tunnel<'_> {
        type Error = WireBusy;
        const MEDIUM: Medium = Medium::Ip;

        fn limits(&self) -> &Limits {
            self.0.limits()
        }

        fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), WireBusy> {
            self.0.receive(burst)
        }

        fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), WireBusy> {
            self.0.transmit(burst)
        }

        fn reserve<const N: usize>(&mut self, burst: &mut Burst<N>) {
            self.0.reserve(burst);
        }

        fn recycle<const N: usize>(&mut self, burst: &mut Burst<N>) {
            self.0.recycle(burst);
        }

        fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]> {
            self.0.octets(frame)
        }

        fn kick(&mut self) -> Result<(), WireBusy> {
            self.0.kick()
        }
    }

    #[test]
    fn a_port_of_packets_is_turned_without_an_ethernet_header() {
        let wire = Box::new(Wire::<16, 128>::new());
        let [mut tester, port] = wire.ports().unwrap();
        let (mut port, mut pending) = (Tunnel(port), Burst::new());
        let policy = Policy::builder().any_destination().build().unwrap();
        let mut counters = Counters::new();
        send(&mut tester, &[PROBE]);
        port.turn(&policy, &mut (), &mut counters, &mut (), &mut pending).unwrap();
        let answers = receive(&mut tester);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0][8], 0x3f, "one hop less");
        assert_eq!(answers[0][12..24], *b"\xc0\x00\x02\x02\xc0\x00\x02\x01\x0f\x02\x9c\x40");
        // The same octets as a frame of Ethernet are nobody's.
        let [mut tester, mut frames] = wire.ports().unwrap();
        send(&mut tester, &[PROBE]);
        frames.turn(&policy, &mut (), &mut counters, &mut (), &mut Burst::new()).unwrap();
        assert!(receive(&mut tester).is_empty());
    }

    #[test]
    fn turns_of_two_frames_at_a_time_answer_all_in_order() {
        let wire = Box::new(Wire::<16, 128>::new());
        let [mut tester, port] = wire.ports().unwrap();
        let (mut port, mut pending) = (Tunnel(port), Burst::<2>::sized());
        let policy = Policy::builder().any_destination().build().unwrap();
        let mut counters = Counters::new();
        send(&mut tester, &[PROBE; 7]);
        let mut frames = Vec::new();
        while let Ok(turn) = port.turn(&policy, &mut (), &mut counters, &mut (), &mut pending)
            && !turn.is_idle()
        {
            frames.push(turn.received_frames);
        }
        assert_eq!(frames, [2, 2, 2, 1]);
        assert_eq!(receive(&mut tester).len(), 7);
    }
}
