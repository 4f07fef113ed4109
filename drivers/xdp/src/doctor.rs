//! Traps of an interface that make a test fail without a word, and the way
//! out of each.

use farend_driver::{event::Finding, settings::Settings};

use crate::{
    interface::{Interface, Rtnetlink},
    tier::TierChoice,
};

/// What is wrong with an interface for a tier.
#[must_use]
pub(crate) fn examine(
    interface: &Interface,
    tier: TierChoice,
    settings: &Settings,
) -> Vec<Finding> {
    let checks = [
        state(interface),
        veth_peer(interface, tier),
        unfinished_checksums(interface, tier),
        hidden_tags(interface, tier, !settings.vlans.is_empty()),
        bond(interface, tier),
        generic_mode(tier),
        promiscuity(interface, tier, settings),
    ];
    checks.into_iter().flatten().collect()
}

/// Whether the tier sees frames where the driver runs XDP programs.
const fn has_program(tier: TierChoice) -> bool {
    matches!(tier, TierChoice::Xdp | TierChoice::XdpGeneric | TierChoice::AfXdp)
}

/// Says that nothing will arrive at all.
fn state(interface: &Interface) -> Option<Finding> {
    let name = &interface.name;
    if !interface.is_up {
        let finding = Finding::new("link_down", "is down", "nothing arrives")
            .fixed_by(format!("ip link set {name} up"))
            .undone_by(format!("ip link set {name} down"));
        return Some(finding);
    }
    let fix = if interface.is_kind("veth") {
        "set its peer up"
    } else {
        "look at the cable and at the other end"
    };
    (!interface.is_running)
        .then(|| Finding::new("no_carrier", "has no carrier", "nothing arrives").fixed_by(fix))
}

/// The other end of a veth pair, if it can be seen.
fn veth_peer_in_sight(interface: &Interface) -> Option<Interface> {
    let peer = interface.peer?;
    Rtnetlink::open().ok()?.by_peer(&peer).ok()?
}

/// Why nothing that this end of a veth pair sends natively reaches the other: the
/// kernel takes such frames only where the other end's driver polls, which it does
/// while it runs an XDP program or joins packets. An end that cannot be seen is taken
/// to do neither, as the host's end of a container's interface does by default.
#[must_use]
pub(crate) fn deaf_veth_peer(interface: &Interface) -> Option<String> {
    let elsewhere = interface.peer?.is_elsewhere;
    let advice = "attach one there that passes all, or use --tier xdp-generic";
    let Some(peer) = veth_peer_in_sight(interface) else {
        return Some(format!(
            "its veth peer is out of sight, and takes frames of native XDP only with an XDP program \
             or gro; {advice}"
        ));
    };
    // Only drivers of this namespace can be asked.
    let is_polling = peer.xdp.native.is_some() || (!elsewhere && peer.joins_packets());
    let place = if elsewhere { " in another network namespace" } else { "" };
    (!is_polling).then(|| {
        format!(
            "its veth peer {}{place} has no XDP program, so answers of native XDP would not reach \
             it; {advice}",
            peer.name
        )
    })
}

/// Says that answers reach nobody, on a tier that was asked for by name.
fn veth_peer(interface: &Interface, tier: TierChoice) -> Option<Finding> {
    let what = deaf_veth_peer(interface).filter(|_| tier == TierChoice::Xdp)?;
    Some(Finding::new("veth_peer_without_program", what, ""))
}

/// A veth passes no hardware that would compute the checksum of a socket's
/// datagram. The kernel notes that it is missing, and the other tiers keep the
/// note with the answer; here octets alone go back.
fn unfinished_checksums(interface: &Interface, tier: TierChoice) -> Option<Finding> {
    if !matches!(tier, TierChoice::Xdp | TierChoice::AfXdp) {
        return None;
    }
    let finding = |what: String, peer: &str| {
        Finding::new(
            "veth_peer_checksum_offload",
            what,
            "so sockets there drop answers for their UDP checksum",
        )
        .fixed_by(format!("ethtool -K {peer} tx off"))
        .undone_by(format!("ethtool -K {peer} tx on"))
    };
    if interface.is_kind("bridge") {
        let names = veth_ports(interface).filter(|_| tier == TierChoice::AfXdp)?;
        let what =
            format!("is a bridge over veths ({names}), whose peers leave UDP checksums unfinished");
        return Some(finding(what, "PEER"));
    }
    if interface.peer?.is_elsewhere {
        let what = "its veth peer leaves UDP checksums unfinished, unless told not to";
        return Some(finding(what.to_owned(), "PEER"));
    }
    let peer = veth_peer_in_sight(interface).filter(Interface::offloads_checksums)?;
    let what = format!("its veth peer {} leaves UDP checksums unfinished", peer.name);
    Some(finding(what, &peer.name))
}

/// Names of the veths that are ports of a bridge.
fn veth_ports(bridge: &Interface) -> Option<String> {
    let all = Rtnetlink::open().ok()?.all().ok()?;
    let is_port = |one: &&Interface| one.controller == Some(bridge.index) && one.is_kind("veth");
    let names: Vec<_> = all.iter().filter(is_port).map(|port| port.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// A tag that the interface has taken out is not in the frame that is matched
/// and sent back.
fn hidden_tags(interface: &Interface, tier: TierChoice, needs_tags: bool) -> Option<Finding> {
    if !has_program(tier) || !interface.hides_tags() {
        return None;
    }
    let name = &interface.name;
    if interface.is_kind("veth") {
        // Its tags hide only where the peer hands them over apart from the
        // frame; a warning is for those who wait for tags.
        return needs_tags.then(|| {
            Finding::new(
                "veth_peer_vlan_offload",
                "is a veth",
                "its peer may hand VLAN tags over beside the frame, where XDP does not see them",
            )
            .fixed_by("ethtool -K PEER txvlan off")
            .undone_by("ethtool -K PEER txvlan on")
        });
    }
    let finding = Finding::new(
        "vlan_tags_stripped",
        "strips VLAN tags before XDP sees the frame",
        "so tagged frames go back untagged",
    );
    Some(
        finding
            .fixed_by(format!("ethtool -K {name} rxvlan off"))
            .undone_by(format!("ethtool -K {name} rxvlan on")),
    )
}

/// XDP on a bond sees frames only if every slave's driver can.
fn bond(interface: &Interface, tier: TierChoice) -> Option<Finding> {
    (has_program(tier) && interface.is_kind("bond")).then(|| {
        Finding::new("bond_master", "is a bond", "which sees frames only if all its slaves can")
            .fixed_by("attach to its slaves instead, by naming each of them")
    })
}

/// An interface keeps frames to other stations from everybody unless told.
fn promiscuity(interface: &Interface, tier: TierChoice, settings: &Settings) -> Option<Finding> {
    let name = &interface.name;
    (has_program(tier) && settings.any_destination && !interface.is_promiscuous).then(|| {
        Finding::new(
            "not_promiscuous",
            "is not promiscuous",
            "and most interfaces deliver frames to other MAC addresses, which --any-destination \
             answers, only then",
        )
        .fixed_by(format!("ip link set {name} promisc on"))
        .undone_by(format!("ip link set {name} promisc off"))
    })
}

fn generic_mode(tier: TierChoice) -> Option<Finding> {
    (tier == TierChoice::XdpGeneric).then(|| {
        Finding::new(
            "generic_mode",
            "runs the program after the driver",
            "at about a third of the speed of native XDP",
        )
    })
}

#[cfg(test)]
mod tests {
    use farend_driver::settings::Choices;

    use super::*;

    fn interface(kind: Option<&str>) -> Interface {
        Interface {
            // No such name: no driver is asked about it.
            name: "doctor0".to_owned(),
            is_up: true,
            is_running: true,
            kind: kind.map(str::to_owned),
            ..Interface::default()
        }
    }

    fn joined(findings: &[Finding]) -> String {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn examined(interface: &Interface, tier: TierChoice) -> String {
        joined(&examine(interface, tier, &Choices::default().settle()))
    }

    #[test]
    fn a_sound_interface_needs_nothing() {
        assert_eq!(examined(&interface(None), TierChoice::Xdp), "");
    }

    #[test]
    fn an_interface_that_is_down_or_without_carrier_is_told() {
        let down = Interface { is_up: false, ..interface(None) };
        assert!(examined(&down, TierChoice::Xdp).contains("ip link set doctor0 up"));
        let loose = Interface { is_running: false, ..interface(None) };
        assert!(examined(&loose, TierChoice::Xdp).contains("carrier"));
    }

    #[test]
    fn a_bond_is_told_to_be_served_by_its_slaves() {
        let bond = interface(Some("bond"));
        assert!(examined(&bond, TierChoice::Xdp).contains("slaves"));
        assert!(examined(&bond, TierChoice::AfXdp).contains("slaves"));
        assert_eq!(examined(&bond, TierChoice::AfPacket), "");
    }

    #[test]
    fn any_destination_needs_a_promiscuous_interface() {
        let choices = Choices { any_destination: Some(true), ..Choices::default() };
        let settings = choices.settle();
        let told = examine(&interface(None), TierChoice::Xdp, &settings);
        assert!(joined(&told).contains("promisc on"), "{told:?}");
        let promiscuous = Interface { is_promiscuous: true, ..interface(None) };
        assert!(examine(&promiscuous, TierChoice::Xdp, &settings).is_empty());
    }

    #[test]
    fn a_veth_whose_peer_is_out_of_sight_is_told_on_the_native_tier_alone() {
        let peer =
            Some(crate::interface::Peer { index: 7, is_elsewhere: true, namespace_id: None });
        let veth = Interface { peer, ..interface(Some("veth")) };
        assert!(examined(&veth, TierChoice::Xdp).contains("out of sight"));
        assert!(!examined(&veth, TierChoice::XdpGeneric).contains("out of sight"));
    }

    #[test]
    fn checksum_offload_of_a_veth_peer_is_told_where_answers_are_octets_alone() {
        let peer =
            Some(crate::interface::Peer { index: 7, is_elsewhere: true, namespace_id: None });
        let veth = Interface { peer, ..interface(Some("veth")) };
        for (tier, is_told) in [
            (TierChoice::Xdp, true),
            (TierChoice::AfXdp, true),
            (TierChoice::XdpGeneric, false),
            (TierChoice::AfPacket, false),
        ] {
            let told = examined(&veth, tier);
            assert_eq!(told.contains("ethtool -K PEER tx off"), is_told, "{tier:?}: {told}");
        }
    }
}
