//! A cassette that is cut anywhere, has a bit flipped anywhere, or is still being
//! written: what is found is right, and what is lost is said.

mod support;

use farend_cassette::{Cassette, HEAD_OCTETS, Memory, Tail, Writer};
use support::{HEAD, WHOLE, add, compacted, is_there, small};

#[test]
fn whole_cassette_has_every_exchange_by_index_and_by_walk() {
    for mut cassette in
        [Cassette::open(small()), Cassette::open_by_walk(small())].map(Result::unwrap)
    {
        assert!(WHOLE.iter().all(|number| is_there(&mut cassette, *number)));
        assert!(!is_there(&mut cassette, 12), "it has no end");
        assert!(!is_there(&mut cassette, 99));
        let check = cassette.check().unwrap();
        assert!(check.is_sound(), "{check:?}");
        assert_eq!((check.exchanges, check.streams, check.unfinished), (12, 3, 1));
    }
}

#[test]
fn cut_at_every_octet_keeps_what_was_whole_before() {
    let whole = small().0;
    let ends = record_ends(&whole);
    for cut in 0..whole.len() {
        let part = Memory(whole[..cut].to_vec());
        let Ok(mut cassette) = Cassette::open(part.clone()) else {
            assert!(cut < HEAD_OCTETS);
            continue;
        };
        for number in WHOLE {
            let is_whole = ends[usize::try_from(number).unwrap()] <= cut;
            assert_eq!(is_there(&mut cassette, number), is_whole, "cut {cut}, exchange {number}");
        }
        assert!(cassette.damage().is_empty(), "a torn tail is no damage: cut {cut}");
        let at_border = cut == HEAD_OCTETS || boundaries(&whole).contains(&cut);
        assert_eq!(cassette.tail() == Tail::Clean, at_border, "cut {cut}");
        appends_and_keeps(cassette, cut);
    }
}

/// After a torn tail, a writer goes on and nothing that was there is lost.
fn appends_and_keeps(mut cassette: Cassette<Memory>, cut: usize) {
    let before: Vec<u64> =
        WHOLE.into_iter().filter(|number| is_there(&mut cassette, *number)).collect();
    let mut writer = Writer::resume(cassette).unwrap();
    add(&mut writer, 40);
    let sink = writer.close(5_000).unwrap();
    let mut again = Cassette::open(sink).unwrap();
    assert!(again.is_closed());
    assert!(is_there(&mut again, 40), "cut {cut}");
    assert!(before.iter().all(|number| is_there(&mut again, *number)), "cut {cut}");
    assert!(again.check().unwrap().is_sound(), "cut {cut}");
}

#[test]
fn one_flipped_bit_is_never_a_wrong_answer_and_never_silent() {
    // 31 and 8 share no divisor: every position in an octet is among them.
    let step = if farend_effort::is_long() { 1 } else { 31 };
    for whole in [small().0, compacted().0] {
        for bit in (0..whole.len() * 8).step_by(step) {
            let mut broken = whole.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            let Ok(mut cassette) = Cassette::open(Memory(broken.clone())) else {
                assert!(bit / 8 < HEAD_OCTETS, "bit {bit}");
                continue;
            };
            // Octets of what is found are compared inside.
            let lost = WHOLE.iter().filter(|number| !is_there(&mut cassette, **number)).count();
            // Two only where a whole exchange stands among the pieces of another.
            assert!(lost <= 2, "bit {bit}: {lost} exchanges are lost with it");
            let check = cassette.check().unwrap();
            let is_told = !check.is_sound() || check.tail != Tail::Clean;
            assert!(is_told, "bit {bit}");
            assert!(bit / 8 >= HEAD_OCTETS);
            if bit % 61 == 0 {
                let mut walked = Cassette::open_by_walk(Memory(broken)).unwrap();
                let lost = WHOLE.iter().filter(|number| !is_there(&mut walked, **number)).count();
                assert!(lost <= 2, "bit {bit}, by walk");
            }
        }
    }
}

#[test]
fn damage_in_the_middle_is_named_and_what_is_behind_it_is_found() {
    let mut broken = small().0;
    let at = broken.windows(13).position(|part| part == b"the body of 2").unwrap();
    broken[at..at + 13].fill(0);
    let mut cassette = Cassette::open_by_walk(Memory(broken)).unwrap();
    let [damage] = *cassette.damage() else { panic!("{:?}", cassette.damage()) };
    assert!(damage.from <= at as u64 && (at as u64) < damage.to);
    assert!(!is_there(&mut cassette, 2));
    assert!(WHOLE.iter().filter(|number| **number != 2).all(|n| is_there(&mut cassette, *n)));
}

#[test]
fn record_at_another_place_does_not_pass() {
    let whole = small().0;
    // The first record doubled: the second is the same octets 8 or more further on.
    let end = boundaries(&whole)[0];
    let mut doubled = whole[..end].to_vec();
    doubled.extend_from_slice(&whole[HEAD_OCTETS..end]);
    let cassette = Cassette::open(Memory(doubled)).unwrap();
    assert_eq!(cassette.tail(), Tail::Torn { from: end as u64 });
}

#[test]
fn zeros_behind_the_last_record_are_its_end() {
    let mut padded = small().0;
    padded.resize(padded.len() + 10_000, 0);
    let mut cassette = Cassette::open(Memory(padded)).unwrap();
    assert!(matches!(cassette.tail(), Tail::Zeros { .. }));
    assert!(WHOLE.iter().all(|number| is_there(&mut cassette, *number)));
}

#[test]
fn file_made_to_cost_time_is_read_in_bounded_time() {
    // Each 8 octets claim to begin a record of 256 KiB.
    let mut file = HEAD.to_octets().to_vec();
    let claim = [0, 0, 4, 0, 0, 0, 0, 0];
    file.extend(claim.iter().cycle().take(4 << 20));
    let started = std::time::Instant::now();
    let cassette = Cassette::open(Memory(file)).unwrap();
    assert_eq!(cassette.exchanges(), 0);
    assert_eq!(cassette.damage().len(), 1);
    assert!(started.elapsed().as_secs() < 20);
}

/// Where each record ends.
fn boundaries(whole: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = HEAD_OCTETS;
    while at < whole.len() {
        at += u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) as usize;
        ends.push(at);
    }
    ends
}

/// Where the last record of each exchange ends, by number.
fn record_ends(whole: &[u8]) -> Vec<usize> {
    let mut ends = vec![0; 13];
    let mut at = HEAD_OCTETS;
    for end in boundaries(whole) {
        let exchange = u64::from_le_bytes(whole[at + 16..at + 24].try_into().unwrap());
        ends[usize::try_from(exchange).unwrap()] = end;
        at = end;
    }
    ends
}
