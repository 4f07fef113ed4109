//! Answers that left, as far as the interface's driver tells.
//!
//! The program decides, and `XDP_TX` may still fail: no driver tells the program. veth
//! counts for each receive queue what the other end took and what it did not
//! (`xdp_tx`, `xdp_tx_errors`), and only the program that is attached sends so. Other
//! drivers have no such numbers, or by other names; generic mode has none.

use rustix::net::{AddressFamily, SocketType, netdevice::index_to_name, socket};

use super::Mode;
use crate::interface::{Interface, ethtool};

/// What has left since it was attached.
#[derive(Clone, Copy, Default)]
pub(super) struct Sent {
    /// Answers that were taken.
    pub(super) sent: u64,
    /// Answers that were not.
    pub(super) failed: u64,
}

/// Reads the driver's counters of one interface.
pub(super) struct SentCounter {
    interface_index: u32,
    /// When the program was attached.
    before: Sent,
    last: Sent,
}

impl SentCounter {
    /// Starts to count, before the program is attached; `None` if the driver does not
    /// tell.
    pub(super) fn start(interface: &Interface, mode: Mode) -> Option<Self> {
        if mode != Mode::Native || interface.driver()? != "veth" {
            return None;
        }
        let before = read(interface.index)?;
        Some(Self { interface_index: interface.index, before, last: Sent::default() })
    }

    /// What has left so far; what was known last, if the driver does not tell now.
    pub(super) fn read(&mut self) -> Sent {
        if let Some(now) = read(self.interface_index) {
            // Queues that go take their counters out of sight.
            let since = |now: u64, before: u64, last: u64| now.saturating_sub(before).max(last);
            self.last = Sent {
                sent: since(now.sent, self.before.sent, self.last.sent),
                failed: since(now.failed, self.before.failed, self.last.failed),
            };
        }
        self.last
    }
}

/// The sums over all queues.
fn read(interface_index: u32) -> Option<Sent> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    // It may have been renamed.
    let name = index_to_name(any, interface_index).ok()?;
    let statistics = ethtool::statistics(&name).ok()?;
    let of_queues = |what: &str| {
        let is_it = |name: &str| {
            name.strip_prefix("rx_queue_").and_then(|rest| {
                rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('_')
            }) == Some(what)
        };
        let mut values = statistics.iter().filter(|(name, _)| is_it(name)).peekable();
        values.peek()?;
        Some(values.map(|(_, value)| value).sum())
    };
    Some(Sent { sent: of_queues("xdp_tx")?, failed: of_queues("xdp_tx_errors")? })
}
