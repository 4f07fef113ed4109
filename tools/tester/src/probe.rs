//! The `probe` command: opens the path, does one run for each size, reports.

use std::{
    io::Write,
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
};

use farend_core::{
    MacAddress,
    probe::{Form, Headers, Question},
};

use crate::{
    advice,
    args::ProbeArgs,
    burst::Burst,
    error::Error,
    judge::Expected,
    path::{
        Receive, Transmit,
        packet::{Interface, PacketReceive, PacketTransmit, keep_port},
        resolve,
        udp::{self, Marks, UdpReceive, UdpTransmit},
    },
    plan::{Plan, pair},
    progress::Progress,
    rate::FCS_OCTETS,
    report::{Place, RunReport, Summary, write_text},
    run::{Order, Outcome, run},
    sender::Extent,
};

/// First of the ports from which raw frames are sent if none is asked for and
/// the address is not the host's: the dynamic ports of RFC 6335.
const DYNAMIC_PORT_FIRST: u16 = 49_152;

/// Probes, and writes what was found. Returns whether all runs passed.
///
/// `stop` ends sending early; stragglers are waited for all the same.
///
/// # Errors
///
/// [`Error::Usage`] for arguments that make no sense, here or in general;
/// [`Error::Run`] if something fails at run time.
pub fn probe(args: &ProbeArgs, stop: &AtomicBool, out: &mut impl Write) -> Result<bool, Error> {
    let plan = Plan::new(args)?;
    let interface = args.interface.as_deref().map(Interface::find).transpose()?;
    warn(advice::shared_network_warning(&plan));
    if let Some(port) = args.source_port {
        warn(advice::source_port_warning(&plan, port));
    }
    let mut session = Session {
        progress: Progress::new(args.quiet),
        is_json: args.json,
        plan: &plan,
        interface: interface.as_ref(),
        stop,
        reports: Vec::new(),
        is_undeliverable: false,
    };
    match &interface {
        Some(interface) => session.probe_by_packets(args, interface, out)?,
        None => session.probe_by_udp(args, out)?,
    }
    session.finish(out)
}

fn warn(warning: Option<String>) {
    if let Some(warning) = warning {
        eprintln!("farend-tester: {warning}");
    }
}

/// All runs of one command.
struct Session<'a> {
    plan: &'a Plan,
    interface: Option<&'a Interface>,
    progress: Progress,
    is_json: bool,
    stop: &'a AtomicBool,
    reports: Vec<RunReport>,
    is_undeliverable: bool,
}

impl Session<'_> {
    fn probe_by_udp(&mut self, args: &ProbeArgs, out: &mut impl Write) -> Result<(), Error> {
        let plan = self.plan;
        let marks = Marks {
            source_port: args.source_port.unwrap_or(0),
            dscp: plan.dscp,
            hop_limit: plan.hop_limit,
        };
        let socket = udp::open(plan.target, marks)?;
        if let Some(mtu_octets) = udp::mtu_octets(&socket) {
            self.check_mtu(mtu_octets, &format!("the way to {}", plan.target.ip()))?;
        }
        let longest = plan.frame_octets.iter().copied().max().unwrap_or(0);
        let mut transmit = UdpTransmit(&socket);
        let mut receive = UdpReceive::new(&socket, plan.payload_octets(longest));
        self.probe_sizes(&mut transmit, &mut receive, None, out)
    }

    fn probe_by_packets(
        &mut self,
        args: &ProbeArgs,
        interface: &Interface,
        out: &mut impl Write,
    ) -> Result<(), Error> {
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

    fn check_mtu(&self, mtu_octets: usize, on: &str) -> Result<(), Error> {
        let most = self.plan.frame_octets_max(mtu_octets);
        match self.plan.frame_octets.iter().find(|octets| **octets > most) {
            Some(octets) => Err(Error::usage(format!(
                "a frame of {octets} octets is too large for {on}: its MTU of {mtu_octets} allows \
                 {most} (FCS in)"
            ))),
            None => Ok(()),
        }
    }

    fn probe_sizes<T: Transmit, R: Receive>(
        &mut self,
        transmit: &mut T,
        receive: &mut R,
        headers: Option<Headers>,
        out: &mut impl Write,
    ) -> Result<(), Error> {
        let plan = self.plan;
        if let (Some(first), 1..) = (plan.frame_octets.first(), plan.warm_up_ns) {
            self.progress.name(String::from("warm-up"));
            let warm_up = Plan { duration_ns: Some(plan.warm_up_ns), count: None, ..plan.clone() };
            let extent = warm_up.extent(*first)?;
            self.run_size(transmit, receive, headers, *first, extent)?;
        }
        for frame_octets in &plan.frame_octets {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.progress.name(format!("{frame_octets} octets"));
            let extent = plan.extent(*frame_octets)?;
            let outcome = self.run_size(transmit, receive, headers, *frame_octets, extent)?;
            let time_source = receive.time_source();
            let report = RunReport::new(plan, self.place(), *frame_octets, &outcome, time_source);
            if self.is_json {
                write_json(out, &report)?;
            }
            let is_silent = report.received == 0 && report.sent > 0;
            self.is_undeliverable |= report.undeliverable > 0;
            self.reports.push(report);
            if is_silent && self.reports.len() == 1 {
                // Nobody answers: further sizes would only take time.
                break;
            }
        }
        Ok(())
    }

    fn run_size<T: Transmit, R: Receive>(
        &self,
        transmit: &mut T,
        receive: &mut R,
        headers: Option<Headers>,
        frame_octets: usize,
        extent: Extent,
    ) -> Result<Outcome, Error> {
        let plan = self.plan;
        let payload_octets = plan.payload_octets(frame_octets);
        let stream = random()?;
        let burst = match &headers {
            Some(headers) => {
                Burst::of_frames(plan.kind, stream, headers, frame_octets - FCS_OCTETS)?
            }
            None => Burst::of_payloads(plan.kind, stream, payload_octets)?,
        };
        let form: Form = burst.form();
        let stream = burst.stream();
        let expected = Expected { kind: plan.kind, form, stream, payload_octets, headers };
        let order = Order {
            burst,
            expected,
            pace: plan.asked.pace(frame_octets),
            extent,
            straggler_wait_ns: u64::try_from(plan.straggler_wait.as_nanos()).unwrap_or(u64::MAX),
        };
        run(transmit, receive, order, plan.threads, self.stop, &self.progress)
    }

    fn place(&self) -> Place {
        Place {
            target: self.plan.target.to_string(),
            path: if self.interface.is_some() { "packet" } else { "udp" },
            interface: self.interface.map(|interface| interface.name().to_owned()),
            vlan: self.plan.tags.iter().map(farend_core::probe::Tag::vid).collect(),
            signature: self.plan.kind.name(),
        }
    }

    fn finish(&self, out: &mut impl Write) -> Result<bool, Error> {
        let summary = Summary::new(&self.reports, self.stop.load(Ordering::Relaxed));
        if self.is_json {
            write_json(out, &summary)?;
        } else {
            write_text(out, &self.reports, &summary).map_err(|error| write_error(&error))?;
        }
        out.flush().map_err(|error| write_error(&error))?;
        if summary.sent > 0 && summary.received == 0 {
            return Err(Error::run(advice::no_answer(
                self.plan,
                self.interface,
                self.is_undeliverable,
            )));
        }
        Ok(summary.is_passed())
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
        let [a, b, ..] = random().unwrap_or(0).to_be_bytes();
        DYNAMIC_PORT_FIRST | (u16::from_be_bytes([a, b]) >> 2)
    })
}

fn random() -> Result<u32, Error> {
    let mut octets = [0_u8; 4];
    rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Error::run(format!("no random number for the stream: {error}")))?;
    Ok(u32::from_ne_bytes(octets))
}

fn write_json(out: &mut impl Write, record: &impl serde::Serialize) -> Result<(), Error> {
    let mut line = serde_json::to_vec(record)
        .map_err(|error| Error::run(format!("cannot write JSON: {error}")))?;
    line.push(b'\n');
    out.write_all(&line).and_then(|()| out.flush()).map_err(|error| write_error(&error))
}

fn write_error(error: &std::io::Error) -> Error {
    Error::run(format!("cannot write the results: {error}"))
}
