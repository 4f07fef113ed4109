//! No frame bounces for ever: between two reflectors under any two policies of
//! a grid, and between a reflector and a service that answers by itself.
//!
//! Whether it could is asked of the whole walk: a frame that someone answers is
//! put before the other end, until one of them refuses it.

use farend_core::{Datagram, Guards, Kind, MacAddress, Policy, reflect, reflect_datagram};
use farend_truth::options::{PolicyOptions, Prefix};

/// Answers that one frame may draw: one for each hop that is left, and there are
/// 255 at most.
const ANSWERS_MAX: usize = 255;

const MACS: [[u8; 6]; 2] = [[0x00, 0xc0, 0x17, 0, 0, 1], [0x00, 0xc0, 0x17, 0, 0, 2]];
const ADDRESSES: [[u8; 4]; 2] = [[192, 0, 2, 1], [192, 0, 2, 2]];
const PORTS: [u16; 6] = [7, 53, 862, 3842, 5_000, 40_000];

/// An Ethernet frame with a probe from one end to the other.
fn frame(from: usize, ports: [u16; 2], is_ipv6: bool, hop_limit: u8) -> Vec<u8> {
    let payload = b"RFC2544.....";
    let mut udp = Vec::new();
    udp.extend(ports.map(u16::to_be_bytes).concat());
    udp.extend([0, 20, 0, 0]);
    udp.extend(payload);
    let to = 1 - from;
    let mut frame = [MACS[to], MACS[from]].concat();
    if is_ipv6 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 17, hop_limit]);
        for [a, b, c, d] in [ADDRESSES[from], ADDRESSES[to]] {
            frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]);
        }
    } else {
        let mut header = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, hop_limit, 17, 0, 0];
        header.extend([ADDRESSES[from], ADDRESSES[to]].concat());
        let sum = farend_truth::oracle::checksum::sum(&header);
        header[10..12].copy_from_slice(&(!sum).to_be_bytes());
        frame.extend([8, 0]);
        frame.extend(header);
    }
    frame.extend(udp);
    frame
}

/// Policies of one end: each combination of ports, modes, signatures and ways
/// to name the other end a tester. Every guard is on.
fn grid(end: usize) -> Vec<(String, Policy)> {
    let other: std::net::IpAddr = ADDRESSES[1 - end].into();
    let [a, b, c, d] = ADDRESSES[1 - end];
    let other_ipv6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d];
    let host = |address: std::net::IpAddr| Prefix {
        address,
        bits: if address.is_ipv4() { 32 } else { 128 },
    };
    let any = |address: std::net::IpAddr| Prefix { address, bits: 0 };
    let allowed = [
        vec![],
        vec![host(other), host(other_ipv6.into())],
        vec![any([0; 4].into()), any([0; 16].into())],
    ];
    let testers = [vec![], vec![[0x02, 0, 0]]];
    let kinds = [farend_truth::options::BUILT_IN.to_vec(), vec![Kind::Any]];
    let ports = PORTS.into_iter().map(Some).chain([None]);
    let mut policies = Vec::new();
    for port in ports {
        for mode in farend_truth::agreement::MODES {
            for kinds in &kinds {
                for allowed in &allowed {
                    for tester_ouis in &testers {
                        let options = PolicyOptions {
                            own_mac: MACS[end],
                            port,
                            mode,
                            kinds: kinds.clone(),
                            allowed: allowed.clone(),
                            tester_ouis: tester_ouis.clone(),
                            ..PolicyOptions::default()
                        };
                        // What the core refuses to build cannot be run.
                        let Ok(policy) = options.build() else { continue };
                        policies.push((options.to_string(), policy));
                    }
                }
            }
        }
    }
    policies
}

/// Puts a frame before one end, then each answer before the other; how many
/// answers there were. Gives up when there were more than may be.
fn bounce(mut frame: Vec<u8>, mut end: usize, policies: [&Policy; 2]) -> usize {
    for answers in 0..=ANSWERS_MAX {
        if !reflect(&mut frame[..], policies[end], &mut ()).is_sent() {
            return answers;
        }
        end = 1 - end;
    }
    ANSWERS_MAX + 1
}

#[test]
fn two_reflectors_bounce_no_frame_for_ever_under_any_two_policies() {
    let (near, far) = (grid(0), grid(1));
    assert!(near.len() > 200, "{} policies", near.len());
    let (mut pairs, mut bounced) = (0_u64, 0_u64);
    // Each policy against each other one, with one of the frames in turn: every
    // frame meets every policy of either end many times.
    let mut frames = Vec::new();
    for from in [0, 1] {
        for source in PORTS {
            for destination in PORTS {
                for is_ipv6 in [false, true] {
                    frames.push((from, frame(from, [source, destination], is_ipv6, 255)));
                }
            }
        }
    }
    let mut turn = 0;
    for (near_options, near) in &near {
        for (far_options, far) in &far {
            pairs += 1;
            // Those between the served ports can loop; others are refused at once.
            let between: Vec<_> = [(near.port(), far.port()), (None, None)]
                .into_iter()
                .filter_map(|(one, other)| Some((one?, other?)))
                .collect();
            let served = between.iter().flat_map(|(one, other)| {
                [
                    (0, frame(0, [*one, *other], false, 255)),
                    (1, frame(1, [*other, *one], true, 255)),
                ]
            });
            turn += 1;
            let drawn = frames[turn % frames.len()].clone();
            for (from, octets) in served.chain([drawn]) {
                let answers = bounce(octets, 1 - from, [near, far]);
                bounced += u64::from(answers > 1);
                assert!(
                    answers <= ANSWERS_MAX,
                    "for ever between `{near_options}` and `{far_options}`"
                );
            }
        }
    }
    println!("{pairs} pairs of policies, {bounced} frames were answered more than once");
    // Otherwise the hop limit was never what ended a walk.
    assert!(bounced > 100, "{bounced}");
}

#[test]
fn without_the_falling_hop_limit_the_same_walk_has_no_end() {
    let policy = |end: usize, port| {
        Policy::builder()
            .own_mac(MacAddress(MACS[end]))
            .port(port)
            .guards(Guards::ALL.without(Guards::HOP_LIMIT))
            .build()
            .unwrap()
    };
    let (near, far) = (policy(0, 5_000), policy(1, 6_000));
    let octets = frame(0, [5_000, 6_000], false, 64);
    assert_eq!(bounce(octets.clone(), 1, [&near, &far]), ANSWERS_MAX + 1);
    let guarded = Policy::builder().own_mac(MacAddress(MACS[1])).port(6_000).build().unwrap();
    assert!(bounce(octets, 1, [&near, &guarded]) < 130, "one guarded end is enough");
}

/// Answers as a reflector does on a system that does not tell its sockets the hop
/// limit: as the core decides, with a hop limit of its own.
fn answer_from_socket(frame: &mut [u8], policy: &Policy, ports: [u16; 2]) -> bool {
    let [from, to] = ports;
    let datagram = Datagram {
        source: (ADDRESSES[0], from).into(),
        destination: (ADDRESSES[1], to).into(),
        hop_limit: None,
    };
    reflect_datagram(&mut frame[34..], &datagram, policy, &mut ()).is_sent() && serve(frame, to)
}

#[test]
fn no_reflector_keeps_a_frame_going_with_one_that_cannot_lower_the_hop_limit() {
    let mut answered = [0, 0];
    let socket = |port| Policy::builder().any_destination().port(port).build().unwrap();
    for own in PORTS.into_iter().chain([32_767, 32_768, 65_535]) {
        let near = Policy::builder().own_mac(MacAddress(MACS[0])).port(own).build().unwrap();
        for other in PORTS.into_iter().chain([32_767, 32_768, 65_535]) {
            let far = socket(other);
            let mut octets = frame(1, [other, own], false, 64);
            // No known tester's.
            octets[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
            let mut answers = 0;
            while reflect(&mut octets[..], &near, &mut ()).is_sent() {
                answered[0] += 1;
                if !answer_from_socket(&mut octets, &far, [own, other]) {
                    break;
                }
                answered[1] += 1;
                answers += 1;
                assert!(answers < 4, "for ever between {own} and a socket on {other}");
            }
        }
    }
    // Ordinary pairs are answered once.
    assert!(answered[0] > 10, "{answered:?}");
}

/// Answers as a service does that answers by itself: to whence it came, from its
/// own port, with a hop limit of its own. Whether it keeps the payload (echo) or
/// not makes no difference to a policy that answers any signature.
fn serve(frame: &mut [u8], port: u16) -> bool {
    let (ip, is_ipv6) = (14, frame[12] == 0x86);
    let udp = if is_ipv6 { ip + 40 } else { ip + 20 };
    if frame[udp + 2..udp + 4] != port.to_be_bytes() {
        return false;
    }
    for octet in 0..6 {
        frame.swap(octet, 6 + octet);
    }
    let (source, count) = if is_ipv6 { (ip + 8, 16) } else { (ip + 12, 4) };
    for octet in source..source + count {
        frame.swap(octet, octet + count);
    }
    frame.swap(udp, udp + 2);
    frame.swap(udp + 1, udp + 3);
    if is_ipv6 {
        frame[ip + 7] = 64;
    } else {
        frame[ip + 8] = 64;
        frame[ip + 10..ip + 12].fill(0);
        let sum = farend_truth::oracle::checksum::sum(&frame[ip..ip + 20]);
        frame[ip + 10..ip + 12].copy_from_slice(&(!sum).to_be_bytes());
    }
    true
}

#[test]
fn no_service_that_answers_by_itself_is_answered_twice() {
    let services = [7, 13, 17, 19, 37, 53, 69, 123, 161, 862, 1900];
    let mut met = 0_u64;
    for (options, policy) in grid(1) {
        for service in services {
            for is_ipv6 in [false, true] {
                // Forged: from the service, to the reflector.
                let port = policy.port().unwrap_or(40_000);
                let mut octets = frame(0, [service, port], is_ipv6, 64);
                let mut answers = 0;
                while reflect(&mut octets[..], &policy, &mut ()).is_sent()
                    && serve(&mut octets, service)
                {
                    answers += 1;
                    assert!(answers < 4, "port {service} for ever with `{options}`");
                }
                met += 1;
            }
        }
    }
    assert!(met > 1_000, "{met}");
}

#[test]
fn a_service_is_answered_for_ever_where_the_guard_is_off() {
    // The model is no toy: without the guard it does loop.
    let policy = Policy::builder()
        .own_mac(MacAddress(MACS[1]))
        .guards(Guards::ALL.without(Guards::LOOP_RISK))
        .build()
        .unwrap();
    let mut octets = frame(0, [7, 3_842], false, 64);
    for _ in 0..1_000 {
        assert!(reflect(&mut octets[..], &policy, &mut ()).is_sent());
        assert!(serve(&mut octets, 7));
    }
}
