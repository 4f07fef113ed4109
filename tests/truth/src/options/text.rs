//! Options from text and back.

use std::{fmt, net::IpAddr, str::FromStr};

use farend_core::{Guards, Kind, Mode};

use super::{BUILT_IN, CustomSignature, OWN_MAC, PolicyOptions, Prefix, Rate};

/// The options as one line that parses back to them; empty for the default.
impl fmt::Display for PolicyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self).join("; "))
    }
}

fn words(options: &PolicyOptions) -> Vec<String> {
    let mut words = Vec::new();
    if options.own_mac != OWN_MAC {
        words.push(format!("own-mac {}", colons(&options.own_mac)));
    }
    if options.is_any_destination {
        words.push("destination any".to_owned());
    }
    words.extend(options.source_oui.iter().map(|oui| format!("oui {}", colons(oui))));
    words.extend(options.tester_ouis.iter().map(|oui| format!("tester-oui {}", colons(oui))));
    match options.port {
        Some(3842) => {}
        Some(port) => words.push(format!("port {port}")),
        None => words.push("port any".to_owned()),
    }
    words.extend(options.vlans.iter().map(|vid| format!("vlan {vid}")));
    words.extend(
        options.allowed.iter().map(|prefix| format!("allow {}/{}", prefix.address, prefix.bits)),
    );
    if options.kinds != BUILT_IN {
        let names: Vec<_> = options.kinds.iter().map(|kind| kind.name()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(",") };
        words.push(format!("signatures {names}"));
    }
    words.extend(options.customs.iter().map(|custom| {
        format!("custom {} {}/{}", custom.offset, hex(&custom.octets), hex(&custom.mask))
    }));
    match options.mode {
        Mode::Mac => words.push("mode mac".to_owned()),
        Mode::MacIp => words.push("mode mac-ip".to_owned()),
        Mode::All => {}
    }
    for (name, guard) in Guards::NAMES {
        if !options.has(guard) {
            words.push(format!("without {name}"));
        }
    }
    words.extend(options.loop_ports.iter().map(|ports| {
        let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
        format!("loop-ports {}", if ports.is_empty() { "none".to_owned() } else { ports.join(",") })
    }));
    words.extend(options.own_addresses.iter().map(|address| format!("own-address {address}")));
    words.extend(options.rate.map(|rate| format!("max-rate {}/{}", rate.frames, rate.ticks)));
    words
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().concat()
}

fn colons(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

impl FromStr for PolicyOptions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for option in text.split(';').map(str::trim).filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once(' ').unwrap_or((option, ""));
            set(&mut options, name, value.trim())
                .ok_or_else(|| format!("`{option}` is no policy option"))?;
        }
        Ok(options)
    }
}

fn set(options: &mut PolicyOptions, name: &str, value: &str) -> Option<()> {
    match name {
        "own-mac" => options.own_mac = from_colons(value)?,
        "destination" if value == "any" => options.is_any_destination = true,
        "oui" => options.source_oui = Some(from_colons(value)?),
        "tester-oui" => options.tester_ouis.push(from_colons(value)?),
        "port" if value == "any" => options.port = None,
        "port" => options.port = Some(value.parse().ok()?),
        "vlan" => options.vlans.push(value.parse().ok()?),
        "allow" => options.allowed.push(prefix(value)?),
        "signatures" if value == "none" => options.kinds.clear(),
        "signatures" => options.kinds = value.split(',').map(kind).collect::<Option<_>>()?,
        "custom" => options.customs.push(custom(value)?),
        "mode" => {
            options.mode = match value {
                "mac" => Mode::Mac,
                "mac-ip" => Mode::MacIp,
                "all" => Mode::All,
                _ => return None,
            }
        }
        "without" => {
            let (_, guard) = Guards::NAMES.into_iter().find(|(name, _)| *name == value)?;
            options.guards_off.0 |= guard.0;
        }
        "loop-ports" if value == "none" => options.loop_ports = Some(Vec::new()),
        "loop-ports" => {
            let ports = value.split(',').map(|port| port.parse().ok());
            options.loop_ports = Some(ports.collect::<Option<_>>()?);
        }
        "own-address" => options.own_addresses.push(value.parse().ok()?),
        "max-rate" => {
            let (frames, ticks) = value.split_once('/')?;
            options.rate = Some(Rate { frames: frames.parse().ok()?, ticks: ticks.parse().ok()? });
        }
        _ => return None,
    }
    Some(())
}

fn from_colons<const N: usize>(text: &str) -> Option<[u8; N]> {
    let octets: Vec<u8> =
        text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect::<Option<_>>()?;
    octets.try_into().ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

fn prefix(text: &str) -> Option<Prefix> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    Some(Prefix { address, bits: bits.parse().ok()? })
}

fn kind(name: &str) -> Option<Kind> {
    BUILT_IN.into_iter().chain([Kind::Any]).find(|kind| kind.name() == name)
}

/// `OFFSET OCTETS` or `OFFSET OCTETS/MASK`.
fn custom(text: &str) -> Option<CustomSignature> {
    let (offset, octets) = text.split_once(' ')?;
    let (octets, mask) = match octets.split_once('/') {
        Some((octets, mask)) => (from_hex(octets)?, from_hex(mask)?),
        None => (from_hex(octets)?, vec![0xff; octets.len() / 2]),
    };
    Some(CustomSignature { offset: offset.parse().ok()?, octets, mask })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_survives_the_way_through_text() {
        let text = "own-mac 02:00:00:00:00:09; destination any; oui 00:c0:17; \
                    tester-oui 0a:0b:0c; port any; vlan 0; vlan 4094; allow 192.0.2.0/24; \
                    allow 2001:db8::/32; signatures probeot,any; custom 3 abcd/fff0; \
                    mode mac-ip; without loop-risk; without loopback; loop-ports 7,9; \
                    own-address 192.0.2.2; max-rate 10/250";
        let options: PolicyOptions = text.parse().unwrap();
        assert_eq!(options.to_string(), text);
        assert_eq!("".parse(), Ok(PolicyOptions::default()));
        assert_eq!(PolicyOptions::default().to_string(), "");
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = "mode all; prot 7".parse::<PolicyOptions>().unwrap_err();
        assert_eq!(error, "`prot 7` is no policy option");
    }
}
