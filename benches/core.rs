//! Times of each function of the core. `cargo bench` compares with the run
//! before.

use std::{hint::black_box, net::SocketAddr};

use criterion::{BatchSize, Bencher, Criterion, criterion_group, criterion_main};
use farend_core::{
    Counters, Datagram, Guards, Histogram, Kind, MacAddress, Policy, RateLimit, Reason, Verdict,
    inspect,
    measure::probe::{Flags, Probe, Received},
    reflect,
    reflect::policy::{Builder, RateCap},
    reflect::rate::Bucket,
    reflect::signature,
    reflect_datagram,
};
use farend_lab::frames::Flow;

const NEAR: MacAddress = MacAddress([0x00, 0xc0, 0x17, 0, 0, 1]);
const FAR: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 2]);
const OTHER: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 3]);

criterion_group!(benches, frames, decisions, bookkeeping, measuring);
criterion_main!(benches);

fn policy() -> Policy {
    built(Policy::builder().own_mac(FAR))
}

fn built(builder: Builder) -> Policy {
    builder.build().unwrap_or_else(|error| panic!("no policy to measure: {error}"))
}

/// One frame of each sort through `reflect`.
fn frames(criterion: &mut Criterion) {
    let ipv4 = Flow::ipv4(NEAR, FAR);
    let ipv6 = Flow::ipv6(NEAR, FAR);
    let tagged = |tags: &[(u16, u16)]| ipv4.clone().tagged(tags).frame(128);
    let wrong_port = Flow { destination_port: 53, ..ipv4.clone() };
    let unsigned = Flow { signature: Kind::Any, ..ipv4.clone() };
    let answered = Verdict::Reflect(Kind::Probeot);
    for (name, frame, verdict) in [
        ("IPv4 hit, 64 octets", ipv4.frame(64), answered),
        ("IPv4 hit, 1518 octets", ipv4.frame(1518), answered),
        ("IPv4 hit, 9000 octets", ipv4.frame(9000), answered),
        ("IPv6 hit, 128 octets", ipv6.frame(128), answered),
        ("VLAN hit, 128 octets", tagged(&[(0x8100, 5)]), answered),
        ("QinQ hit, 128 octets", tagged(&[(0x88a8, 5), (0x8100, 6)]), answered),
        (
            "foreign MAC",
            Flow::ipv4(NEAR, OTHER).frame(64),
            Verdict::Refuse(Reason::ForeignDestinationMac),
        ),
        ("wrong port", wrong_port.frame(64), Verdict::Refuse(Reason::UdpPort)),
        ("wrong signature", unsigned.frame(64), Verdict::Refuse(Reason::Signature)),
    ] {
        let found = reflect(&mut frame.clone()[..], &policy(), &mut ());
        assert_eq!(found, verdict, "{name}");
        criterion.bench_function(&format!("reflect: {name}"), |bencher| turn(bencher, &frame));
    }
}

/// Reflects a fresh copy each time.
fn turn(bencher: &mut Bencher<'_>, frame: &[u8]) {
    let policy = policy();
    let mut limit = RateLimit::default();
    bencher.iter_batched_ref(
        || frame.to_vec(),
        |frame| reflect(black_box(&mut frame[..]), black_box(&policy), &mut limit),
        BatchSize::SmallInput,
    );
}

/// The parts of a decision.
fn decisions(criterion: &mut Criterion) {
    let policy = policy();
    let frame = Flow::ipv4(NEAR, FAR).frame(64);
    assert!(inspect(&frame[..], &policy).is_ok());
    criterion.bench_function("inspect: IPv4 hit", |bencher| {
        bencher.iter(|| inspect(black_box(&frame[..]), black_box(&policy)));
    });
    let datagram = Datagram {
        source: SocketAddr::from(([192, 0, 2, 1], 40_000)),
        destination: SocketAddr::from(([192, 0, 2, 2], 3842)),
        hop_limit: Some(64),
    };
    let mut octets = *b"........\x01\x02\x03\x04\x05PROBEOT......";
    criterion.bench_function("reflect_datagram: hit", |bencher| {
        let octets = &mut octets;
        let mut turn = || reflect_datagram(black_box(octets), &datagram, &policy, &mut ());
        assert_eq!(turn(), Verdict::Reflect(Kind::Probeot));
        bencher.iter(turn);
    });
    criterion.bench_function("signature::recognise", |bencher| {
        bencher.iter(|| signature::recognise(black_box(b"\xff\xff\xff\xff\xffDATA:OT")));
    });
    criterion.bench_function("Policy::from_octets", |bencher| {
        bencher.iter(|| Policy::from_octets(black_box(policy.as_octets())));
    });
    criterion.bench_function("Builder::build", |bencher| {
        bencher.iter(|| Policy::builder().own_mac(black_box(FAR)).build());
    });
    let mut unlimited = ();
    criterion.bench_function("reflect: again and again, as a tester pair does", |bencher| {
        let policy = Policy::builder().own_mac(OTHER).any_destination();
        let guards = Guards::ALL.without(Guards::LOOP_RISK).without(Guards::HOP_LIMIT);
        let policy = built(policy.guards(guards));
        let partner = MacAddress([0x00, 0xc0, 0x17, 0, 0, 2]);
        let mut frame = Flow::ipv4(NEAR, partner).with_equal_ports().frame(64);
        let mut again = || reflect(black_box(&mut frame[..]), black_box(&policy), &mut unlimited);
        for _way in 0..2 {
            assert_eq!(again(), Verdict::Reflect(Kind::Probeot));
        }
        bencher.iter(again);
    });
}

/// What is kept of each frame.
fn bookkeeping(criterion: &mut Criterion) {
    let mut counters = Counters::new();
    criterion.bench_function("Counters::count", |bencher| {
        bencher.iter(|| counters.count(black_box(Verdict::Reflect(Kind::Probeot)), black_box(60)));
    });
    let other = counters;
    criterion.bench_function("Counters::merge", |bencher| {
        bencher.iter(|| counters.merge(black_box(&other)));
    });
    let cap = RateCap::new(1_000_000, 1_000);
    let mut bucket = Bucket::default();
    let mut tick = 0;
    criterion.bench_function("Bucket::admit", |bencher| {
        bencher.iter(|| {
            tick += 1;
            bucket.admit(black_box(&cap), black_box(tick / 1_000))
        });
    });
}

/// What a tester does for each probe.
fn measuring(criterion: &mut Criterion) {
    let mut histogram = Histogram::new();
    let mut value_ns = 0_u64;
    criterion.bench_function("Histogram::record", |bencher| {
        bencher.iter(|| {
            value_ns = value_ns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            histogram.record(black_box(value_ns >> 40));
        });
    });
    let other = histogram.clone();
    criterion.bench_function("Histogram::merge", |bencher| {
        bencher.iter(|| histogram.merge(black_box(&other)));
    });
    criterion.bench_function("Histogram::quantile: p99.99", |bencher| {
        bencher.iter(|| histogram.quantile(black_box(999_900)));
    });
    let flags = Flags::NONE;
    let probe = Probe { kind: Kind::Rfc2544, sequence: 7, timestamp_ns: 8, stream: 9, flags };
    let mut payload = [0; 1_472];
    criterion.bench_function("Probe::write_payload: 1472 octets", |bencher| {
        bencher.iter(|| probe.write_payload(black_box(&mut payload)));
    });
    criterion.bench_function("Probe::parse", |bencher| {
        bencher.iter(|| Probe::parse(black_box(&payload)));
    });
    let frame = Flow::ipv4(NEAR, FAR).frame(1518);
    criterion.bench_function("Received: parse and sum, 1518 octets", |bencher| {
        bencher.iter(|| Received::parse(black_box(&frame), None).map(|one| one.checksum_state()));
    });
}
