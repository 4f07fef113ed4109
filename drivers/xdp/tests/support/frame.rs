//! Test frames, built and turned round octet by octet, apart from the code
//! under test.

pub(crate) const FAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const PORT: u16 = 3842;

/// A tag as it is on the wire: TPID and TCI.
pub(crate) type Tag = (u16, u16);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ip {
    V4,
    V6,
}

/// An ITO frame from near to far of this length, FCS not counted, with a number
/// in its last octets.
pub(crate) fn probe(ip: Ip, tags: &[Tag], octets: usize, number: u32) -> Vec<u8> {
    let mut frame = [FAR, NEAR].concat();
    for (tpid, tci) in tags {
        frame.extend(tpid.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    let network = frame.len() + 2;
    let udp_octets = u16::try_from(octets - network - if ip == Ip::V4 { 20 } else { 40 }).unwrap();
    match ip {
        Ip::V4 => {
            frame.extend([0x08, 0x00, 0x45, 0]);
            frame.extend((udp_octets + 20).to_be_bytes());
            frame.extend([0, 1, 0x40, 0, 64, 17, 0, 0, 198, 18, 0, 2, 198, 18, 0, 1]);
            let sum = checksum(&frame[network..]);
            frame[network + 10..network + 12].copy_from_slice(&sum.to_be_bytes());
        }
        Ip::V6 => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(udp_octets.to_be_bytes());
            frame.extend([17, 64]);
            for host in [2, 1] {
                frame.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
            }
        }
    }
    frame.extend(40_000_u16.to_be_bytes());
    frame.extend(PORT.to_be_bytes());
    frame.extend(udp_octets.to_be_bytes());
    // Not looked at by a reflector; wrong on purpose, so that nobody repairs it
    // unseen.
    frame.extend([0xba, 0xd0]);
    frame.extend(b"\x01\x02\x03\x04\x05PROBEOT");
    frame.resize(octets - 4, 0xa5);
    frame.extend(number.to_be_bytes());
    frame
}

/// The number that a probe or an answer ends with.
pub(crate) fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(*frame.last_chunk().unwrap())
}

/// The answer that a frame with these tags must get.
pub(crate) fn answer(ip: Ip, tags: &[Tag], frame: &[u8]) -> Vec<u8> {
    let mut answer = frame.to_vec();
    let network = 14 + 4 * tags.len();
    let (address, octets) = if ip == Ip::V4 { (network + 12, 4) } else { (network + 8, 16) };
    let transport = address + 2 * octets;
    for (at, octets) in [(0, 6), (address, octets), (transport, 2)] {
        answer[at..at + 2 * octets].rotate_left(octets);
    }
    // The hop limit falls by one.
    if ip == Ip::V4 {
        answer[network + 8] -= 1;
        answer[network + 10..network + 12].fill(0);
        let sum = checksum(&answer[network..network + 20]);
        answer[network + 10..network + 12].copy_from_slice(&sum.to_be_bytes());
    } else {
        answer[network + 7] -= 1;
    }
    answer
}

/// An ICMP echo request (ping) from near to far.
pub(crate) fn echo_request() -> Vec<u8> {
    let mut frame = [FAR, NEAR].concat();
    frame.extend([0x08, 0x00, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 1, 0, 0]);
    frame.extend([198, 18, 0, 2, 198, 18, 0, 1]);
    frame.extend([8, 0, 0, 0, 0, 1, 0, 1]);
    frame.resize(60, 0x77);
    for (at, range) in [(24, 14..34), (36, 34..60)] {
        let sum = checksum(&frame[range]);
        frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

/// The Internet checksum (RFC 1071) of an even number of octets.
fn checksum(octets: &[u8]) -> u16 {
    let sum: u32 =
        octets.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap()
}
