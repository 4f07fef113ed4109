//! Ports around ports: who wraps one gets another that does the same, and is
//! told of it ([`Traced`], [`Recorded`]) or spoils it ([`Faulty`]).

mod faulty;
mod recorded;
mod traced;

pub use faulty::{Faults, Faulty, Harm};
pub use recorded::{Direction, Record, Recorded};
pub use traced::{Event, Traced};

use super::Burst;

/// Moves the first packet of a burst to the end of another, if it fits there;
/// gives its frames.
fn move_packet<const N: usize, const M: usize>(
    from: &mut Burst<N>,
    to: &mut Burst<M>,
) -> Option<usize> {
    let (frames, _) = from.packet_at(0);
    if frames == 0 || frames > to.room() {
        return None;
    }
    for _ in 0..frames {
        if let Some(frame) = from.pop_front() {
            // There is room.
            let _none_refused = to.push(frame);
        }
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{boxed::Box, vec, vec::Vec};

    use super::*;
    use crate::port::{
        Port,
        memory::{MemoryPort, Wire},
    };

    type End<'wire> = MemoryPort<'wire, 64, 128>;

    fn wire() -> Box<Wire<64, 128>> {
        Box::new(Wire::new())
    }

    fn send(port: &mut impl Port, numbers: core::ops::Range<u8>) -> usize {
        let (mut blank, mut ready) = (Burst::new(), Burst::new());
        port.reserve(&mut blank);
        for number in numbers {
            let mut frame = blank.pop_front().unwrap();
            frame.truncate(60);
            port.octets(&mut frame).unwrap().fill(number);
            ready.push(frame).unwrap();
        }
        port.recycle(&mut blank);
        port.transmit(&mut ready).unwrap();
        let refused = ready.len();
        port.recycle(&mut ready);
        refused
    }

    fn receive(port: &mut impl Port) -> Vec<u8> {
        let mut burst = Burst::new();
        port.receive(&mut burst).unwrap();
        let numbers = (0..burst.len())
            .map(|at| port.octets(burst.get_mut(at).unwrap()).unwrap()[0])
            .collect();
        port.recycle(&mut burst);
        numbers
    }

    #[test]
    fn a_trace_tells_each_call_and_changes_none() {
        let wire = wire();
        let [one, mut other] = wire.ports().unwrap();
        let mut events = vec![];
        let mut traced = Traced::new(one, |event| events.push(event));
        assert_eq!(send(&mut traced, 0..3), 0);
        send(&mut other, 7..9);
        assert_eq!(receive(&mut traced), [7, 8]);
        traced.kick().unwrap();
        let wanted = [
            Event::Reserved { frames: 64 },
            Event::Recycled { frames: 61 },
            Event::Transmitted { taken: 3, refused: 0 },
            Event::Recycled { frames: 0 },
            Event::Received { frames: 2 },
            Event::Recycled { frames: 2 },
            Event::Kicked,
        ];
        assert_eq!(events, wanted);
        assert_eq!(receive(&mut other), [0, 1, 2]);
    }

    #[test]
    fn a_record_has_what_came_and_what_was_taken_and_not_what_was_refused() {
        struct Notes(Vec<(Direction, u8)>, Vec<(Direction, u8)>);
        impl Record for Notes {
            fn frame(&mut self, direction: Direction, octets: &[u8], _has_more: bool) {
                self.1.push((direction, octets[0]));
            }
            fn packet_ends(&mut self, is_kept: bool) {
                let packet = core::mem::take(&mut self.1);
                self.0.extend(packet.into_iter().filter(|_| is_kept));
            }
        }
        let wire = wire();
        let [one, mut other] = wire.ports().unwrap();
        let mut recorded = Recorded::new(one, Notes(vec![], vec![]));
        send(&mut other, 1..3);
        assert_eq!(receive(&mut recorded), [1, 2]);
        assert_eq!(send(&mut recorded, 0..40), 0);
        assert_eq!(send(&mut recorded, 40..80), 16);
        let (_, Notes(notes, _)) = recorded.into_parts();
        let wanted: Vec<_> = [(Direction::Ingress, 1), (Direction::Ingress, 2)]
            .into_iter()
            .chain((0..64).map(|number| (Direction::Egress, number)))
            .collect();
        assert_eq!(notes, wanted);
    }

    fn run(faults: Faults, seed: u64) -> (Vec<u8>, Harm) {
        let wire = wire();
        let [mut one, other] = wire.ports().unwrap();
        let mut port = Faulty::new(other, faults, seed);
        let mut got = vec![];
        for start in (0..200).step_by(20) {
            assert_eq!(send(&mut one, start..start + 20), 0);
            for _ in 0..20 {
                got.extend(receive(&mut port));
            }
        }
        let harm = *port.harm();
        let end: End<'_> = port.into_inner();
        assert_eq!(end.free_frames(), 64);
        (got, harm)
    }

    #[test]
    fn faults_are_drawn_from_the_seed_counted_and_lose_no_memory() {
        let all: Vec<u8> = (0..200).collect();
        assert_eq!(run(Faults::default(), 1), (all.clone(), Harm::default()));
        let (got, harm) = run(Faults { drop_ppm: 300_000, ..Faults::default() }, 1);
        assert_eq!(got.len() as u64 + harm.dropped, 200);
        assert!(harm.dropped > 20 && got.is_sorted());
        let (got, harm) = run(Faults { delay_ppm: 300_000, ..Faults::default() }, 1);
        assert!(got == all && harm.delayed > 3);
        let (got, harm) = run(Faults { duplicate_ppm: 300_000, ..Faults::default() }, 1);
        assert_eq!(got.len() as u64, 200 + harm.duplicated);
        assert!(harm.duplicated > 20 && got.is_sorted());
        let corrupt = Faults { corrupt_ppm: 300_000, ..Faults::default() };
        let (got, harm) = run(corrupt, 1);
        assert!(got.len() == 200 && harm.corrupted > 20);
        assert_eq!(run(corrupt, 1), (got, harm));
    }

    #[test]
    fn a_refused_transmission_leaves_the_burst_as_it_was() {
        let wire = wire();
        let [one, mut other] = wire.ports().unwrap();
        let mut faulty = Faulty::new(one, Faults { refuse_ppm: 1_000_000, ..Faults::default() }, 1);
        assert_eq!(send(&mut faulty, 0..5), 5);
        assert_eq!(faulty.harm().refused, 1);
        assert!(receive(&mut other).is_empty());
    }
}
