//! Two ends of a handshake in one process, and what stands between them.

use super::*;
use crate::identity;

const ANN: &str = "192.0.2.1:1";
const BEN: &str = "192.0.2.2:2";

/// A key that is gone with the test.
fn made(name: &str) -> Identity {
    let name = format!("farend-tun-handshake-{name}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let identity = identity::generate_or_load(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    identity
}

/// Carries datagrams until nothing moves; gives what each side got, and how
/// many datagrams went each way.
fn carry(
    ann: &mut Handshakes,
    ben: &mut Handshakes,
    now: Instant,
) -> ([Vec<Established>; 2], [usize; 2]) {
    let places: [SocketAddr; 2] = [ANN.parse().unwrap(), BEN.parse().unwrap()];
    let mut got = [Vec::new(), Vec::new()];
    let mut counts = [0; 2];
    for _round in 0..20 {
        for side in 0..2 {
            let (me, you) = if side == 0 { (&mut *ann, &mut *ben) } else { (&mut *ben, &mut *ann) };
            let mut sent: Vec<Vec<u8>> = Vec::new();
            got[side].extend(me.turn(now, &mut |_, octets| sent.push(octets.to_vec())));
            counts[side] += sent.len();
            let mut answers = Vec::new();
            for octets in sent {
                you.receive(now, places[side], &octets, &mut |_, octets| {
                    answers.push(octets.to_vec());
                });
            }
            for octets in answers {
                me.receive(now, places[1 - side], &octets, &mut |_, _| {});
            }
        }
    }
    (got, counts)
}

#[test]
fn both_sides_have_the_same_keys() {
    let (ann, ben) = (made("a1"), made("b1"));
    let both = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305];
    let mut one = Handshakes::new(&ann, ben.peer_id(), &both, false).unwrap();
    let mut two = Handshakes::new(&ben, ann.peer_id(), &both[1..], true).unwrap();
    let now = Instant::now();
    one.begin(now, BEN.parse().unwrap());
    let ([mine, theirs], counts) = carry(&mut one, &mut two, now);
    let (mine, theirs) = (&mine[0], &theirs[0]);
    assert_eq!(mine.sending, theirs.receiving);
    assert_eq!(mine.receiving, theirs.sending);
    assert_ne!(mine.sending, mine.receiving);
    assert_eq!((mine.epoch, mine.cipher), (theirs.epoch, theirs.cipher));
    assert_eq!(mine.cipher, Cipher::ChaCha20Poly1305);
    assert!(mine.is_initiator && !theirs.is_initiator);
    assert!(counts[0] <= 6 && counts[1] <= 6, "{counts:?}");
    // The next one has other keys and another epoch.
    let before = (mine.sending, mine.epoch);
    one.begin(now, BEN.parse().unwrap());
    let ([mine, _], _) = carry(&mut one, &mut two, now);
    assert_ne!((mine[0].sending, mine[0].epoch), before);
}

#[test]
fn wrong_key_gets_nothing_from_either_side() {
    let (ann, ben, eve) = (made("a2"), made("b2"), made("e2"));
    let cipher = [Cipher::Aes256Gcm];
    let now = Instant::now();
    // Ben waits for Ann, and Eve knocks as Eve.
    let mut two = Handshakes::new(&ben, ann.peer_id(), &cipher, true).unwrap();
    let mut evil = Handshakes::new(&eve, ben.peer_id(), &cipher, false).unwrap();
    evil.begin(now, BEN.parse().unwrap());
    let (got, counts) = carry(&mut evil, &mut two, now);
    assert!(got.iter().all(Vec::is_empty));
    assert_eq!(counts[1], 0, "a stranger was answered");
    // Eve waits where Ann believes Ben to be, and knows Ben's name.
    let mut one = Handshakes::new(&ann, ben.peer_id(), &cipher, false).unwrap();
    let mut evil = Handshakes::new(&eve, ann.peer_id(), &cipher, true).unwrap();
    evil.knock = Knock::new(ben.peer_id(), ann.peer_id());
    one.begin(now, BEN.parse().unwrap());
    let (got, _) = carry(&mut one, &mut evil, now);
    assert!(got.iter().all(Vec::is_empty));
    assert!(one.take_failure().is_some());
    // Eve knocks as Ann, with her own key.
    let mut evil = Handshakes::new(&eve, ben.peer_id(), &cipher, false).unwrap();
    evil.knock = Knock::new(ann.peer_id(), ben.peer_id());
    let mut two = Handshakes::new(&ben, ann.peer_id(), &cipher, true).unwrap();
    evil.begin(now, BEN.parse().unwrap());
    let ([_, theirs], _) = carry(&mut evil, &mut two, now);
    assert!(theirs.is_empty());
}

#[test]
fn strangers_datagrams_reach_no_quic() {
    let (ann, ben) = (made("a3"), made("b3"));
    let mut two = Handshakes::new(&ben, ann.peer_id(), &[Cipher::Aes256Gcm], true).unwrap();
    let from = ANN.parse().unwrap();
    let mut answers = 0;
    let mut random = 0x1234_5678_9abc_def0_u64;
    for _ in 0..10_000 {
        let mut octets = Vec::new();
        for _ in 0..160 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            octets.extend(random.to_be_bytes());
        }
        // A version that is not spoken, an id of any length, and so on.
        let is_taken = two.receive(Instant::now(), from, &octets, &mut |_, _| answers += 1);
        assert!(!is_taken);
        octets[0] |= 0xc0;
        octets[0] &= 0xcf;
        octets[1..6].copy_from_slice(&[0, 0, 0, 1, 20]);
        assert!(!two.receive(Instant::now(), from, &octets, &mut |_, _| answers += 1));
    }
    assert_eq!(answers, 0);
}
