//! The corpus of odd frames through each tier on a veth pair: verdict and
//! octets must be the oracle's. Needs root.
//!
//! A tier is opened as the program opens it, once for each policy, with the
//! options of the command line. Frames of one policy and one verdict go out
//! together: then exactly that verdict's counter must go up, by exactly as
//! many frames, and exactly their answers must come back. What nobody answers
//! must bring nothing back until the tier is closed.
//!
//! What a tier on a wire does not see as the corpus has it, and how that is met:
//!
//! - Frames below 14 octets: a packet socket sends none without an Ethernet
//!   header. Not run; they run over slices and raw pointers.
//! - `xdp`, `xdp-generic`, `af-xdp`: of a frame in fragments whose packet ends in the
//!   first one, no more octets than those of that one may be *counted* (asking
//!   for all would cost every frame a call); it comes back whole all the same.
//! - `af-packet`: the kernel takes the outer VLAN tag off before any tap sees
//!   the frame, and drops a frame that ends less than two octets behind its
//!   tag. Those must bring nothing back and be counted nowhere. All other tags
//!   are put back by the tier, so its answers are compared octet for octet.
//! - `udp`: see [`socket`].
#![cfg(target_os = "linux")]

mod options;
mod socket;
#[path = "../support/mod.rs"]
mod support;
mod tester;

use farend_core::{MacAddress, Reason, Verdict};
use farend_truth::{
    corpus::{self, Entry},
    oracle,
};
use farend_xdp::tier::TierChoice;
use support::{
    namespace::{Pair, inside},
    pass::Pass,
};
use tester::{Case, Fate, Tester};

/// Room for every frame of the corpus.
const MTU_OCTETS: u32 = 9_200;

/// The tester's end; most frames of the corpus come from there.
const TESTER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

/// Octets without which a packet socket sends no frame.
const ETHERNET_HEADER_OCTETS: usize = 14;

/// Less than the first fragment of any frame that comes in fragments: a page
/// without the room that the kernel keeps before and behind.
const FRAGMENT_OCTETS_MIN: usize = 3_072;

/// Octets of an Ethernet header, a tag and two more, which the kernel wants to
/// see before it takes the tag off (`skb_vlan_untag`).
const TAGGED_OCTETS_MIN: usize = 20;

/// Sends all of the corpus through a tier and compares.
fn check(pair: &Pair, tier: TierChoice, fate: fn(&Entry) -> Fate) {
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    assert!(entries.len() > 400, "{} frames are not the corpus", entries.len());
    let mut tester = Tester::new(pair, tier);
    // Tiers are opened in the network of the thread that asks.
    inside(&pair.far, move || {
        for (policy, entries) in corpus::by_policy(&entries) {
            let cases = entries.iter().map(|entry| Case { entry, fate: fate(entry) });
            tester.run(&policy, cases.collect());
        }
        tester.finish(entries.len());
    });
}

/// What becomes of a frame on a tier that sees frames.
fn fate_of_frame(entry: &Entry) -> Fate {
    if entry.octets.len() < ETHERNET_HEADER_OCTETS {
        return Fate::NotRun("a packet socket sends no frame without an Ethernet header");
    }
    if let Some(fate) = over_the_cap(entry) {
        return fate;
    }
    let octets = entry.octets.len();
    let outcome = oracle::reflect(&entry.octets, &entry.options);
    let answer = matches!(outcome.verdict, Verdict::Reflect(_)).then_some(outcome.octets);
    Fate::Seen { verdict: outcome.verdict, octets: octets..=octets, answer }
}

/// A frame that comes after others in the oracle's mind, and first here.
fn over_the_cap(entry: &Entry) -> Option<Fate> {
    (entry.verdict == Verdict::Refuse(Reason::RateCap))
        .then_some(Fate::NotRun("a reflector that has just started has a permit for it"))
}

/// What becomes of a frame in the kernel.
fn fate_in_kernel(entry: &Entry) -> Fate {
    let mut fate = fate_of_frame(entry);
    if let (Fate::Seen { octets, .. }, Ok(dissection)) =
        (&mut fate, oracle::dissect(&entry.octets, &entry.options))
        && *octets.end() > FRAGMENT_OCTETS_MIN
        && dissection.packet.end < FRAGMENT_OCTETS_MIN
    {
        *octets = FRAGMENT_OCTETS_MIN..=*octets.end();
    }
    fate
}

/// Whether the kernel drops a frame while it takes its tag off.
fn is_dropped_with_its_tag(frame: &[u8]) -> bool {
    let is_tagged = matches!(frame.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8]));
    is_tagged && frame.len() < TAGGED_OCTETS_MIN
}

#[test]
fn the_corpus_through_xdp_is_answered_as_the_oracle_says() {
    let Some(pair) = Pair::without_addresses(MTU_OCTETS) else { return };
    // Without a program at the other end, veth drops what XDP sends back.
    let _pass = Pass::attach(&pair.near, "near");
    check(&pair, TierChoice::Xdp, fate_in_kernel);
}

#[test]
fn the_corpus_through_generic_xdp_is_answered_as_the_oracle_says() {
    let Some(pair) = Pair::without_addresses(MTU_OCTETS) else { return };
    check(&pair, TierChoice::XdpGeneric, fate_in_kernel);
}

#[test]
fn the_corpus_through_af_xdp_is_answered_as_the_oracle_says() {
    let Some(pair) = Pair::without_addresses(MTU_OCTETS) else { return };
    check(&pair, TierChoice::AfXdp, fate_of_frame);
}

#[test]
fn the_corpus_through_a_packet_socket_is_answered_as_the_oracle_says() {
    let Some(pair) = Pair::without_addresses(MTU_OCTETS) else { return };
    check(&pair, TierChoice::AfPacket, |entry| {
        if is_dropped_with_its_tag(&entry.octets) {
            return Fate::Unseen("it ends less than two octets behind its tag");
        }
        fate_of_frame(entry)
    });
}

#[test]
fn the_corpus_through_udp_sockets_is_answered_as_the_oracle_says() {
    let Some(pair) = Pair::without_addresses(MTU_OCTETS) else { return };
    check(&pair, TierChoice::Udp, socket::fate);
}
