//! Our own TOML: the keys are the options of the command line.

use super::{
    Config, Fault,
    document::{Entry, Table},
};
use crate::values::{Numbers, SignatureSet, UserSignature, parse_mode, parse_oui};

/// Every key, for the error about one that is not.
const KEYS: [&str; 29] = [
    "interfaces",
    "tier",
    "replace",
    "queues",
    "cpus",
    "busy-poll",
    "port",
    "oui",
    "tester-oui",
    "signatures",
    "signature",
    "mode",
    "allow",
    "vlan",
    "any-destination",
    "disable-guard",
    "max-rate",
    "sample",
    "sample-file",
    "sample-of",
    "sample-octets",
    "sample-answers",
    "tap",
    "testers",
    "residence",
    "counters-page",
    "duration",
    "stats",
    "stats-interval",
];

/// Takes over what a document says.
pub(super) fn read(config: &mut Config, table: &Table) -> Result<(), Fault> {
    for entry in table.flat() {
        read_entry(config, &entry)?;
        config.lines.insert(entry.key.clone(), entry.line);
    }
    Ok(())
}

fn read_entry(config: &mut Config, entry: &Entry) -> Result<(), Fault> {
    let choices = &mut config.choices;
    match entry.key.as_str() {
        "interfaces" => {
            let names = entry.texts()?.into_iter().map(str::to_owned).collect();
            config.targets = Some(names);
        }
        "tier" => config.tier = Some(entry.text()?.to_owned()),
        "replace" => config.replace = Some(entry.flag()?),
        "queues" => config.queues = Some(numbers(entry)?),
        "cpus" => config.cpus = Some(numbers(entry)?),
        "busy-poll" => config.busy_poll = Some(entry.parse()?),
        "port" => choices.port = Some(entry.parse()?),
        "oui" => choices.oui = Some(entry.parse()?),
        "tester-oui" => choices.tester_ouis = Some(entry.list(parse_oui)?),
        "signatures" => choices.signatures = Some(signatures(entry)?),
        "signature" => {
            choices.user_signatures = Some(entry.list(str::parse::<UserSignature>)?);
        }
        "mode" => choices.mode = Some(entry.parse_with(parse_mode)?),
        "allow" => choices.allow = Some(entry.list(str::parse)?),
        "vlan" => choices.vlans = Some(entry.list(str::parse)?),
        "any-destination" => choices.any_destination = Some(entry.flag()?),
        "disable-guard" => choices.disabled_guards = Some(entry.list(str::parse)?),
        "max-rate" => choices.max_rate = Some(entry.parse()?),
        "duration" => choices.duration = Some(entry.parse()?),
        "stats" => choices.format = Some(entry.parse()?),
        "stats-interval" => choices.stats_interval = Some(entry.parse()?),
        _ => return read_observe(config, entry),
    }
    Ok(())
}

/// What to look at beside reflecting.
fn read_observe(config: &mut Config, entry: &Entry) -> Result<(), Fault> {
    let choices = &mut config.choices.observe;
    match entry.key.as_str() {
        "sample" => choices.sample = Some(entry.parse()?),
        "sample-file" => choices.sample_file = Some(entry.text()?.into()),
        "sample-of" => choices.sample_of = Some(entry.parse()?),
        "sample-octets" => choices.sample_octets = Some(entry.parse()?),
        "sample-answers" => choices.sample_answers = Some(entry.flag()?),
        "tap" => choices.tap = Some(entry.parse()?),
        "testers" => choices.testers = Some(entry.parse()?),
        "residence" => choices.residence = Some(entry.flag()?),
        "counters-page" => choices.counters_page = Some(entry.parse()?),
        _ => return Err(unknown(entry)),
    }
    Ok(())
}

/// A list of numbers and ranges, or one text with commas.
fn numbers(entry: &Entry) -> Result<Numbers, Fault> {
    let text = entry.texts()?.join(",");
    text.parse().map_err(|expected| entry.fault(format!("{text:?}: {expected}")))
}

/// A list of names or one text with commas.
fn signatures(entry: &Entry) -> Result<SignatureSet, Fault> {
    let text = entry.texts()?.join(",");
    text.parse().map_err(|expected| entry.fault(format!("{text:?}: {expected}")))
}

fn unknown(entry: &Entry) -> Fault {
    let message = format!("is no key: expected one of {}", KEYS.join(", "));
    Fault { line: Some(entry.line), key: entry.key.clone(), message }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use crate::{observe, settings::Choices};

    #[test]
    fn every_key_is_read() {
        let text = r#"
interfaces = ["eth1", "eth2"]
tier = "xdp"
replace = true
queues = [0, "2-3"]
cpus = "1"
busy-poll = 30
port = 7
oui = "00:c0:17"
tester-oui = ["02:00:00"]
signatures = ["probeot", "latency"]
signature = ["0:ab"]
mode = "mac"
allow = ["10.0.0.0/8", "fd00::/8"]
vlan = [1, 2]
any-destination = true
disable-guard = ["checksum"]
max-rate = 1_000
sample = 1_000
sample-file = "sample.pcapng"
sample-of = "all"
sample-octets = 128
sample-answers = true
tap = "lab:sample=10"
testers = 64
residence = true
counters-page = "lab-counters"
duration = 1.5
stats = "json"
stats-interval = 2
"#;
        let config = parse("f.toml", text).unwrap();
        assert_eq!(config.targets.unwrap(), ["eth1", "eth2"]);
        assert_eq!((config.tier.as_deref(), config.replace), (Some("xdp"), Some(true)));
        assert_eq!(config.queues.unwrap().0, [0, 2, 3]);
        assert_eq!(config.cpus.unwrap().0, [1]);
        assert_eq!(config.busy_poll.unwrap().0, 30);
        let Choices {
            port,
            oui,
            tester_ouis,
            signatures,
            user_signatures,
            mode,
            allow,
            vlans,
            any_destination,
            disabled_guards,
            max_rate,
            observe,
            duration,
            format,
            stats_interval,
        } = config.choices;
        assert!(port.is_some() && oui.is_some() && tester_ouis.is_some() && signatures.is_some());
        assert!(user_signatures.is_some() && mode.is_some() && allow.is_some() && vlans.is_some());
        assert!(any_destination.is_some() && disabled_guards.is_some() && max_rate.is_some());
        assert!(duration.is_some() && format.is_some() && stats_interval.is_some());
        let nothing = observe::Choices::default();
        assert_eq!(observe.clone().over(nothing.clone()), nothing.over(observe.clone()));
        let settled = observe.settle();
        assert!(settled.sample.is_some() && settled.tap.is_some() && settled.residence);
        assert_eq!(settled.sample_octets.0, 128);
        assert!(settled.sample_answers && settled.testers.0 == 64);
        assert!(settled.sample_file.is_some() && settled.counters_page.is_some());
    }

    #[test]
    fn what_is_printed_in_force_is_a_file_that_says_the_same() {
        let text = "port = 7\nallow = [\"10.0.0.0/8\"]\nvlan = [3]\nsignature = \"5:aabb/ff0f\"\n\
                    mode = \"mac-ip\"\nmax-rate = 10\ntap = \"a:sample=9\"\nsample = 3\n\
                    sample-file = \"x y.pcapng\"\nsample-of = \"refused\"\nresidence = true\n\
                    testers = 9\ncounters-page = \"b\"\nduration = 0.5\nstats = \"csv\"";
        let settings = parse("f.toml", text).unwrap().choices.settle();
        let again = parse("f.toml", &settings.to_toml()).unwrap().choices.settle();
        assert_eq!(again, settings);
        let defaults = Choices::default().settle();
        assert_eq!(parse("f.toml", &defaults.to_toml()).unwrap().choices.settle(), defaults);
    }

    #[test]
    fn errors_name_file_line_key_and_what_was_expected() {
        for (text, wanted) in [
            ("\nport = 0", "f.toml:2: port: \"0\": expected a UDP port"),
            ("prot = 7", "f.toml:1: prot: is no key: expected one of interfaces, tier"),
            ("allow = [\n\"10.0.0.0/8\",\n\"10.0.0.1/8\"]", "f.toml:3: allow: \"10.0.0.1/8\""),
            ("port = 1\nport = 2", "f.toml:2: is not TOML: duplicate key"),
            ("port = ", "f.toml:1: is not TOML"),
            ("[stats]\nformat = \"json\"", "f.toml:1: stats: expected one value"),
            ("vlan = [[1]]", "f.toml:1: vlan: expected a list of plain values"),
            ("any-destination = 1", "f.toml:1: any-destination: \"1\": expected true or false"),
            ("signatures = [\"any\", \"probeot\"]", "f.toml:1: signatures: \"any,probeot\""),
        ] {
            let error = parse("f.toml", text).unwrap_err();
            assert!(error.starts_with(wanted), "{text:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
