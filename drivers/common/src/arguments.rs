//! The options that every driver has. A driver flattens them into its own.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use farend_core::{Mode, Oui};

use crate::{
    observe,
    settings::Choices,
    values::{
        Format, Guard, Port, Prefix, Rate, Seconds, SignatureSet, SourceOui, UserSignature, VlanId,
        parse_mode, parse_oui,
    },
};

/// Options on what to answer, on statistics and on the configuration file.
#[expect(clippy::doc_markdown, reason = "doc comments of options are their plain help")]
#[derive(Args, Clone, Debug, Default)]
pub struct Arguments {
    /// UDP destination port to answer, or any [default: 3842]
    #[arg(long, value_name = "N|any", help_heading = "What to answer")]
    pub port: Option<Port>,

    /// Answer only this source OUI, and take it for a tester's [default: any]
    #[arg(long, value_name = "XX:XX:XX|any", help_heading = "What to answer")]
    pub oui: Option<SourceOui>,

    /// Signatures to answer, with commas between: probeot, data_ot, latency,
    /// rfc2544, y1564, msnseed; or any, or none [default: all of them]
    #[arg(long, value_name = "LIST|any|none", help_heading = "What to answer")]
    pub signatures: Option<SignatureSet>,

    /// One more signature of your own, up to eight: payload offset and octets
    /// in hexadecimal, as 5:50524f4245 or, with a mask, 0:ab00/ff00
    #[arg(
        long = "signature",
        value_name = "OFFSET:HEX[/MASKHEX]",
        value_delimiter = ',',
        action = ArgAction::Append,
        help_heading = "What to answer"
    )]
    pub user_signatures: Option<Vec<UserSignature>>,

    /// What to exchange: mac (MAC addresses), mac-ip (and IP addresses), all
    /// (and UDP ports) [default: all]
    #[arg(
        long,
        value_name = "mac|mac-ip|all",
        value_parser = parse_mode,
        help_heading = "What to answer"
    )]
    pub mode: Option<Mode>,

    /// VLAN ids to answer, with commas between; 0 stands for frames without a
    /// tag [default: every one]
    #[arg(
        long = "vlan",
        value_name = "ID",
        value_delimiter = ',',
        action = ArgAction::Append,
        help_heading = "What to answer"
    )]
    pub vlans: Option<Vec<VlanId>>,

    /// Testers' addresses, with commas between, as 10.0.0.0/8,fd00::/8; all
    /// others get no answer [default: everybody]
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        action = ArgAction::Append,
        help_heading = "Who is a tester, and the guards"
    )]
    pub allow: Option<Vec<Prefix>>,

    /// OUIs of testers that send from a port that reflectors serve, beside
    /// 00:c0:17 and 00:19:b3
    #[arg(
        long = "tester-oui",
        value_name = "OUI",
        value_parser = parse_oui,
        value_delimiter = ',',
        action = ArgAction::Append,
        help_heading = "Who is a tester, and the guards"
    )]
    pub tester_ouis: Option<Vec<Oui>>,

    /// Most frames a second that each receiving CPU or worker answers; what is
    /// over is dropped [default: no cap]
    #[arg(long, value_name = "PPS", help_heading = "Who is a tester, and the guards")]
    pub max_rate: Option<Rate>,

    /// DANGER: answer every unicast destination MAC, not only our own
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Who is a tester, and the guards"
    )]
    pub any_destination: Option<bool>,

    /// DANGER: switch off guards, with commas between: own-source-mac,
    /// equal-macs, checksum, hop-limit, loop-risk, loopback (udp tier)
    #[arg(
        long = "disable-guard",
        value_name = "NAME",
        value_delimiter = ',',
        action = ArgAction::Append,
        help_heading = "Who is a tester, and the guards"
    )]
    pub disabled_guards: Option<Vec<Guard>>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened: a doc comment would become help")]
    pub observe: observe::Arguments,

    /// Stop after so many seconds [default: run until a signal]
    #[arg(long, value_name = "S", help_heading = "Running and statistics")]
    pub duration: Option<Seconds>,

    /// Form of the statistics on standard output [default: text]
    #[arg(
        long = "stats",
        value_name = "text|json|csv|none",
        help_heading = "Running and statistics"
    )]
    pub format: Option<Format>,

    /// Seconds between statistics [default: 10]
    #[arg(long, value_name = "S", help_heading = "Running and statistics")]
    pub stats_interval: Option<Seconds>,

    /// Read settings from a file, TOML (docs/configuration.md) or the YAML of
    /// the C reflector; options win over it, SIGHUP reads it again
    #[arg(long, value_name = "FILE", help_heading = "Running and statistics")]
    pub config: Option<PathBuf>,

    /// Check options, file, interfaces and privileges, print what would be in
    /// force, and exit
    #[arg(long, help_heading = "Running and statistics")]
    pub check: bool,
}

impl Arguments {
    /// What the command line says of the settings.
    #[must_use]
    pub fn choices(&self) -> Choices {
        Choices {
            port: self.port,
            oui: self.oui,
            tester_ouis: self.tester_ouis.clone(),
            signatures: self.signatures,
            user_signatures: self.user_signatures.clone(),
            mode: self.mode,
            allow: self.allow.clone(),
            vlans: self.vlans.clone(),
            any_destination: self.any_destination,
            disabled_guards: self.disabled_guards.clone(),
            max_rate: self.max_rate,
            observe: self.observe.choices(),
            duration: self.duration,
            format: self.format,
            stats_interval: self.stats_interval,
        }
    }
}

/// An error of the command line as one line, without the usage that help
/// shows better.
#[must_use]
pub fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Program {
        interfaces: Vec<String>,
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Result<Program, clap::Error> {
        Program::try_parse_from(std::iter::once("p").chain(line.split_whitespace()))
    }

    #[test]
    fn lists_come_by_commas_and_by_repetition() {
        let line = "eth0 --vlan 1,2 --vlan 3 --allow 10.0.0.0/8,::/0 eth1";
        let program = parse(line).unwrap();
        assert_eq!(program.interfaces, ["eth0", "eth1"]);
        let choices = program.arguments.choices();
        assert_eq!(choices.vlans, Some(vec![VlanId(1), VlanId(2), VlanId(3)]));
        assert_eq!(choices.allow.map(|list| list.len()), Some(2));
    }

    #[test]
    fn a_flag_takes_back_what_a_file_says_only_when_told() {
        assert_eq!(parse("e --any-destination").unwrap().arguments.any_destination, Some(true));
        let program = parse("--any-destination=false e").unwrap();
        assert_eq!(program.arguments.any_destination, Some(false));
        assert_eq!(parse("e").unwrap().arguments.any_destination, None);
    }

    #[test]
    fn an_error_is_one_line_with_option_value_and_accepted_form() {
        let line = one_line(&parse("e --oui 00:c0").unwrap_err());
        assert!(!line.contains('\n'));
        assert!(line.contains("00:c0") && line.contains("--oui") && line.contains("00:c0:17"));
        let line = one_line(&parse("e --prot 7").unwrap_err());
        assert!(line.contains("--prot") && line.contains("--port"), "{line}");
    }
}
