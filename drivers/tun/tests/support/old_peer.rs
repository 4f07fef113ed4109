//! An older peer, written from the description of the header alone: types 0 to
//! 2 in clear, one packet at a time.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use farend_lab::{Lab, Wire};

const HEADER_OCTETS: usize = 19;

fn frame(sequence: u64, kind: u8, time: u64, payload: &[u8]) -> Vec<u8> {
    let mut octets = sequence.to_be_bytes().to_vec();
    octets.push(kind);
    octets.extend(time.to_be_bytes());
    octets.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    octets.extend(payload);
    octets
}

/// The checksum of RFC 1071.
fn checksum(octets: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for word in octets.chunks(2) {
        sum += u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// A UDP datagram in an IPv4 packet, with right checksums.
fn packet(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut udp = [from.1, to.1, length, 0].map(u16::to_be_bytes).concat();
    udp.extend(payload);
    let pseudo = [&from.0.octets()[..], &to.0.octets(), &[0, 17], &length.to_be_bytes()].concat();
    let sum = checksum(&[pseudo, udp.clone()].concat());
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut ip = vec![0x45, 0];
    ip.extend((20 + length).to_be_bytes());
    ip.extend([0, 1, 0, 0, 64, 17, 0, 0]);
    ip.extend(from.0.octets());
    ip.extend(to.0.octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    ip.extend(udp);
    ip
}

/// Exchanges echoes and a packet with `farend-tun`.
pub(crate) fn talk() {
    let (inner_near, inner_far) = (Ipv4Addr::new(10, 78, 0, 1), Ipv4Addr::new(10, 78, 0, 2));
    let lab = Lab::new(Wire::default()).unwrap();
    let far = SocketAddr::from((lab.far.ipv4, 9443));
    let peer = lab.far.namespace.run(|| UdpSocket::bind(far)).unwrap().unwrap();
    peer.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_farend-tun"));
    let connect = far.to_string();
    command.args(["--tun", "link0", "--tun-ip", "10.78.0.1", "--connect", &connect]);
    command.arg("--insecure-plaintext").stdout(Stdio::null());
    let _link = lab.near.namespace.spawn(command).unwrap();
    let begun = Instant::now();
    let patience = || assert!(begun.elapsed() < Duration::from_secs(20), "nothing came");
    let link = SocketAddr::from((lab.near.ipv4, 9443));
    let mut room = [0; 2_000];

    // It asks, and is answered with the number and the time of its question.
    let mut has_answered = false;
    // We ask, and are answered likewise.
    let mut is_answered = false;
    while !(has_answered && is_answered) {
        patience();
        peer.send_to(&frame(77, 1, 0x1234_5678_9abc, &[]), link).unwrap();
        let Ok((octets, from)) = peer.recv_from(&mut room) else { continue };
        assert_eq!(from, link);
        let size = usize::from(u16::from_be_bytes([room[17], room[18]]));
        assert_eq!(HEADER_OCTETS + size, octets);
        match room[8] {
            1 => {
                let mut reply = room[..HEADER_OCTETS].to_vec();
                reply[8] = 2;
                reply[17..19].fill(0);
                peer.send_to(&reply, from).unwrap();
                has_answered = true;
            }
            2 => {
                assert_eq!(room[..octets], frame(77, 2, 0x1234_5678_9abc, &[]));
                is_answered = true;
            }
            _ => {}
        }
    }

    // A packet in, and its answer out, both whole.
    let socket = lab.near.namespace.run(|| UdpSocket::bind((inner_near, 7_777))).unwrap().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let question = packet((inner_far, 40_000), (inner_near, 7_777), b"question");
    peer.send_to(&frame(78, 0, 1, &question), link).unwrap();
    let (octets, from) = socket.recv_from(&mut room).unwrap();
    assert_eq!((&room[..octets], from), (&b"question"[..], (inner_far, 40_000).into()));
    socket.send_to(b"an answer", from).unwrap();
    loop {
        patience();
        let Ok((octets, _)) = peer.recv_from(&mut room) else { continue };
        // The host sends packets of its own as well.
        if room[8] != 0 || room[HEADER_OCTETS] != 0x45 || room[HEADER_OCTETS + 9] != 17 {
            continue;
        }
        let answer = &room[HEADER_OCTETS..octets];
        assert_eq!(checksum(&answer[..20]), 0);
        let pseudo = [&answer[12..20], &[0, 17], &answer[24..26]].concat();
        assert_eq!(checksum(&[pseudo, answer[20..].to_vec()].concat()), 0);
        assert_eq!(&answer[28..], b"an answer");
        break;
    }
}
