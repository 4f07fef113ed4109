//! Single cases that random scripts leave out or do not look at one by one.

use farend_af_xdp::{
    queue::{Losses, Queue, QueueError},
    ring::{Descriptor, RingError},
};
use farend_core::{
    Counters,
    port::{Burst, Port, Turn},
};
use farend_scripted_kernel::{
    frames,
    kernel::{Gone, Mood, ScriptedKernel, Sizes},
    ledger,
};

const SMALL: Sizes = Sizes {
    fill: 128,
    rx: 128,
    tx: 128,
    completion: 128,
    chunks: 256,
    chunk_octets: 256,
    base: 0,
    start: 0,
    burst_frames_max: 64,
};

fn queue(sizes: Sizes) -> Queue<ScriptedKernel> {
    let mut queue = Queue::new(ScriptedKernel::parts(sizes)).unwrap();
    queue.kernel_mut().set_mood(Mood::default());
    queue
}

type Outcome = Result<Turn, QueueError<Gone>>;

fn turn(queue: &mut Queue<ScriptedKernel>, pending: &mut Burst) -> Outcome {
    let mut counters = Counters::new();
    queue.turn(&frames::policy(), &mut (), &mut counters, &mut (), pending)
}

fn receive_jumbo(queue: &mut Queue<ScriptedKernel>, number: u32, pieces: usize) -> bool {
    queue.kernel_mut().receive(&frames::probe(number, pieces * 96), 96, 0)
}

#[test]
fn a_packet_in_pieces_is_judged_by_its_first_and_answered_whole() {
    let mut queue = queue(SMALL);
    let mut pending = Burst::new();
    assert!(receive_jumbo(&mut queue, 1, 18));
    turn(&mut queue, &mut pending).unwrap();
    assert_eq!(queue.kernel().sent, [frames::answer(1, 18 * 96)]);
    ledger::find(&mut queue, &[&pending]).unwrap();
}

#[test]
fn a_packet_whose_end_has_not_come_waits_in_the_ring() {
    let mut queue = queue(SMALL);
    let address = queue.kernel().fill.take().unwrap();
    let start = Descriptor::new(address, 96, Descriptor::HAS_MORE);
    assert!(queue.kernel().rx.put(start));
    let mut burst = Burst::new();
    queue.receive(&mut burst).unwrap();
    assert!(burst.is_empty());
    let address = queue.kernel().fill.take().unwrap();
    assert!(queue.kernel().rx.put(Descriptor::new(address, 10, 0)));
    queue.receive(&mut burst).unwrap();
    assert_eq!((burst.len(), burst.packet_at(0)), (2, (2, 106)));
    queue.recycle(&mut burst);
}

#[test]
fn a_packet_in_more_pieces_than_a_burst_holds_is_thrown_away_and_counted() {
    let mut queue = queue(SMALL);
    let mut pending = Burst::new();
    assert!(receive_jumbo(&mut queue, 1, 70));
    assert!(receive_jumbo(&mut queue, 2, 2));
    for _ in 0..3 {
        turn(&mut queue, &mut pending).unwrap();
    }
    assert_eq!(queue.kernel().sent, [frames::answer(2, 192)]);
    assert_eq!(*queue.losses(), Losses { receive_broken_frames: 70, ..Losses::default() });
    let found = ledger::find(&mut queue, &[&pending]).unwrap();
    assert_eq!(found.hand, 0);
}

#[test]
fn a_packet_in_more_pieces_than_tx_holds_is_thrown_away_and_counted() {
    let mut queue = queue(Sizes { tx: 4, ..SMALL });
    let mut pending = Burst::new();
    assert!(receive_jumbo(&mut queue, 1, 5));
    assert!(receive_jumbo(&mut queue, 2, 4));
    for _ in 0..2 {
        turn(&mut queue, &mut pending).unwrap();
    }
    assert_eq!(queue.kernel().sent, [frames::answer(2, 4 * 96)]);
    assert_eq!(queue.losses().unsendable_frames, 5);
    assert!(pending.is_empty());
}

#[test]
fn a_corrupt_piece_costs_its_packet_and_no_other() {
    let mut queue = queue(SMALL);
    let mut pending = Burst::new();
    let fill = queue.kernel().fill.clone();
    let rx = queue.kernel().rx.clone();
    let piece = |more| Descriptor::new(fill.take().unwrap(), 96, more);
    assert!(rx.put(piece(Descriptor::HAS_MORE)));
    assert!(rx.put(Descriptor::new(1 << 40, 96, Descriptor::HAS_MORE)));
    assert!(rx.put(piece(Descriptor::HAS_MORE)));
    assert!(rx.put(piece(0)));
    assert!(receive_jumbo(&mut queue, 7, 1));
    turn(&mut queue, &mut pending).unwrap();
    assert_eq!(queue.kernel().sent, [frames::answer(7, 96)]);
    let wanted = Losses { corrupt_descriptors: 1, receive_broken_frames: 3, ..Losses::default() };
    assert_eq!(*queue.losses(), wanted);
    ledger::find(&mut queue, &[&pending]).unwrap();
}

#[test]
fn one_kick_moves_thirty_two_and_a_turn_kicks_until_all_are_sent() {
    let mut queue = queue(SMALL);
    let mut pending = Burst::new();
    for number in 0..64 {
        assert!(receive_jumbo(&mut queue, number, 1));
    }
    let turned = turn(&mut queue, &mut pending).unwrap();
    assert_eq!((turned.received_frames, turned.transmitted_frames), (64, 64));
    assert_eq!((queue.kernel().sent.len(), queue.kernel().kicks), (64, 2));
    assert!(queue.is_drained().unwrap());
}

#[test]
fn a_busy_kernel_is_left_alone_and_asked_again() {
    let mut queue = queue(SMALL);
    let mut pending = Burst::new();
    queue.kernel_mut().set_mood(Mood { is_busy: true, ..Mood::default() });
    assert!(receive_jumbo(&mut queue, 1, 1));
    turn(&mut queue, &mut pending).unwrap();
    assert_eq!((queue.kernel().sent.len(), queue.kernel().kicks), (0, 2));
    assert!(!queue.is_drained().unwrap());
    queue.kernel_mut().set_mood(Mood::default());
    turn(&mut queue, &mut pending).unwrap();
    assert_eq!(queue.kernel().sent.len(), 1);
}

#[test]
fn a_kernel_that_asks_for_no_kick_gets_none() {
    let mut queue = queue(SMALL);
    let mut pending = Burst::new();
    queue.kernel_mut().set_mood(Mood { wants_kicks: false, ..Mood::default() });
    assert!(receive_jumbo(&mut queue, 1, 1));
    turn(&mut queue, &mut pending).unwrap();
    assert_eq!(queue.kernel().kicks, 0);
}

#[test]
fn what_tx_has_no_room_for_is_kept_and_sent_first() {
    let mut queue = queue(Sizes { tx: 8, ..SMALL });
    let mut pending = Burst::new();
    queue.kernel_mut().set_mood(Mood { is_busy: true, ..Mood::default() });
    for number in 0..20 {
        assert!(receive_jumbo(&mut queue, number, 1));
    }
    let turned = turn(&mut queue, &mut pending).unwrap();
    assert_eq!((turned.transmitted_frames, turned.pending_frames), (8, 12));
    queue.kernel_mut().set_mood(Mood::default());
    for _ in 0..3 {
        turn(&mut queue, &mut pending).unwrap();
    }
    let numbers: Vec<_> = queue.kernel().sent.iter().map(|sent| frames::number_of(sent)).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert!(pending.is_empty());
}

#[test]
fn completions_are_taken_by_an_idle_turn() {
    let mut queue = queue(SMALL);
    let mut pending = Burst::new();
    queue.kernel_mut().set_mood(Mood { completes_at_once: false, ..Mood::default() });
    assert!(receive_jumbo(&mut queue, 1, 1));
    turn(&mut queue, &mut pending).unwrap();
    assert_eq!(queue.ledger().unwrap().tx, 1);
    queue.kernel_mut().complete(usize::MAX);
    assert!(turn(&mut queue, &mut pending).unwrap().is_idle());
    assert_eq!((queue.ledger().unwrap().tx, queue.ledger().unwrap().completion), (0, 0));
}

#[test]
fn a_word_that_cannot_be_ends_the_queue_with_its_ring() {
    type Spoil = fn(&ScriptedKernel);
    let cases: [(&str, Spoil); 4] = [
        ("rx", |kernel| kernel.rx.corrupt_producer(129)),
        ("completion", |kernel| kernel.completion.corrupt_producer(u32::MAX)),
        ("tx", |kernel| kernel.tx.corrupt_consumer(1)),
        ("fill", |kernel| kernel.fill.corrupt_consumer(200)),
    ];
    for (wanted, spoil) in cases {
        let mut queue = queue(SMALL);
        spoil(queue.kernel());
        let error = turn(&mut queue, &mut Burst::new()).unwrap_err();
        let QueueError::Ring { ring, error: RingError::Corrupt { .. } } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*ring, wanted);
        assert!(error.to_string().starts_with(&format!("the {wanted} ring is broken")));
    }
}

#[test]
fn an_interface_that_is_gone_ends_the_queue_and_no_frame_is_lost() {
    let mut queue = queue(SMALL);
    let mut pending = Burst::new();
    queue.kernel_mut().set_mood(Mood { is_gone: true, ..Mood::default() });
    assert!(receive_jumbo(&mut queue, 1, 1));
    assert_eq!(turn(&mut queue, &mut pending), Err(QueueError::Kernel(Gone)));
    ledger::find(&mut queue, &[&pending]).unwrap();
}

#[test]
fn another_queues_frame_is_neither_sent_nor_lost() {
    let mut one = queue(SMALL);
    let mut parts = ScriptedKernel::parts(SMALL);
    parts.pool = farend_core::port::PoolId(2);
    let mut other = Queue::new(parts).unwrap();
    let mut burst = Burst::new();
    other.reserve(&mut burst);
    let before = burst.len();
    assert!(one.octets(burst.get_mut(0).unwrap()).is_none());
    assert_eq!(one.transmit(&mut burst), Err(QueueError::ForeignFrame));
    one.recycle(&mut burst);
    assert_eq!(burst.len(), before);
    other.recycle(&mut burst);
    assert!(burst.is_empty());
}
