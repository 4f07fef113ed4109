//! How many packets may wait before the link: enough to keep the path full, and
//! not so many that they wait long.

/// Fewest packets, on a path fast enough for them.
pub const PACKETS_MIN: u64 = 256;
/// Most packets.
pub const PACKETS_MAX: u64 = 8192;
/// Longest that a packet may wait, unless the path itself takes longer.
pub const WAIT_NS_MAX: u64 = 100_000_000;
/// Fewest packets on any path: less would stop a sender's burst.
const PACKETS_FLOOR: u64 = 16;

const NS_PER_S: u64 = 1_000_000_000;
const BITS_PER_OCTET: u64 = 8;

/// The packets that may wait on a path.
///
/// That is `clamp(bandwidth · rtt / (packet · 8), 256, 8192)`; and at most what
/// the path carries in 100 ms or in one round trip, whichever is more. Without
/// that bound 256 packets would wait for seconds on a slow path.
///
/// Nothing is known about a path of 0 bit/s: it has the fewest packets.
#[must_use]
pub fn packets(bandwidth_bits_per_s: u64, rtt_ns: u64, packet_octets: u64) -> u64 {
    if bandwidth_bits_per_s == 0 {
        return PACKETS_MIN;
    }
    let in_flight = carried(bandwidth_bits_per_s, rtt_ns, packet_octets);
    let in_time = carried(bandwidth_bits_per_s, WAIT_NS_MAX, packet_octets);
    let wanted = in_flight.clamp(PACKETS_MIN, PACKETS_MAX);
    wanted.min(in_flight.max(in_time)).max(PACKETS_FLOOR)
}

/// Packets that a path carries in a time.
fn carried(bits_per_s: u64, time_ns: u64, packet_octets: u64) -> u64 {
    let bits_per_packet = packet_octets.max(1).saturating_mul(BITS_PER_OCTET);
    // In two steps, so that 100 Gbit/s and a minute stay below 2^64.
    let bits = (bits_per_s / 1_000).saturating_mul(time_ns / 1_000) / (NS_PER_S / 1_000_000);
    bits.checked_div(bits_per_packet).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_satellite_path_gets_its_bandwidth_delay_product() {
        // 50 Mbit/s, 500 ms: 3,125,000 octets.
        assert_eq!(packets(50_000_000, 500_000_000, 1_250), 2_500);
    }

    #[test]
    fn a_slow_path_does_not_queue_for_seconds() {
        // 100 ms of 2 Mbit/s are 20 packets, not 256.
        assert_eq!(packets(2_000_000, 20_000_000, 1_250), 20);
        assert_eq!(packets(100_000, 20_000_000, 1_250), PACKETS_FLOOR);
    }

    #[test]
    fn fast_paths_stay_within_bounds() {
        assert_eq!(packets(10_000_000_000, 200_000, 1_437), PACKETS_MIN);
        assert_eq!(packets(10_000_000_000, 500_000_000, 1_437), PACKETS_MAX);
        assert_eq!(packets(0, 0, 0), PACKETS_MIN);
    }

    proptest! {
        #[test]
        fn nobody_waits_longer_than_allowed(
            bandwidth in 1_000_000_u64..100_000_000_000, rtt in 0_u64..2_000_000_000,
            octets in 576_u64..9_000,
        ) {
            let packets = packets(bandwidth, rtt, octets);
            prop_assert!((PACKETS_FLOOR..=PACKETS_MAX).contains(&packets));
            let wait_ns = u128::from(packets * octets * 8) * 1_000_000_000 / u128::from(bandwidth);
            let allowed = u128::from(WAIT_NS_MAX.max(rtt));
            prop_assert!(packets == PACKETS_FLOOR || wait_ns <= allowed + 1, "{wait_ns} ns");
        }
    }
}
