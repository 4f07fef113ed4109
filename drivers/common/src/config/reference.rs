//! The YAML of the C reflector (reflector-native 2.0), as its documentation
//! and its example have it.

use farend_core::Oui;

use super::{
    Config, Fault,
    document::{Entry, Table, Value},
};
use crate::values::{Expected, Format, Port, Seconds, SourceOui, parse_mode, parse_oui};

/// Every key, for the error about one that is not.
const KEYS: [&str; 13] = [
    "interface",
    "verbose",
    "web_ui.enabled",
    "web_ui.port",
    "tui.enabled",
    "filtering.port",
    "filtering.filter_oui",
    "filtering.oui",
    "reflection.mode",
    "platform.use_dpdk",
    "platform.dpdk_args",
    "stats.format",
    "stats.interval",
];

/// The tables that they stand in.
const TABLES: [&str; 6] = ["web_ui", "tui", "filtering", "reflection", "platform", "stats"];

/// What needs more than one key to know.
#[derive(Default)]
struct Filter {
    is_on: bool,
    oui: Option<Oui>,
}

/// Takes over what a document says.
pub(super) fn read<C>(config: &mut Config<C>, table: &Table) -> Result<(), Fault> {
    let mut filter = Filter::default();
    let mut left_out = Vec::new();
    for entry in table.flat() {
        config.lines.insert(entry.key.clone(), entry.line);
        if TABLES.contains(&entry.key.as_str()) {
            match entry.node.value {
                Value::Table(_) | Value::Nothing => continue,
                _ => return Err(entry.fault("expected keys below it, indented")),
            }
        }
        if entry.node.value == Value::Nothing && KEYS.contains(&entry.key.as_str()) {
            continue;
        }
        read_entry(config, &entry, &mut filter, &mut left_out)?;
    }
    if filter.is_on {
        // Its default, where the file names none.
        config.choices.oui = Some(SourceOui::Only(filter.oui.unwrap_or(Oui::NETALLY)));
    }
    if !left_out.is_empty() {
        let path = config.path.display();
        let keys = left_out.join(", ");
        config.notes.push(format!("{path}: left out, without meaning here: {keys}"));
    }
    Ok(())
}

fn read_entry<C>(
    config: &mut Config<C>,
    entry: &Entry,
    filter: &mut Filter,
    left_out: &mut Vec<String>,
) -> Result<(), Fault> {
    let choices = &mut config.choices;
    match entry.key.as_str() {
        "interface" => config.targets = Some(vec![entry.text()?.to_owned()]),
        "filtering.port" => {
            choices.port = Some(entry.parse_with(|text| match text {
                "0" => Ok(Port::Any),
                "any" => Err(Expected::new("a UDP port, 1 to 65535, or 0 for any")),
                _ => text.parse(),
            })?);
        }
        "filtering.filter_oui" => filter.is_on = flag(entry)?,
        "filtering.oui" => filter.oui = Some(entry.parse_with(parse_oui)?),
        "reflection.mode" => choices.mode = Some(entry.parse_with(parse_mode)?),
        "stats.format" => {
            choices.format = Some(entry.parse_with(|text| match text.parse() {
                Ok(Format::None) | Err(_) => Err(Expected::new("text, json or csv")),
                format => format,
            })?);
        }
        "stats.interval" => {
            // It takes 0 for its default of 10 seconds, which is ours too.
            if entry.text()? != "0" {
                choices.stats_interval = Some(entry.parse::<Seconds>()?);
            }
        }
        "platform.use_dpdk" => {
            if flag(entry)? {
                return Err(entry.fault(
                    "true: there is no DPDK here; set it to false, the kernel's XDP needs none",
                ));
            }
        }
        "platform.dpdk_args" => {
            if !entry.text()?.is_empty() {
                left_out.push(entry.key.clone());
            }
        }
        "verbose" | "web_ui.enabled" | "tui.enabled" => {
            if flag(entry)? {
                left_out.push(entry.key.clone());
            }
        }
        "web_ui.port" => {
            entry.parse_with(|text| match text.parse::<Port>() {
                Ok(Port::Only(port)) => Ok(port),
                _ => Err(Expected::new("a TCP port, 1 to 65535")),
            })?;
        }
        _ => {
            let message = format!("is no key: expected one of {}", KEYS.join(", "));
            return Err(Fault { line: Some(entry.line), key: entry.key.clone(), message });
        }
    }
    Ok(())
}

/// A flag in any of the words that the reference's parser takes.
fn flag(entry: &Entry) -> Result<bool, Fault> {
    entry.parse_with(|text| match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(true),
        "false" | "no" | "off" | "n" => Ok(false),
        _ => Err(Expected::new("true or false")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;
    use crate::settings::Choices;

    /// The keys and values of the reference's example, in its order.
    const EXAMPLE: &str = r#"
interface: eth0
verbose: false
web_ui:
  enabled: true
  port: 8080
tui:
  enabled: true
filtering:
  port: 3842           # UDP port (0 = any)
  filter_oui: true     # source MAC
  oui: "00:c0:17"
reflection:
  mode: all            # or mac, mac-ip
platform:
  use_dpdk: false
  dpdk_args: ""
stats:
  format: text
  interval: 10         # seconds
"#;

    #[test]
    fn the_reference_example_is_read_as_it_is() {
        let config = parse("reflector.yaml", EXAMPLE).unwrap();
        assert_eq!(config.targets.unwrap(), ["eth0"]);
        let expected = Choices {
            port: Some(Port::ITO),
            oui: Some(SourceOui::Only(Oui::NETALLY)),
            mode: Some(farend_core::Mode::All),
            format: Some(Format::Text),
            stats_interval: Some("10".parse().unwrap()),
            ..Choices::default()
        };
        assert_eq!(config.choices, expected);
        assert_eq!(
            config.notes,
            ["reflector.yaml: left out, without meaning here: web_ui.enabled, tui.enabled"]
        );
    }

    #[test]
    fn an_oui_counts_only_where_its_filter_is_on() {
        let config = parse("r.yaml", "filtering:\n  filter_oui: false\n  oui: 00:19:b3").unwrap();
        assert_eq!(config.choices.oui, None);
        let config = parse("r.yaml", "filtering: {filter_oui: yes}").unwrap();
        assert_eq!(config.choices.oui, Some(SourceOui::Only(Oui::NETALLY)));
    }

    #[test]
    fn port_0_is_any_as_its_documentation_has_it() {
        let config = parse("r.yaml", "filtering:\n  port: 0").unwrap();
        assert_eq!(config.choices.port, Some(Port::Any));
    }

    #[test]
    fn keys_without_values_say_nothing() {
        let config = parse("r.yaml", "interface:\nfiltering:\n  port: ~\nstats:").unwrap();
        assert_eq!(config.choices, Choices::default());
        assert_eq!(config.targets, None);
    }

    #[test]
    fn errors_name_file_line_key_and_what_was_expected() {
        for (text, wanted) in [
            ("platform:\n  use_dpdk: true", "r.yaml:2: platform.use_dpdk: true: there is no DPDK"),
            ("filtering:\n  prot: 1", "r.yaml:2: filtering.prot: is no key: expected one of"),
            ("filtering:\n  oui: 00:c0", "r.yaml:2: filtering.oui: \"00:c0\": expected an OUI"),
            ("filtering: 3842", "r.yaml:1: filtering: expected keys below it"),
            ("stats:\n  format: none", "r.yaml:2: stats.format: \"none\": expected text, json"),
            ("reflection:\n  mode: ip", "r.yaml:2: reflection.mode: \"ip\": expected mac"),
            ("interface: a\ninterface: b", "r.yaml:2: interface: stands in line 1 already"),
            ("web_ui:\n  port: 0", "r.yaml:2: web_ui.port: \"0\": expected a TCP port"),
        ] {
            let error = parse("r.yaml", text).unwrap_err();
            assert!(error.starts_with(wanted), "{text:?}: {error}");
        }
    }
}
