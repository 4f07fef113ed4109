//! A datagram between two sockets.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| farend_truth::fuzzing::reflect_datagram(octets));
