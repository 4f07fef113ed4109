//! A frame under a policy of the corpus or a random one.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| farend_truth::fuzzing::reflect(octets));
