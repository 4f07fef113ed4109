//! Raw frames: finds the interface, the addresses and the target's station.

use std::{
    io::Write,
    net::{SocketAddr, UdpSocket},
};

use farend_core::{
    MacAddress,
    measure::probe::{Headers, Question},
};

use super::{Session, random};
use crate::{
    args::ProbeArgs,
    error::Error,
    path::{
        packet::{Interface, PacketReceive, PacketTransmit, keep_port},
        resolve,
    },
    plan::pair,
};

/// First of the ports from which raw frames are sent if none is asked for and
/// the address is not the host's: the dynamic ports of RFC 6335.
const DYNAMIC_PORT_FIRST: u16 = 49_152;

impl Session<'_> {
    pub(super) fn probe_by_packets(
        &mut self,
        args: &ProbeArgs,
        interface: &str,
        out: &mut impl Write,
    ) -> Result<(), Error> {
        let interface = &Interface::find(interface)?;
        self.is_veth = interface.is_veth();
        self.check_mtu(interface.mtu_octets(), interface.name())?;
        let target = self.plan.target.ip();
        let source = match args.source_address {
            Some(source) => source,
            None => interface.source_address(target)?,
        };
        let addresses = pair(source, target)?;
        let (mut transmit, mut receive) = interface.open()?;
        let question = Question { source_mac: interface.mac(), tags: self.plan.tags, addresses };
        let destination_mac =
            target_mac(args.target_mac, &question, &mut transmit, &mut receive, interface)?;
        // Lives as long as probes may come back.
        let kept = keep_port(SocketAddr::new(source, args.source_port.unwrap_or(0)), interface);
        let source_port = args.source_port.unwrap_or_else(|| free_port(kept.as_ref()));
        let headers = Headers {
            destination_mac,
            source_mac: interface.mac(),
            tags: self.plan.tags,
            addresses,
            source_port,
            destination_port: self.plan.target.port(),
            dscp: self.plan.dscp,
            hop_limit: self.plan.hop_limit,
        };
        self.probe_sizes(&mut transmit, &mut receive, Some(headers), out)
    }
}

fn target_mac(
    given: Option<MacAddress>,
    question: &Question,
    transmit: &mut PacketTransmit,
    receive: &mut PacketReceive,
    interface: &Interface,
) -> Result<MacAddress, Error> {
    match given {
        Some(address) => Ok(address),
        None => resolve::resolve(question, transmit, receive, interface.name()),
    }
}

fn free_port(kept: Option<&UdpSocket>) -> u16 {
    let kept = kept.and_then(|socket| socket.local_addr().ok()).map(|address| address.port());
    // Where the host does not own the address, any port will do.
    kept.unwrap_or_else(|| {
        let [a, b, ..] = random().to_be_bytes();
        DYNAMIC_PORT_FIRST | (u16::from_be_bytes([a, b]) >> 2)
    })
}
