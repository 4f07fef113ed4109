//! What must hold of every frame under every policy.
//!
//! One body for the corpus, for random frames and for the fuzzers.

use farend_core::{
    Caller, Class, Guards, Mode, Policy, RawWindow, Reason, Verdict, inspect,
    reflect as core_reflect,
    reflect::{policy::RateCap, rate::Bucket},
    reflect_datagram, reflect_packet,
};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::{
    corpus::Entry,
    options::{PolicyOptions, Prefix},
    oracle::{self, Dissection, Outcome, checksum},
};

/// The core over an ordinary slice.
#[must_use]
pub fn reflect_slice(frame: &[u8], policy: &Policy) -> Outcome {
    let mut octets = frame.to_vec();
    let verdict = core_reflect(&mut octets[..], policy, &mut limit());
    Outcome { verdict, octets }
}

/// The core over raw pointers, as in the kernel.
#[must_use]
pub fn reflect_raw(frame: &[u8], policy: &Policy) -> Outcome {
    let mut octets = frame.to_vec();
    let verdict = core_reflect(&mut RawWindow::from(&mut octets[..]), policy, &mut limit());
    Outcome { verdict, octets }
}

/// The limit that the oracle has in mind.
fn limit() -> Refilled {
    Refilled(Bucket::empty(0))
}

/// A bucket that was emptied [`oracle::REFILL_TICKS`] before.
struct Refilled(Bucket);

impl Caller for Refilled {
    fn admit(&mut self, cap: &RateCap) -> bool {
        self.0.admit(cap, oracle::REFILL_TICKS)
    }
}

/// Something that does not hold, with the frame as a corpus file.
#[derive(Clone, Debug)]
pub struct Disagreement {
    what: String,
    entry: Entry,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nas a corpus file, with the oracle's verdict:\n{}", self.what, self.entry)
    }
}

/// Checks that slice, raw pointers and oracle agree on a frame, and what must
/// hold of any answer. Gives what they agreed on.
///
/// # Errors
///
/// What does not hold.
pub fn check(
    frame: &[u8],
    options: &PolicyOptions,
    policy: &Policy,
) -> Result<Outcome, Box<Disagreement>> {
    let truth = oracle::reflect(frame, options);
    let fails = |what: String| {
        Box::new(Disagreement { what, entry: as_corpus_file(frame, options, policy) })
    };
    for (name, outcome) in
        [("slice", reflect_slice(frame, policy)), ("raw pointers", reflect_raw(frame, policy))]
    {
        if outcome.verdict != truth.verdict {
            let (got, wanted) = (outcome.verdict, truth.verdict);
            return Err(fails(format!("{name}: {got:?}, but the oracle says {wanted:?}")));
        }
        if outcome.octets != truth.octets {
            let at = first_difference(&outcome.octets, &truth.octets);
            return Err(fails(format!("{name}: not the oracle's answer, from octet {at} on")));
        }
    }
    let looked = match inspect(frame, policy) {
        Ok(answer) => Verdict::Reflect(answer.kind),
        Err(reason) => Verdict::Refuse(reason),
    };
    if !is_same_look(looked, truth.verdict) {
        let wanted = truth.verdict;
        return Err(fails(format!("inspect: {looked:?}, but the oracle says {wanted:?}")));
    }
    let held = match truth.verdict {
        Verdict::Reflect(_) => check_answer(frame, &truth, options),
        _ if truth.octets != frame => Err("an unanswered frame was touched".to_owned()),
        _ => Ok(()),
    };
    held.map_err(fails)?;
    check_packet(frame, options).map_err(fails)?;
    Ok(truth)
}

/// Checks that the packet without its Ethernet header gets the verdict and the
/// answer that it gets with it, under a policy that asks nothing of the link.
fn check_packet(frame: &[u8], options: &PolicyOptions) -> Result<(), String> {
    let Some((header, packet)) = frame.split_at_checked(14) else { return Ok(()) };
    let version = packet.first().map(|first| first >> 4);
    if !matches!((&header[12..], version), ([0x08, 0], Some(4)) | ([0x86, 0xdd], Some(6))) {
        return Ok(());
    }
    let mut whole = frame.to_vec();
    whole[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    let options = PolicyOptions {
        own_mac: [2, 0, 0, 0, 0, 1],
        is_any_destination: true,
        source_oui: None,
        vlans: Vec::new(),
        tester_ouis: Vec::new(),
        mode: if options.mode == Mode::Mac { Mode::MacIp } else { options.mode },
        ..options.clone()
    };
    // Some policies cannot do without what was taken away.
    let Ok(policy) = options.build() else { return Ok(()) };
    let truth = oracle::reflect(&whole, &options);
    if truth.verdict == Verdict::Refuse(Reason::HeaderDepth) {
        return Ok(()); // Without the header, more is in sight.
    }
    let mut octets = packet.to_vec();
    let verdict = reflect_packet(&mut octets[..], &policy, &mut limit());
    if verdict != truth.verdict {
        return Err(format!("packet: {verdict:?}, but the oracle says {:?}", truth.verdict));
    }
    if octets != truth.octets[14..] {
        let at = first_difference(&octets, &truth.octets[14..]);
        return Err(format!("packet: not the oracle's answer, from octet {at} on"));
    }
    Ok(())
}

/// Whether looking alone, which asks no rate cap, came to the same.
fn is_same_look(looked: Verdict, verdict: Verdict) -> bool {
    looked == verdict || looked.is_sent() && verdict.class() == Class::Dropped
}

/// A frame as an entry of the corpus with the oracle's verdict. Its text is
/// ready to become a file.
#[must_use]
pub fn as_corpus_file(frame: &[u8], options: &PolicyOptions, policy: &Policy) -> Entry {
    Entry {
        name: String::new(),
        what: "found by a random test".to_owned(),
        options: options.clone(),
        policy: policy.clone(),
        verdict: oracle::reflect(frame, options).verdict,
        octets: frame.to_vec(),
        answer: None,
    }
}

/// Octets that two frames have in common at the start.
#[must_use]
pub fn first_difference(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn check_answer(frame: &[u8], answered: &Outcome, options: &PolicyOptions) -> Result<(), String> {
    let answer = &answered.octets;
    if answer.len() != frame.len() {
        return Err(format!("{} octets became {}", frame.len(), answer.len()));
    }
    let dissection = oracle::dissect(frame, options).map_err(|verdict| format!("{verdict:?}"))?;
    check_sums(frame, answer, &dissection)?;
    let back = way_back(options, &dissection.packet);
    let policy = back.build()?;
    let again = reflect_slice(answer, &policy);
    if again.verdict != answered.verdict {
        return Err(format!("the answer's verdict is {:?}", again.verdict));
    }
    let mut once_less = frame.to_vec();
    if options.has(Guards::HOP_LIMIT) {
        oracle::lower_hop_limit(&mut once_less, &dissection.packet);
    }
    if again.octets != once_less {
        let at = first_difference(&again.octets, &once_less);
        return Err(format!("turned round twice, it is another frame from octet {at} on"));
    }
    Ok(())
}

/// Both checksums must be as right, or as wrong, as they were.
fn check_sums(frame: &[u8], answer: &[u8], dissection: &Dissection) -> Result<(), String> {
    let packet = &dissection.packet;
    if packet.source.is_ipv4() {
        let header = packet.network_offset..packet.transport_offset;
        let (before, after) =
            (checksum::sum(&frame[header.clone()]), checksum::sum(&answer[header]));
        if before != after {
            return Err(format!("sum over the IPv4 header was {before:#x}, now {after:#x}"));
        }
    }
    let (before, after) =
        (checksum::udp_sum(frame, dissection), checksum::udp_sum(answer, dissection));
    if before != after {
        return Err(format!("sum over the UDP datagram was {before:#x}, now {after:#x}"));
    }
    Ok(())
}

/// A policy under which the answer to an answered frame is answered: any
/// destination, any port, either end, and the hop limit kept.
fn way_back(options: &PolicyOptions, packet: &oracle::Packet) -> PolicyOptions {
    let host = |address: IpAddr| Prefix { address, bits: if address.is_ipv4() { 32 } else { 128 } };
    PolicyOptions {
        is_any_destination: true,
        source_oui: None,
        port: None,
        allowed: vec![host(packet.source), host(packet.destination)],
        own_addresses: Vec::new(),
        guards_off: Guards::ALL,
        rate: None,
        ..options.clone()
    }
}

/// Checks that core and oracle agree on a datagram, and that its payload stays
/// as it is.
///
/// # Errors
///
/// What does not hold.
pub fn check_datagram(
    payload: &[u8],
    source: SocketAddr,
    destination: SocketAddr,
    hop_limit: Option<u8>,
    options: &PolicyOptions,
    policy: &Policy,
) -> Result<Verdict, String> {
    let mut octets = vec![0xa5; 8];
    octets.extend(payload);
    let datagram = farend_core::Datagram { source, destination, hop_limit };
    let verdict = reflect_datagram(&mut octets, &datagram, policy, &mut limit());
    let truth = oracle::reflect_datagram(payload, source, destination, hop_limit, options);
    let case = || format!("{source} to {destination} under `{options}`: {payload:02x?}");
    if verdict != truth {
        return Err(format!("{verdict:?}, but the oracle says {truth:?}: {}", case()));
    }
    if &octets[8..] != payload {
        return Err(format!("the payload was touched: {}", case()));
    }
    Ok(verdict)
}

/// Whether an address and a mode leave a frame's checksums as they were is the
/// core's claim; whether they were right at all is this.
#[must_use]
pub fn has_sound_sums(frame: &[u8], dissection: &Dissection) -> bool {
    let packet = &dissection.packet;
    let is_header_sound = match packet.source {
        IpAddr::V4(_) => {
            checksum::sum(&frame[packet.network_offset..packet.transport_offset]) == 0xffff
        }
        IpAddr::V6(_) => true,
    };
    let field = &frame[packet.transport_offset + 6..packet.transport_offset + 8];
    is_header_sound && (field == [0, 0] || checksum::udp_sum(frame, dissection) == 0xffff)
}

/// Modes, for tests that go through all of them.
pub const MODES: [Mode; 3] = [Mode::Mac, Mode::MacIp, Mode::All];
