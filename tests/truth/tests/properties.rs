//! What must hold of every frame, tried on random ones.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use farend_core::{Mode, Policy, Verdict, reflect::verdict::CODES};
use farend_truth::{agreement, generator, oracle};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

/// `PROPTEST_CASES` asks for more or fewer.
fn config() -> Config {
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default().cases,
        None => 8_000,
    };
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nearly_sound_frames_get_the_same_from_slice_raw_pointers_and_oracle(
        frame in generator::frames(),
        options in generator::policies(),
    ) {
        let policy = options.build().map_err(TestCaseError::fail)?;
        if let Err(disagreement) = agreement::check(&frame, &options, &policy) {
            return Err(TestCaseError::fail(disagreement.to_string()));
        }
    }

    #[test]
    fn any_octets_get_the_same_from_slice_raw_pointers_and_oracle(
        frame in vec(any::<u8>(), 0..200),
        options in generator::policies(),
    ) {
        let policy = options.build().map_err(TestCaseError::fail)?;
        if let Err(disagreement) = agreement::check(&frame, &options, &policy) {
            return Err(TestCaseError::fail(disagreement.to_string()));
        }
    }

    #[test]
    fn a_datagram_gets_the_same_from_core_and_oracle(
        payload in generator::payloads(),
        source in sockets(),
        destination in sockets(),
        hop_limit in prop::option::of(prop_oneof![0_u8..4, 4_u8..]),
        options in generator::policies(),
    ) {
        let policy = options.build().map_err(TestCaseError::fail)?;
        let _verdict =
            agreement::check_datagram(&payload, source, destination, hop_limit, &options, &policy)
                .map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a_policy_survives_the_way_through_octets_and_text(options in generator::policies()) {
        let policy = options.build().map_err(TestCaseError::fail)?;
        prop_assert_eq!(Policy::from_octets(policy.as_octets()), Ok(policy));
        prop_assert_eq!(options.to_string().parse(), Ok(options));
    }

    #[test]
    fn any_octets_are_refused_as_a_policy_or_used_without_harm(
        patches in vec((0..size_of::<Policy>(), any::<u8>()), 0..20),
        options in generator::policies(),
        frame in generator::frames(),
    ) {
        let policy = options.build().map_err(TestCaseError::fail)?;
        let mut octets = policy.as_octets().to_vec();
        for (at, octet) in patches {
            octets[at] = octet;
        }
        if let Ok(policy) = Policy::from_octets(&octets) {
            prop_assert_eq!(policy.as_octets(), &octets[..]);
            let (slice, raw) = (
                agreement::reflect_slice(&frame, &policy),
                agreement::reflect_raw(&frame, &policy),
            );
            prop_assert_eq!(slice, raw);
        }
    }
}

fn sockets() -> impl Strategy<Value = SocketAddr> {
    let addresses = [
        "192.0.2.1",
        "127.0.0.1",
        "224.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "2001:db8::1",
        "::1",
        "::",
        "ff02::1",
        "::ffff:192.0.2.1",
        "::ffff:127.0.0.1",
    ];
    let usual = select(addresses.to_vec()).prop_filter_map("an address", |text| text.parse().ok());
    let any_address = any::<[u8; 16]>().prop_map(IpAddr::from);
    let address = prop_oneof![6 => usual, 1 => any_address];
    (address, generator::ports()).prop_map(|(address, port)| SocketAddr::new(address, port))
}

/// A generator that never got far into a frame would prove nothing.
#[test]
fn the_random_frames_reach_every_outcome_and_many_are_answered() {
    let mut runner = TestRunner::deterministic();
    let cases = (generator::frames(), generator::policies());
    let mut seen: BTreeMap<u8, u32> = BTreeMap::new();
    let mut modes_answered = [0; 3];
    for _ in 0..20_000 {
        let Ok(tree) = cases.new_tree(&mut runner) else { continue };
        let (frame, options) = tree.current();
        let verdict = oracle::reflect(&frame, &options).verdict;
        *seen.entry(verdict.code()).or_default() += 1;
        if verdict.is_sent() {
            modes_answered[options.mode as usize] += 1;
        }
    }
    let missing: Vec<_> = (0..u8::try_from(CODES).unwrap_or(u8::MAX))
        .filter_map(Verdict::from_code)
        // What services answer is no matter of the swap's.
        .filter(|verdict| !matches!(verdict, Verdict::Answer(_)))
        .filter(|verdict| !seen.contains_key(&verdict.code()))
        .map(Verdict::name)
        .collect();
    assert!(missing.is_empty(), "never reached: {missing:?}; seen: {seen:?}");
    for mode in [Mode::Mac, Mode::MacIp, Mode::All] {
        let answered = modes_answered[mode as usize];
        assert!(answered > 600, "{answered} frames answered in mode {mode:?}");
    }
}
