//! The `probe` command: opens the path, does one run for each size, reports.

#[cfg(target_os = "linux")]
mod packets;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use farend_core::measure::probe::{Form, Headers};

use crate::{
    advice,
    args::ProbeArgs,
    burst::Burst,
    checksums,
    error::Error,
    judge::Expected,
    path::{
        Receive, Transmit,
        udp::{self, Marks, UdpReceive, UdpTransmit},
    },
    plan::Plan,
    progress::Progress,
    rate::FCS_OCTETS,
    report::{Place, RunReport, Summary, write_text},
    run::{Order, Outcome, run},
    sender::Extent,
};

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
    warn(advice::shared_network_warning(&plan));
    if let Some(port) = args.source_port {
        warn(advice::source_port_warning(&plan, port));
    }
    let mut session = Session {
        progress: Progress::new(args.quiet),
        is_json: args.json,
        plan: &plan,
        interface: args.interface.as_deref(),
        is_veth: false,
        stop,
        reports: Vec::new(),
        is_undeliverable: false,
        wrong_checksums_before: checksums::wrong_so_far(),
    };
    match &args.interface {
        Some(name) => session.probe_by_packets(args, name, out)?,
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
    interface: Option<&'a str>,
    is_veth: bool,
    progress: Progress,
    is_json: bool,
    stop: &'a AtomicBool,
    reports: Vec<RunReport>,
    is_undeliverable: bool,
    wrong_checksums_before: Option<u64>,
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

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "as where there are raw frames")]
    fn probe_by_packets(
        &mut self,
        _args: &ProbeArgs,
        _interface: &str,
        _out: &mut impl Write,
    ) -> Result<(), Error> {
        Err(Error::usage("raw frames are sent on Linux alone: probe without --interface"))
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
        let [_, _, _, _, stream @ ..] = random().to_be_bytes();
        let stream = u32::from_be_bytes(stream);
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
            interface: self.interface.map(str::to_owned),
            vlan: self.plan.tags.iter().map(farend_core::measure::probe::Tag::vid).collect(),
            signature: self.plan.kind.name(),
        }
    }

    /// Datagrams to any program of this host that the kernel dropped meanwhile because
    /// their checksum was wrong.
    fn wrong_checksums(&self) -> u64 {
        let both = checksums::wrong_so_far().zip(self.wrong_checksums_before);
        both.map_or(0, |(now, before)| now.saturating_sub(before))
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
            let is_veth = self.is_veth;
            let interface = self.interface.map(|name| advice::Kind { name, is_veth });
            let silence = advice::Silence {
                interface,
                is_unreachable: self.is_undeliverable,
                wrong_checksums: self.wrong_checksums(),
            };
            return Err(Error::run(advice::no_answer(self.plan, silence)));
        }
        Ok(summary.is_passed())
    }
}

/// A number that no other run has, as far as chance goes: the standard
/// library's hasher starts from the system's random numbers.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
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
