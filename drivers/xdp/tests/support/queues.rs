//! The queues of a veth pair, by ethtool(8).

use std::{
    fs,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use super::{
    PATIENCE,
    flood::probe_from,
    namespace::{Pair, inside},
    raw::Raw,
};

/// A pair of this many queues, of at most four.
pub(crate) fn pair_with_queues(queues: u32) -> Option<Pair> {
    let pair = Pair::with_queues(1_500, 4)?;
    set_queues(&pair, queues);
    Some(pair)
}

/// Sets both ends to as many queues, the receiver of more first.
pub(crate) fn set_queues(pair: &Pair, queues: u32) {
    for (namespace, link) in [(&pair.far, "far"), (&pair.near, "near")] {
        ask_ethtool(namespace, &format!("-L {link} rx {queues} tx {queues}"));
    }
}

/// Sets as many queues from the near end to the far one. Those back stay as
/// they are: their receiver would run no XDP program on new ones.
pub(crate) fn set_queues_to_far(pair: &Pair, queues: usize) {
    // No end may send on more than the other receives on: what is refused in
    // one order is done in the second round.
    for _ in 0..2 {
        ask_ethtool(&pair.far, &format!("-L far rx {queues}"));
        ask_ethtool(&pair.near, &format!("-L near tx {queues}"));
    }
}

/// Runs `ethtool` in a namespace, which must do as it is told; what it says.
pub(crate) fn ethtool(namespace: &str, arguments: &str) -> String {
    let output = ask_ethtool(namespace, arguments);
    assert!(output.status.success(), "ethtool {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `ethtool` in a namespace; the interface may refuse.
fn ask_ethtool(namespace: &str, arguments: &str) -> Output {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, "ethtool"]).args(arguments.split(' '));
    let output = command.output().unwrap();
    // The code of `ip` for a program that is not there.
    assert_ne!(output.status.code(), Some(255), "is ethtool installed? {output:?}");
    output
}

/// The queue of the far end that each flow reaches, by its source port. Only the
/// kernel knows: it hashes the flow with a seed of its own.
pub(crate) fn queues_of_flows(pair: &Pair, raw: &Raw, source_ports: &[u16]) -> Vec<usize> {
    // Frames of the hosts' own would be taken for the probes.
    for (namespace, link) in [(&pair.near, "near"), (&pair.far, "far")] {
        let path = format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6");
        inside(namespace, || fs::write(&path, "1").unwrap());
    }
    let queue_of = |port: &u16| {
        let before = frames_of_queues(pair);
        assert!(raw.send(&probe_from(*port, 0)));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let after = frames_of_queues(pair);
            if let Some(queue) =
                before.iter().zip(&after).position(|(before, after)| before < after)
            {
                return queue;
            }
            assert!(Instant::now() < deadline, "the probe from port {port} reached no queue");
            thread::sleep(Duration::from_millis(1));
        }
    };
    source_ports.iter().map(queue_of).collect()
}

/// Frames that the program has seen on each queue of the far end.
pub(crate) fn frames_of_queues(pair: &Pair) -> Vec<u64> {
    let text = ethtool(&pair.far, "-S far");
    let count = |line: &str| {
        let (name, value) = line.trim().split_once(": ")?;
        name.ends_with("_xdp_packets").then(|| value.parse().ok())?
    };
    text.lines().filter(|line| line.contains("rx_queue_")).filter_map(count).collect()
}
