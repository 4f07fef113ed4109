//! What a command line asks for, checked as far as it can be without a
//! network.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    time::Duration,
};

use farend_core::{
    Kind,
    measure::probe::{Addresses, ELAPSED_NS_MAX, Form, Tags},
};

use crate::{
    args::ProbeArgs,
    error::Error,
    rate::{Asked, FCS_OCTETS, frames_wanted},
    run::Threads,
    sender::Extent,
};

/// Frame sizes of RFC 2544 section 9.1, with FCS.
pub const DEFAULT_FRAME_OCTETS: [usize; 7] = [64, 128, 256, 512, 1024, 1280, 1518];

/// The least Ethernet frame, FCS in (IEEE 802.3 clause 4.4.2).
pub const FRAME_OCTETS_MIN: usize = 64;

/// The longest frame that is sent, FCS in: beyond any interface's.
pub const FRAME_OCTETS_MAX: usize = 16_384;

const DEFAULT_DURATION_NS: u64 = 5_000_000_000;

/// Octets of an untagged Ethernet header, which a UDP socket's frames have.
const ETHERNET_OCTETS: usize = farend_core::frame::wire::ethernet::HEADER_OCTETS;

/// What to send, and what to expect of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Address and port of the reflector.
    pub target: SocketAddr,
    /// The signature.
    pub kind: Kind,
    /// VLAN tags.
    pub tags: Tags,
    /// Frame sizes, FCS in, each one run.
    pub frame_octets: Vec<usize>,
    /// The rate.
    pub asked: Asked,
    /// Longest time of a run, in nanoseconds.
    pub duration_ns: Option<u64>,
    /// Frames of a run.
    pub count: Option<u32>,
    /// Time of the run before the first, in nanoseconds; 0 for none.
    pub warm_up_ns: u64,
    /// How long to wait for stragglers.
    pub straggler_wait: Duration,
    /// Differentiated services code point.
    pub dscp: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// What passes.
    pub limits: Limits,
    /// Who sends and receives.
    pub threads: Threads,
}

/// What a run must not exceed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Lost frames in a million sent.
    pub loss_ppm: Option<u64>,
    /// 99th percentile of the round-trip time, in nanoseconds.
    pub p99_ns: Option<u64>,
}

impl Plan {
    /// Checks the arguments and finds the target.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for arguments that make no sense together,
    /// [`Error::Run`] for a name that is not found.
    pub fn new(args: &ProbeArgs) -> Result<Self, Error> {
        let target = find_target(args)?;
        let tags = match *args.vlan.as_slice() {
            [outer, inner] => Tags::two(outer, inner),
            [vid] => Tags::one(vid),
            [] => Tags::NONE,
            _ => {
                let count = args.vlan.len();
                return Err(Error::usage(format!(
                    "--vlan takes one id, or an outer and an inner one, not {count}"
                )));
            }
        };
        let kind = args.signature.kind();
        let is_timed = args.duration.is_some() || args.count.is_none();
        let duration_ns = is_timed.then(|| args.duration.unwrap_or(DEFAULT_DURATION_NS));
        if duration_ns == Some(0) {
            return Err(Error::usage("--duration 0 sends nothing: give a time above 0"));
        }
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match args.threads {
            Some(1) => Threads::One,
            None if cpus == 1 => Threads::One,
            _ => Threads::Two,
        };
        let mut plan = Self {
            target,
            kind,
            tags,
            frame_octets: Vec::new(),
            asked: args.bandwidth.unwrap_or(args.rate),
            duration_ns,
            count: args.count,
            warm_up_ns: args.warm_up,
            straggler_wait: Duration::from_millis(args.wait_ms.into()),
            dscp: args.dscp,
            hop_limit: args.ttl,
            limits: Limits { loss_ppm: args.max_loss, p99_ns: args.max_p99 },
            threads,
        };
        plan.frame_octets = plan.sizes(&args.frame_octets)?;
        for frame_octets in &plan.frame_octets {
            plan.extent(*frame_octets)?;
        }
        Ok(plan)
    }

    /// How much to send of one size.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if it is more than there are sequence numbers.
    pub fn extent(&self, frame_octets: usize) -> Result<Extent, Error> {
        let pace = self.asked.pace(frame_octets);
        let frames = frames_wanted(pace, self.duration_ns, self.count.map(u64::from))?;
        Ok(Extent { frames, duration_ns: self.duration_ns })
    }

    /// Octets of UDP payload in a frame of this size, FCS in.
    #[must_use]
    pub fn payload_octets(&self, frame_octets: usize) -> usize {
        frame_octets.saturating_sub(self.overhead_octets())
    }

    /// The longest frame that fits an MTU, FCS in.
    #[must_use]
    pub fn frame_octets_max(&self, mtu_octets: usize) -> usize {
        // Linux grants one tag beyond the MTU, and no second.
        let tag_octets = self.tags.octets().min(4);
        mtu_octets + ETHERNET_OCTETS + tag_octets + FCS_OCTETS
    }

    /// Everything in a frame but the UDP payload, FCS in.
    fn overhead_octets(&self) -> usize {
        let network = if self.target.is_ipv4() {
            farend_core::frame::wire::ipv4::HEADER_OCTETS
        } else {
            farend_core::frame::wire::ipv6::HEADER_OCTETS
        };
        let transport = farend_core::frame::wire::udp::HEADER_OCTETS;
        ETHERNET_OCTETS + self.tags.octets() + network + transport + FCS_OCTETS
    }

    /// The least frame that carries a probe of this kind.
    fn frame_octets_min(&self) -> usize {
        // The short forms are of one length, whatever the signature.
        (self.overhead_octets() + Form::Compact.octets()).max(FRAME_OCTETS_MIN)
    }

    fn sizes(&self, asked: &[usize]) -> Result<Vec<usize>, Error> {
        let least = self.frame_octets_min();
        let default = DEFAULT_FRAME_OCTETS.map(|octets| octets.max(least));
        let sizes = if asked.is_empty() { default.as_slice() } else { asked };
        for octets in sizes {
            if *octets < least {
                return Err(Error::usage(format!(
                    "a frame of {octets} octets is too small: with {} the least that carries a \
                     {} probe is {least} (FCS in)",
                    self.describe_headers(),
                    self.kind.name(),
                )));
            }
            if *octets > FRAME_OCTETS_MAX {
                return Err(Error::usage(format!(
                    "a frame of {octets} octets is too large: the most is {FRAME_OCTETS_MAX}"
                )));
            }
            self.check_wait(*octets)?;
        }
        Ok(sizes.to_vec())
    }

    fn describe_headers(&self) -> String {
        let version = if self.target.is_ipv4() { "IPv4" } else { "IPv6" };
        match self.tags.count() {
            0 => String::from(version),
            1 => format!("{version} and one VLAN tag"),
            _ => format!("{version} and two VLAN tags"),
        }
    }

    /// A timestamp of 32 bits cannot tell an older answer from a new one.
    fn check_wait(&self, frame_octets: usize) -> Result<(), Error> {
        let is_short = Form::of(self.kind, self.payload_octets(frame_octets)) != Some(Form::Full);
        if is_short && self.straggler_wait > Duration::from_nanos(ELAPSED_NS_MAX) {
            return Err(Error::usage(format!(
                "--wait-ms may be at most {} with a frame of {frame_octets} octets: its probe \
                 has a timestamp of 32 bits",
                ELAPSED_NS_MAX / 1_000_000
            )));
        }
        Ok(())
    }
}

/// Pairs addresses whose version is known to be the same.
///
/// # Errors
///
/// [`Error::Usage`] if it is not.
pub fn pair(source: IpAddr, target: IpAddr) -> Result<Addresses, Error> {
    Addresses::new(source, target).ok_or_else(|| {
        Error::usage(format!(
            "--source-address {source} and target {target} are of two IP versions: give one of \
             the target's"
        ))
    })
}

fn find_target(args: &ProbeArgs) -> Result<SocketAddr, Error> {
    if let Ok(address) = args.target.parse::<IpAddr>() {
        if args.ipv6 && address.is_ipv4() {
            return Err(Error::usage(format!(
                "--ipv6 and the IPv4 address {address} contradict each other"
            )));
        }
        return checked(SocketAddr::new(address, args.port));
    }
    // An IPv6 address with a zone, fe80::1%eth0, is understood here as well.
    let mut found = (args.target.as_str(), args.port).to_socket_addrs().map_err(|error| {
        Error::run(format!(
            "{:?} is no IP address, and no such name is found: {error}",
            args.target
        ))
    })?;
    let target = found.find(|address| address.is_ipv6() == args.ipv6);
    target.map_or_else(
        || {
            let (version, hint) =
                if args.ipv6 { ("IPv6", "leave --ipv6 out") } else { ("IPv4", "try --ipv6") };
            Err(Error::run(format!("{:?} has no {version} address: {hint}", args.target)))
        },
        checked,
    )
}

fn checked(target: SocketAddr) -> Result<SocketAddr, Error> {
    let is_group = match target.ip() {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast(),
    };
    if is_group || target.ip().is_unspecified() {
        return Err(Error::usage(format!(
            "{} is no single host: reflectors never answer such traffic",
            target.ip()
        )));
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn plan(arguments: &str) -> Result<Plan, Error> {
        let line = format!("farend-tester probe {arguments}");
        let Command::Probe(args) = Cli::try_parse_from(line.split(' ')).unwrap().command;
        Plan::new(&args)
    }

    #[test]
    fn the_least_frame_depends_on_the_headers() {
        for (arguments, least) in [
            ("192.0.2.1", 64),
            ("192.0.2.1 --signature probeot", 64),
            ("192.0.2.1 --interface a --vlan 5", 68),
            ("192.0.2.1 --interface a --vlan 5,6", 72),
            ("2001:2::1", 84),
            ("2001:2::1 --interface a --vlan 5,6", 92),
        ] {
            let fits = plan(&format!("{arguments} --frame-octets {least}"));
            assert_eq!(fits.unwrap().frame_octets, [least], "{arguments}");
            let error = plan(&format!("{arguments} --frame-octets {}", least - 1)).unwrap_err();
            assert!(error.to_string().contains(&format!(" is {least} ")), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert_eq!(plan("2001:2::1").unwrap().frame_octets[..2], [84, 128]);
    }

    #[test]
    fn a_64_octet_frame_has_18_octets_of_payload() {
        assert_eq!(plan("192.0.2.1").unwrap().payload_octets(64), 18);
    }

    #[test]
    fn nobody_to_answer_is_refused() {
        assert_eq!(plan("192.0.2.1 --interface a --vlan 1,2,3").unwrap_err().exit_code(), 2);
        for target in ["224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "ff02::1"] {
            assert_eq!(plan(target).unwrap_err().exit_code(), 2, "{target}");
        }
        assert_eq!(plan("192.0.2.1 --ipv6").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn waiting_longer_than_a_timestamp_lasts_is_refused() {
        assert!(plan("192.0.2.1 --wait-ms 5000 --frame-octets 64").is_err());
        assert!(plan("192.0.2.1 --wait-ms 5000 --frame-octets 70").is_ok());
        assert!(plan("192.0.2.1 --wait-ms 5000 --frame-octets 70 --signature latency").is_err());
    }
}
