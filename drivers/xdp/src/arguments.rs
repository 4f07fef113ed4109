//! The command line.

use clap::Parser;
use farend_driver::{
    arguments::Arguments,
    values::{BusyPoll, Numbers},
};

use crate::tier::TierChoice;

/// Turns test traffic round: the far end of a network test.
///
/// Every frame of a known tester that arrives on an interface goes back where
/// it came from, addresses and ports exchanged; all else goes on to the host.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "farend-xdp",
    version,
    after_help = "\
Examples:
  farend-xdp eth1                             answer ITO and RFC 2544 probes on port 3842
  farend-xdp eth1 eth2 --stats json           two interfaces, statistics as JSON lines
  farend-xdp eth1 --allow 10.0.0.0/8 --max-rate 250000
  farend-xdp eth1 --port any --oui 00:c0:17   any port, but only NetAlly's testers
  farend-xdp eth1 --tier af-xdp --cpus 2-5    in user space, workers on four CPUs
  farend-xdp --tier udp 127.0.0.1             plain sockets, no root
  farend-xdp --config farend.toml --check     what would be in force?

Signals: SIGINT or SIGTERM stop, SIGHUP reads --config again without losing a frame.
Exit code: 0 after a stop, 1 if something failed while running, 2 for wrong usage."
)]
pub struct CommandLine {
    /// Interfaces to reflect on; with --tier udp also addresses of this host,
    /// or none for all of them
    #[arg(value_name = "IFACE")]
    pub targets: Vec<String>,

    /// How to reflect; auto takes the best that works and says why others do
    /// not [default: auto]
    #[arg(long, value_enum, help_heading = "How to reflect")]
    pub tier: Option<TierChoice>,

    /// Take the place of an XDP program that is already attached
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "How to reflect"
    )]
    pub replace: Option<bool>,

    /// Receive queues to serve, as 0-3 or 0,2; frames of others go on to the
    /// host [default: all of the interface]
    #[arg(long, value_name = "LIST", help_heading = "AF_XDP (--tier af-xdp)")]
    pub queues: Option<Numbers>,

    /// CPUs for the workers, one for each queue, as 2-5 or 1,3; in turn, if
    /// there are fewer [default: all that this process may use]
    #[arg(long, value_name = "LIST", help_heading = "AF_XDP (--tier af-xdp)")]
    pub cpus: Option<Numbers>,

    /// Look for frames without a pause, so long at a time in the driver: the
    /// least latency, for a whole CPU a queue
    #[arg(
        long,
        value_name = "MICROSECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "20",
        help_heading = "AF_XDP (--tier af-xdp)"
    )]
    pub busy_poll: Option<BusyPoll>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: a doc comment would become help")]
    pub common: Arguments,
}
