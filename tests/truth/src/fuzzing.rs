//! The bodies of the fuzz targets: octets in, a panic if something does not
//! hold.
//!
//! The first two octets choose the policy, so that the rest can be a frame of
//! the corpus as it is.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::OnceLock,
};

use farend_core::Policy;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use crate::{
    agreement,
    corpus::{self, CorpusError, Entry},
    generator,
    options::PolicyOptions,
};

/// Random policies beside those of the corpus.
const RANDOM_POLICIES: usize = 400;

/// The fuzz targets, by the names of their binaries.
pub const TARGETS: [&str; 3] = ["reflect", "policy_from_octets", "reflect_datagram"];

type Choice = (PolicyOptions, Policy);

/// Those of the corpus in its order, then random ones, always the same.
fn choices() -> &'static [Choice] {
    static CHOICES: OnceLock<Vec<Choice>> = OnceLock::new();
    CHOICES.get_or_init(|| {
        let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
        let mut choices: Vec<Choice> = Vec::new();
        for Entry { options, policy, .. } in entries {
            if !choices.iter().any(|(known, _)| *known == options) {
                choices.push((options, policy));
            }
        }
        let mut runner = TestRunner::deterministic();
        for _ in 0..RANDOM_POLICIES {
            let Ok(tree) = generator::policies().new_tree(&mut runner) else { continue };
            let options = tree.current();
            if let Ok(policy) = options.build() {
                choices.push((options, policy));
            }
        }
        choices
    })
}

/// The chosen policy and the octets behind the choice.
fn choose(octets: &[u8]) -> Option<(&'static Choice, &[u8])> {
    let (chosen, rest) = octets.split_first_chunk()?;
    let choices = choices();
    Some((&choices[usize::from(u16::from_be_bytes(*chosen)) % choices.len()], rest))
}

/// A frame: slice, raw pointers and oracle must agree.
///
/// # Panics
///
/// If they do not.
pub fn reflect(octets: &[u8]) {
    let Some(((options, policy), frame)) = choose(octets) else { return };
    if let Err(disagreement) = agreement::check(frame, options, policy) {
        panic!("{disagreement}");
    }
}

/// A policy from anywhere: refused, or used without harm.
///
/// # Panics
///
/// If slice and raw pointers differ under it.
pub fn policy_from_octets(octets: &[u8]) {
    static FRAMES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let Ok(policy) = Policy::from_octets(octets) else { return };
    assert_eq!(policy.as_octets(), octets, "a policy is not the octets that it was read from");
    let frames = FRAMES.get_or_init(|| {
        let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
        // One of ten: enough of every sort, and quick.
        entries.into_iter().step_by(10).map(|entry| entry.octets).collect()
    });
    for frame in frames {
        let slice = agreement::reflect_slice(frame, &policy);
        assert_eq!(slice, agreement::reflect_raw(frame, &policy), "under {policy:?}");
        assert!(slice.verdict.is_sent() || slice.octets == *frame, "touched: {frame:02x?}");
    }
}

/// A datagram: core and oracle must agree.
///
/// # Panics
///
/// If they do not.
pub fn reflect_datagram(octets: &[u8]) {
    let parts = || {
        let ((options, policy), rest) = choose(octets)?;
        let (source, rest) = socket(rest)?;
        let (destination, rest) = socket(rest)?;
        let (hop_limit, payload) = rest.split_first()?;
        let hop_limit = (*hop_limit != u8::MAX).then_some(*hop_limit);
        Some(agreement::check_datagram(payload, source, destination, hop_limit, options, policy))
    };
    if let Some(Err(what)) = parts() {
        panic!("{what}");
    }
}

/// An IPv6 address, which may be a mapped IPv4 one, and a port.
fn socket(octets: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (address, rest) = octets.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk()?;
    let address = IpAddr::from(*address);
    // One lowest bit of the port more or less: every second mapped address is
    // given as the IPv4 one.
    let port = u16::from_be_bytes(*port);
    let address = if port.is_multiple_of(2) { address.to_canonical() } else { address };
    Some((SocketAddr::new(address, port), rest))
}

/// Writes what the fuzzers start from: a folder for each target.
///
/// # Errors
///
/// If the corpus cannot be read or a file cannot be written.
pub fn write_seeds(folder: &Path) -> io::Result<()> {
    let entries = corpus::load().map_err(|error: CorpusError| io::Error::other(error))?;
    for target in TARGETS {
        fs::create_dir_all(folder.join(target))?;
    }
    for entry in &entries {
        let choice = choices().iter().position(|(options, _)| *options == entry.options);
        let choice = u16::try_from(choice.unwrap_or_default()).unwrap_or_default().to_be_bytes();
        let name = &entry.name;
        fs::write(folder.join("reflect").join(name), [&choice, &entry.octets[..]].concat())?;
        fs::write(folder.join("policy_from_octets").join(name), entry.policy.as_octets())?;
        // Between documentation addresses, from a high port to ITO's.
        let sockets = *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x9c\x40\
                         \0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x02\x0f\x02";
        let payload = entry.octets.get(42..).unwrap_or_default();
        let datagram = [&choice, &sockets[..], payload].concat();
        fs::write(folder.join("reflect_datagram").join(name), datagram)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_a_frame_of_the_corpus_under_its_policy() {
        let entries = corpus::load().unwrap();
        for entry in &entries {
            let choice = choices().iter().position(|(options, _)| *options == entry.options);
            let choice = u16::try_from(choice.unwrap()).unwrap().to_be_bytes();
            let seed = [&choice, &entry.octets[..]].concat();
            let ((options, _), frame) = choose(&seed).unwrap();
            assert_eq!((options, frame), (&entry.options, &entry.octets[..]));
            reflect(&seed);
            policy_from_octets(entry.policy.as_octets());
        }
    }
}
