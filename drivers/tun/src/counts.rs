//! What the threads of a link count.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares counters, and their names in statistics.
macro_rules! counters {
    ($($(#[doc = $help:literal])+ $field:ident,)+) => {
        /// Counters, each written by one thread or by few.
        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            $($(#[doc = $help])+ pub(crate) $field: Counter,)+
        }

        impl Counts {
            /// All of them, by name.
            pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field.get())),+]
            }
        }
    };
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        if count != 0 {
            self.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters! {
    /// Frames sent to the peer.
    sent_frames,
    /// Their octets: header and tag in, IP and UDP out.
    sent_octets,
    /// Messages that they were sent in: frames by messages are the batch size.
    sent_messages,
    /// Frames taken from the peer.
    received_frames,
    /// Their octets.
    received_octets,
    /// Messages that they came in.
    received_messages,
    /// Packets given to the host, joined ones as one.
    written_packets,
    /// Numbers that have not come.
    missing_frames,
    /// Frames that came after a higher number.
    reordered_frames,
    /// Frames that the host left no time for: the socket's buffer was full.
    lost_socket_overflow,
    /// Frames whose number was taken before, or too old to tell.
    lost_replay,
    /// Frames that no key opens.
    lost_authentication,
    /// Datagrams that are no frame: too short, of another size or type.
    lost_malformed,
    /// Datagrams from others than the peer.
    lost_stranger,
    /// Packets that are too large for the path.
    lost_oversize,
    /// Packets that contradict themselves.
    lost_unsound,
    /// Packets while there was no key or no peer.
    lost_no_key,
    /// Packets that the host does not take.
    lost_tun_write,
    /// Frames that the host does not send.
    lost_socket_send,
    /// IPv6 packets on a path too small for them.
    lost_ipv6_mtu,
}

impl Counts {
    /// Those that are not losses.
    pub(crate) fn figures(&self) -> Vec<(&'static str, u64)> {
        let all = self.all().into_iter();
        all.filter(|(name, _)| !name.starts_with("lost_")).collect()
    }

    /// Those that are losses, without the prefix.
    pub(crate) fn losses(&self) -> Vec<(&'static str, u64)> {
        let losses = self.all().into_iter();
        losses.filter_map(|(name, count)| Some((name.strip_prefix("lost_")?, count))).collect()
    }
}
