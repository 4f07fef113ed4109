//! The queues of a veth pair, by ethtool(8).

use std::process::Command;

use super::namespace::Pair;

/// A pair of this many queues, of at most four.
pub(crate) fn pair_with_queues(queues: u32) -> Option<Pair> {
    let pair = Pair::with_queues(1_500, 4)?;
    set_queues(&pair, queues);
    Some(pair)
}

/// Sets both ends to as many queues, the receiver of more first.
pub(crate) fn set_queues(pair: &Pair, queues: u32) {
    for (namespace, link) in [(&pair.far, "far"), (&pair.near, "near")] {
        ethtool(namespace, &format!("-L {link} rx {queues} tx {queues}"));
    }
}

/// Sets as many queues from the near end to the far one. Those back stay as
/// they are: their receiver would run no XDP program on new ones.
pub(crate) fn set_queues_to_far(pair: &Pair, queues: u32) {
    ethtool(&pair.far, &format!("-L far rx {queues}"));
    ethtool(&pair.near, &format!("-L near tx {queues}"));
}

/// Runs `ethtool` in a namespace; what it says.
pub(crate) fn ethtool(namespace: &str, arguments: &str) -> String {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, "ethtool"]).args(arguments.split(' '));
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap()
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
