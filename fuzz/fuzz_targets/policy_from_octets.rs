//! A policy from anywhere, used on frames of the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| farend_truth::fuzzing::policy_from_octets(octets));
