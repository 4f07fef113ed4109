//! Tests of our own form of a configuration file.

use super::tests::parse;
use crate::{
    options::Options,
    settings::{Choices, Common},
};

#[test]
fn every_declared_key_is_read() {
    let text = r#"
interfaces = ["eth1", "eth2"]
port = 7
oui = "00:c0:17"
tester-oui = ["02:00:00"]
signatures = ["probeot", "latency"]
pattern = ["0:ab"]
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
tap = "lab"
tap-sample = 10
testers = 64
residence = true
counters-page = "lab-counters"
duration = 1.5
control = "/run/farend/lab.sock"
stats = "json"
stats-interval = 2
"#;
    let config = parse("f.toml", text).unwrap();
    assert_eq!(config.targets.unwrap(), ["eth1", "eth2"]);
    let settled = config.choices.settle();
    let changed = Common::changed(&Choices::default().settle(), &settled);
    let names =
        |all: &[crate::options::Declared]| all.iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(names(&changed), names(&Common::declared()));
}

#[test]
fn what_is_printed_in_force_is_a_file_that_says_the_same() {
    let text = "port = 7\nallow = [\"10.0.0.0/8\"]\nvlan = [3]\npattern = \"5:aa0b/ff0f\"\n\
                    mode = \"mac-ip\"\nmax-rate = 10\ntap = \"a\"\ntap-sample = 9\nsample = 3\n\
                    sample-file = \"x y.pcapng\"\nsample-of = \"refused\"\nresidence = true\n\
                    testers = 9\ncounters-page = \"b\"\nduration = 0.5\ncontrol = \"on\"\nstats = \"csv\"";
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
        ("prot = 7", "f.toml:1: prot: is no key: expected one of interfaces, port"),
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
