//! Options of this driver alone.

use farend_driver::{
    arguments::Program,
    options,
    options::{Flag, Maybe, One},
    values::{BusyPoll, Numbers},
};

use crate::tier::TierChoice;

/// What the program says of itself.
pub(crate) const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "Turns test traffic round: the far end of a network test.\n\n\
            Every frame of a known tester that arrives on an interface goes back where it came \
            from, addresses and ports exchanged; all else goes on to the host.",
    targets_help: "Interfaces to reflect on; with --tier udp also addresses of this host, or \
                   none for all of them",
    examples: "\
  farend-xdp eth1                             answer ITO and RFC 2544 probes on port 3842
  farend-xdp eth1 eth2 --stats json           two interfaces, statistics as JSON lines
  farend-xdp eth1 --allow 10.0.0.0/8 --max-rate 250k
  farend-xdp eth1 --port any --oui 00:c0:17   any port, but only NetAlly's testers
  farend-xdp eth1 --tier af-xdp --cpus 2-5    in user space, workers on four CPUs
  farend-xdp --tier udp 127.0.0.1             plain sockets, no root
  farend-xdp --config farend.toml --check     what would be in force?",
    refuses: &[],
};

const TIER: &str = "Tier";
const AF_XDP: &str = "AF_XDP (--tier af-xdp)";

options! {
    /// How to reflect on Linux.
    pub struct XdpOptions, XdpChoices, XdpSettings;
    include {}

    /// How to reflect: auto (the best of the others that works here, saying
    /// why better ones do not), xdp (in the kernel, by the interface's driver),
    /// xdp-generic (in the kernel, after the driver: any interface, about a
    /// third as fast), af-xdp (in user space, by AF_XDP sockets: where frames
    /// must be seen there), af-packet (in user space, by a packet socket), udp
    /// (in user space, by UDP sockets: no root, no interface needed)
    tier("tier", "TIER", "auto", TIER, Restart): One<TierChoice> = TierChoice::Auto;

    /// Take the place of an XDP program that is already attached; it is put back
    /// at the end, though not after kill -9, and without the bpf link that held it
    replace("replace", "true|false", "", TIER, Restart): Flag = false;

    /// Receive queues to serve, as 0-3 or 0,2; frames of others go on to the
    /// host, counted as queue_not_served
    queues("queues", "LIST", "all of the interface", AF_XDP, Restart, tier = "af-xdp"):
        Maybe<Numbers> = None;

    /// CPUs for the workers, one for each queue, as 2-5 or 1,3; in turn, if
    /// there are fewer
    cpus("cpus", "LIST", "all that this process may use", AF_XDP, Restart, tier = "af-xdp"):
        Maybe<Numbers> = None;

    /// Never sleep: look for frames without a pause, each time for so many
    /// microseconds in the driver; the least latency, for a whole CPU a queue
    busy_poll("busy-poll", "MICROSECONDS", "workers sleep", AF_XDP, Restart, tier = "af-xdp"):
        Maybe<BusyPoll> = None;
}

impl XdpSettings {
    /// The first option that needs AF_XDP.
    #[must_use]
    pub fn needs_af_xdp(&self) -> Option<&'static str> {
        let options = [
            ("--queues", self.queues.is_some()),
            ("--cpus", self.cpus.is_some()),
            ("--busy-poll", self.busy_poll.is_some()),
        ];
        options.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}
