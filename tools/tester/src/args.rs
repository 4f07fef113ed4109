//! The command line.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use clap::{Args, Parser, Subcommand, ValueEnum};
use farend_core::{Kind, MacAddress};

use crate::rate::{Asked, parse_microseconds_ns, parse_percent_ppm, parse_seconds_ns};

/// Sends test traffic to a reflector and measures what comes back.
#[derive(Parser, Debug)]
#[command(name = "farend-tester", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Sends probes and measures rate, loss and round-trip time
    Probe(Box<ProbeArgs>),
}

const EXAMPLES: &str = "\
Examples:
  Is there a reflector, and how far away? No root needed:
    farend-tester probe 192.0.2.10

  A true 64-octet frame and the rest of RFC 2544's sizes, at 10 Mbit/s, as raw frames:
    sudo farend-tester probe 192.0.2.10 --interface eth1 --bandwidth 10M

  One size, VLAN 100, as fast as it goes for 30 s, as JSON:
    sudo farend-tester probe 192.0.2.10 --interface eth1 --vlan 100 \\
        --frame-octets 512 --rate max --duration 30 --json

  A pass or fail for a script: exit code 1 if more than 0.1 % is lost or p99 is over 200 us:
    farend-tester probe 192.0.2.10 --rate 5k --max-loss 0.1 --max-p99 200

Exit codes: 0 passed, 1 failed (a threshold, no answer, or an error), 2 wrong arguments.";

/// Sends probes to a reflector and measures rate, loss and round-trip time.
///
/// Sizes are of Ethernet frames with FCS, as RFC 2544 states them. Each size
/// is one run.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES, args_override_self = true)]
pub struct ProbeArgs {
    /// IP address or name of the reflector
    pub target: String,

    /// UDP port of the reflector
    #[arg(long, default_value_t = farend_core::reflect::policy::ITO_PORT,
          value_parser = within::<u16>(1, u16::MAX))]
    pub port: u16,

    /// Send raw frames on this interface, which takes a privilege; without it,
    /// a plain UDP socket
    #[arg(long, value_name = "IF")]
    pub interface: Option<String>,

    /// MAC address of the reflector, or of the router to it; without it, the
    /// tester asks for it
    #[arg(long, value_name = "MAC", requires = "interface", value_parser = parse_mac)]
    pub target_mac: Option<MacAddress>,

    /// IP address to send raw frames from; without it, the interface's own
    #[arg(long, value_name = "ADDRESS", requires = "interface")]
    pub source_address: Option<IpAddr>,

    /// VLAN id, or outer and inner VLAN id
    #[arg(long, value_name = "ID[,ID]", requires = "interface", value_delimiter = ',',
          value_parser = within::<u16>(0, 4_094))]
    pub vlan: Vec<u16>,

    /// Use IPv6 where TARGET is a name
    #[arg(long)]
    pub ipv6: bool,

    /// What reflectors recognise the probes by
    #[arg(long, value_enum, default_value_t = Signature::Rfc2544)]
    pub signature: Signature,

    /// Frame sizes with FCS, each one run [default: 64,128,256,512,1024,1280,1518]
    #[arg(long, value_name = "LIST", value_delimiter = ',', alias = "sizes")]
    pub frame_octets: Vec<usize>,

    /// Frames a second (500, 10k, 1.5M), or max
    #[arg(long, value_name = "FPS", default_value = "1000", value_parser = Asked::parse_frames,
          conflicts_with = "bandwidth")]
    pub rate: Asked,

    /// Bits a second on the link, preamble and gap in (100M, 2.5G)
    #[arg(long, value_name = "BITS", value_parser = Asked::parse_bits)]
    pub bandwidth: Option<Asked>,

    /// Seconds of sending for each size [default: 5, or until --count]
    #[arg(long, value_name = "S", value_parser = parse_seconds_ns)]
    pub duration: Option<u64>,

    /// Frames of each size
    #[arg(long, value_name = "N", value_parser = within::<u32>(1, u32::MAX))]
    pub count: Option<u32>,

    /// Seconds of sending before the first size, not counted
    #[arg(long, value_name = "S", default_value = "0", value_parser = parse_seconds_ns)]
    pub warm_up: u64,

    /// Milliseconds to wait for stragglers after each run
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    pub wait_ms: u32,

    /// UDP source port [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = within::<u16>(1, u16::MAX))]
    pub source_port: Option<u16>,

    /// Differentiated services code point
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = within::<u8>(0, 63))]
    pub dscp: u8,

    /// TTL or hop limit
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = within::<u8>(1, u8::MAX))]
    pub ttl: u8,

    /// Fail if more than this share of a run is lost
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent_ppm)]
    pub max_loss: Option<u64>,

    /// Fail if the 99th percentile of the round-trip time of a run is longer
    #[arg(long, value_name = "US", value_parser = parse_microseconds_ns)]
    pub max_p99: Option<u64>,

    /// Print JSON: one object for each size, then a summary
    #[arg(long)]
    pub json: bool,

    /// Draw no progress bar
    #[arg(long)]
    pub quiet: bool,

    /// Threads: 2 to send and receive at once, 1 to do it in turn
    /// [default: 2, on one CPU 1]
    #[arg(long, value_name = "N", value_parser = within::<u8>(1, 2))]
    pub threads: Option<u8>,
}

/// The signatures that probes may carry.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
#[value(rename_all = "snake_case")]
pub enum Signature {
    /// ITO, PROBEOT
    Probeot,
    /// ITO, DATA:OT
    DataOt,
    /// ITO, LATENCY
    Latency,
    /// RFC2544
    Rfc2544,
    /// Y.1564
    Y1564,
    /// MSNSEED
    Msnseed,
}

impl Signature {
    /// As the core names it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Probeot => Kind::Probeot,
            Self::DataOt => Kind::DataOt,
            Self::Latency => Kind::Latency,
            Self::Rfc2544 => Kind::Rfc2544,
            Self::Y1564 => Kind::Y1564,
            Self::Msnseed => Kind::Msnseed,
        }
    }
}

fn parse_mac(text: &str) -> Result<MacAddress, String> {
    let expected = || String::from("expected six octets such as 00:c0:17:12:34:56");
    let mut octets = [0; 6];
    let mut parts = text.split([':', '-']);
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() == 2).ok_or_else(expected)?;
        *octet = u8::from_str_radix(part, 16)
            .ok()
            .filter(|_| !part.starts_with('+'))
            .ok_or_else(expected)?;
    }
    let address = MacAddress(octets);
    if parts.next().is_some() || address == MacAddress([0; 6]) {
        return Err(expected());
    }
    if address.is_group() {
        return Err(String::from(
            "a group address is no station's: give the one of the reflector, or of the router to it",
        ));
    }
    Ok(address)
}

/// A parser of whole numbers within two bounds, both in.
fn within<T>(min: T, max: T) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Copy + Display + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| format!("expected {min} to {max}"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn mac_addresses_are_read_and_groups_refused() {
        assert_eq!(
            parse_mac("00:c0:17:aa-BB:cc"),
            Ok(MacAddress([0, 0xc0, 0x17, 0xaa, 0xbb, 0xcc]))
        );
        for text in [
            "",
            "1:2:3:4:5:6",
            "00:c0:17:aa:bb",
            "00:c0:17:aa:bb:cc:dd",
            "+0:c0:17:aa:bb:cc",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "gg:c0:17:aa:bb:cc",
        ] {
            assert!(parse_mac(text).is_err(), "{text}");
        }
    }

    #[test]
    fn number_out_of_bounds_is_told_the_bounds() {
        let dscp = within::<u8>(0, 63);
        assert_eq!((dscp("0"), dscp("63")), (Ok(0), Ok(63)));
        for text in ["64", "256", "-1", "", "x"] {
            assert_eq!(dscp(text), Err("expected 0 to 63".to_owned()), "{text}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for arguments in [
            "--rate 1 --bandwidth 1M",
            "--vlan 5",
            "--target-mac 02:00:00:00:00:01",
            "--dscp 64",
            "--ttl 0",
            "--count 0",
            "--max-loss 101",
            "--interface a --vlan 4095",
            "--threads 3",
            "--port 0",
        ] {
            let line = format!("farend-tester probe 192.0.2.1 {arguments}");
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{arguments}");
        }
    }
}
