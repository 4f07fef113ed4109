//! Every entry of the core in one object that does not link if one of them can
//! panic or allocate.
//!
//! The panic handler calls a function that nobody defines. If the optimiser
//! leaves a way to a panic, the handler stays, and the linker names the
//! missing function.
#![no_std]
#![expect(unsafe_code, reason = "exports, and functions that are never to be linked")]

use core::{net::SocketAddr, panic::PanicInfo};

use farend_core::{
    Answer, Counters, Datagram, Histogram, Kind, MacAddress, Mode, Oui, Policy, PolicyError,
    RateLimit, RawWindow, Reason, Verdict, Window,
    measure::probe::{
        Addresses, ChecksumState, Form, Headers, Probe, Question, Received, Tag, Template,
        WriteError, is_padding_intact,
    },
    measure::summary::Summary,
    measure::testers::{Sender, Set, Testers},
    reflect::policy::{Ipv4Prefix, Ipv6Prefix, RateCap},
    reflect::rate::Bucket,
    reflect::refused::RefusedFrame,
    reflect::signature::{Custom, KindSet},
};

unsafe extern "C" {
    /// Defined nowhere: its name is the linker's message.
    safe fn a_panic_is_reachable_from_the_core() -> !;
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    a_panic_is_reachable_from_the_core()
}

/// Exports functions that only call the core.
macro_rules! entries {
    ($( fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty $body:block )+) => { $(
        // SAFETY: the name is this object's own, which nobody links to.
        #[unsafe(no_mangle)]
        pub fn $name($($argument: $kind),*) -> $result $body
    )+ };
}

mod link;
mod locks;
mod ports;
mod rings;

entries! {
    fn entry_reflect_slice(
        frame: &mut [u8], policy: &Policy, limit: &mut RateLimit
    ) -> Verdict {
        farend_core::reflect(frame, policy, limit)
    }

    fn entry_reflect_raw(
        frame: &mut RawWindow<'_>, policy: &Policy, limit: &mut RateLimit
    ) -> Verdict {
        farend_core::reflect(frame, policy, limit)
    }

    fn entry_inspect_slice(frame: &[u8], policy: &Policy) -> Result<Answer, Reason> {
        farend_core::inspect(frame, policy)
    }

    fn entry_inspect_raw(frame: &RawWindow<'_>, policy: &Policy) -> Result<Answer, Reason> {
        farend_core::inspect(frame, policy)
    }

    fn entry_refused_copy(record: &[u8]) -> Option<(Verdict, usize)> {
        RefusedFrame::parse(record).map(|copy| (copy.verdict, copy.octets.len()))
    }

    fn entry_reflect_datagram(
        octets: &mut [u8],
        source: SocketAddr,
        destination: SocketAddr,
        hop_limit: Option<u8>,
        policy: &Policy,
        limit: &mut RateLimit
    ) -> Verdict {
        let datagram = Datagram { source, destination, hop_limit };
        farend_core::reflect_datagram(octets, &datagram, policy, limit)
    }

    fn entry_sender(frame: &[u8]) -> Option<Sender> {
        Sender::read(frame)
    }

    fn entry_summary(frame: &[u8]) -> Option<Summary> {
        Summary::read(frame)
    }

    fn entry_testers(
        testers: &mut Testers<[Set; 4]>,
        other: &Testers<[Set; 3]>,
        sender: &Sender,
        verdict: Verdict,
        octets: usize,
        now_ns: u64,
        visit: fn(&Sender)
    ) -> () {
        testers.count(sender, verdict, octets, now_ns);
        testers.merge(other);
        testers.iter().for_each(|tester| visit(&tester.sender));
    }

    fn entry_window_slice(frame: &[u8], offset: usize) -> Option<[u8; 8]> {
        frame.at(offset).copied()
    }

    fn entry_window_raw(frame: &RawWindow<'_>, offset: usize) -> Option<[u8; 8]> {
        frame.at(offset).copied()
    }

    fn entry_policy_from_octets(octets: &[u8]) -> Result<Policy, PolicyError> {
        Policy::from_octets(octets)
    }

    fn entry_policy_builder(
        address: MacAddress,
        port: u16,
        vid: u16,
        ouis: &[Oui],
        ipv4_prefixes: &[Ipv4Prefix],
        ipv6_prefixes: &[Ipv6Prefix],
        customs: &[Custom],
        kinds: KindSet,
        mode: Mode,
        cap: RateCap
    ) -> Result<Policy, PolicyError> {
        let mut builder = Policy::builder()
            .own_mac(address)
            .port(port)
            .vlan(vid)
            .kinds(kinds)
            .mode(mode)
            .rate_cap(cap);
        for oui in ouis {
            builder = builder.source_oui(*oui);
        }
        for prefix in ipv4_prefixes {
            builder = builder.allow_ipv4(*prefix);
        }
        for prefix in ipv6_prefixes {
            builder = builder.allow_ipv6(*prefix);
        }
        for custom in customs {
            builder = builder.custom(*custom);
        }
        builder.build()
    }

    fn entry_rate_cap(frames: u64, ticks: u64) -> RateCap {
        RateCap::new(frames, ticks)
    }

    fn entry_ipv4_prefix(address: [u8; 4], bits: u8) -> Option<Ipv4Prefix> {
        Ipv4Prefix::new(address, bits)
    }

    fn entry_ipv6_prefix(address: [u8; 16], bits: u8) -> Option<Ipv6Prefix> {
        Ipv6Prefix::new(address, bits)
    }

    fn entry_custom(offset: u16, mask: &[u8], octets: &[u8]) -> Option<Custom> {
        Custom::new(offset, mask, octets)
    }

    fn entry_bucket(bucket: &mut Bucket, cap: &RateCap, now_tick: u64) -> bool {
        bucket.admit(cap, now_tick)
    }

    fn entry_counters_count(counters: &mut Counters, verdict: Verdict, octets: usize) -> () {
        counters.count(verdict, octets);
    }

    fn entry_counters_merge(counters: &mut Counters, other: &Counters) -> () {
        counters.merge(other);
    }

    fn entry_counters_since(counters: &Counters, earlier: &Counters) -> Counters {
        counters.since(earlier)
    }

    fn entry_counters_sums(counters: &Counters) -> [u64; 4] {
        [counters.reflected(), counters.passed(), counters.dropped(), counters.malformed()]
    }

    fn entry_counters_each(counters: &Counters, visit: fn(Verdict, u64)) -> () {
        for (verdict, frames) in counters.iter() {
            visit(verdict, frames);
        }
    }

    fn entry_histogram_record(histogram: &mut Histogram, value_ns: u64) -> () {
        histogram.record(value_ns);
    }

    fn entry_histogram_merge(histogram: &mut Histogram, other: &Histogram) -> () {
        histogram.merge(other);
    }

    fn entry_histogram_quantile(histogram: &Histogram, quantile_ppm: u32) -> Option<u64> {
        histogram.quantile(quantile_ppm)
    }

    fn entry_histogram_mean(histogram: &Histogram) -> Option<u64> {
        histogram.mean()
    }

    fn entry_histogram_each(histogram: &Histogram, visit: fn(u64, u64, u64)) -> () {
        for bucket in histogram.buckets() {
            visit(bucket.low_ns, bucket.high_ns, bucket.count);
        }
    }

    fn entry_probe_write(probe: &Probe, payload: &mut [u8]) -> Result<Form, WriteError> {
        probe.write_payload(payload)
    }

    fn entry_probe_renew(probe: &Probe, payload: &mut [u8]) -> Result<Form, WriteError> {
        probe.renew(payload)
    }

    fn entry_probe_parse(payload: &[u8]) -> Option<(Probe, Form)> {
        Probe::parse(payload)
    }

    fn entry_probe_padding(payload: &[u8], form: Form) -> bool {
        is_padding_intact(payload, form)
    }

    fn entry_probe_elapsed(form: Form, probe: &Probe, now_ns: u64) -> u64 {
        form.elapsed_ns(probe, now_ns)
    }

    fn entry_template_write(
        frame: &mut [u8], headers: &Headers, probe: &Probe
    ) -> Result<Template, WriteError> {
        Template::write(frame, headers, probe)
    }

    fn entry_template_renew(
        template: &Template, frame: &mut [u8], probe: &Probe
    ) -> Result<(), WriteError> {
        template.renew(frame, probe)
    }

    fn entry_received(
        frame: &[u8], outer: Option<Tag>
    ) -> Option<(ChecksumState, Addresses)> {
        let received = Received::parse(frame, outer)?;
        Some((received.checksum_state(), received.addresses))
    }

    fn entry_question_write(
        question: &Question, frame: &mut [u8; Question::OCTETS_MAX]
    ) -> usize {
        question.write(frame)
    }

    fn entry_question_parse(question: &Question, frame: &[u8]) -> Option<MacAddress> {
        question.parse_answer(frame)
    }

    fn entry_verdict(code: u8) -> Option<(Verdict, &'static str)> {
        Verdict::from_code(code).map(|verdict| (verdict, verdict.name()))
    }

    fn entry_kind(kind: Kind) -> &'static str {
        kind.meaning()
    }
}

#[cfg(feature = "panic")]
entries! {
    fn entry_that_panics(frame: &[u8]) -> u8 {
        frame[0]
    }
}

#[cfg(feature = "allocation")]
mod allocation {
    extern crate alloc;

    use core::alloc::{GlobalAlloc, Layout};

    unsafe extern "C" {
        fn an_allocation_is_reachable_from_the_core(octets: usize) -> *mut u8;
    }

    struct Nowhere;

    #[global_allocator]
    static NOWHERE: Nowhere = Nowhere;

    // SAFETY: never linked, so never called.
    unsafe impl GlobalAlloc for Nowhere {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: never linked, so never called.
            unsafe { an_allocation_is_reachable_from_the_core(layout.size()) }
        }

        unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}
    }

    entries! {
        fn entry_that_allocates(octet: u8) -> alloc::boxed::Box<u8> {
            alloc::boxed::Box::new(octet)
        }
    }
}
