//! Settings of single interfaces: tables of a file, and `--set` of a command line.

use super::{
    Entry, Fault,
    document::{Node, Value},
};
use crate::{
    options::Options,
    settings::{Choices, Common},
};

/// What is said of single interfaces or addresses, each once.
pub type TargetChoices = Vec<(String, Choices)>;

/// The table whose tables are named after interfaces.
const TABLE: &str = "interface";

/// Takes over an entry if it stands in a table of an interface, or is one; `None` if it
/// does not.
pub(super) fn read(all: &mut TargetChoices, entry: &Entry) -> Option<Result<(), Fault>> {
    let is_table = matches!(entry.node.value, Value::Table(_));
    if is_table && entry.key == TABLE {
        return Some(Ok(()));
    }
    let rest = entry.key.strip_prefix(TABLE)?.strip_prefix('.')?;
    if is_table {
        of(all, rest);
        return Some(Ok(()));
    }
    // A name may hold dots, as that of a VLAN device; a key holds none.
    let (name, key) = rest.rsplit_once('.')?;
    let inner = Entry { key: key.to_owned(), line: entry.line, node: entry.node.clone() };
    let read = read_key(of(all, name), &inner);
    Some(read.map_err(|fault| Fault { key: entry.key.clone(), ..fault }))
}

/// Reads `IFACE:KEY=VALUE`.
///
/// # Errors
///
/// What is wrong with it, in one line.
pub(crate) fn read_text(all: &mut TargetChoices, text: &str) -> Result<(), String> {
    let form = || format!("{text:?}: expected IFACE:KEY=VALUE, as eth1:port=4000");
    let (place, value) = text.split_once('=').ok_or_else(form)?;
    // An address may hold colons.
    let (name, key) = place.rsplit_once(':').ok_or_else(form)?;
    if name.is_empty() || key.is_empty() {
        return Err(form());
    }
    let scalar = |text: &str| Node { line: 0, value: Value::Scalar(text.trim().to_owned()) };
    let node = if value.contains(',') {
        Node { line: 0, value: Value::List(value.split(',').map(scalar).collect()) }
    } else {
        scalar(value)
    };
    let entry = Entry { key: key.to_owned(), line: 0, node };
    read_key(of(all, name), &entry).map_err(|fault| format!("{key}: {}", fault.message))
}

/// The keys that an interface can have of its own: those that make its policy.
pub(crate) fn keys() -> Vec<&'static str> {
    let of_policy = Common::declared().into_iter().filter(crate::settings::is_of_policy);
    of_policy.map(|one| one.name).collect()
}

fn read_key(choices: &mut Choices, entry: &Entry) -> Result<(), Fault> {
    let keys = keys();
    if keys.contains(&entry.key.as_str())
        && let Some(read) = Common::read(choices, entry)
    {
        return read;
    }
    let message = format!("is no key of a single interface: expected one of {}", keys.join(", "));
    Err(Fault { line: Some(entry.line), key: entry.key.clone(), message })
}

fn of<'all>(all: &'all mut TargetChoices, name: &str) -> &'all mut Choices {
    let at = all.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        all.push((name.to_owned(), Choices::default()));
        all.len() - 1
    });
    &mut all[at].1
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<TargetChoices, String> {
        let config = Config::<()>::parse::<()>(Path::new("f.toml"), text);
        config.map(|config| config.of_targets).map_err(|error| error.to_string())
    }

    #[test]
    fn tables_of_interfaces_are_read_with_their_lines() {
        let all = parse(
            "port = 7\n[interface.eth1]\nport = 4000\nvlan = [1, 2]\n\
             [interface.\"eth0.100\"]\nmode = \"mac-ip\"\n[interface.empty]\n",
        );
        let all = all.unwrap();
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["eth1", "eth0.100", "empty"]);
        assert_eq!(all[0].1.vlans.as_ref().map(Vec::len), Some(2));
        assert_eq!(all[2].1, Choices::default());
        let error = parse("[interface.eth1]\nport = 0\n").unwrap_err();
        assert!(error.starts_with("f.toml:2: interface.eth1.port: "), "{error}");
        for wrong in ["stats", "interfaces", "tier", "prot"] {
            let error = parse(&format!("[interface.eth1]\n{wrong} = \"x\"\n")).unwrap_err();
            assert!(error.starts_with("f.toml:2: interface.eth1."), "{error}");
            assert!(error.contains("no key of a single interface"), "{error}");
        }
    }

    #[test]
    fn text_of_a_command_line_is_read_as_a_table_is() {
        let mut all = TargetChoices::new();
        for text in ["eth1:port=4000", "eth1:allow=10.0.0.0/8,fd00::/8", "::1:any-destination=true"]
        {
            read_text(&mut all, text).unwrap();
        }
        let file = "[interface.eth1]\nport = 4000\nallow = [\"10.0.0.0/8\", \"fd00::/8\"]\n\
                    [interface.\"::1\"]\nany-destination = true\n";
        assert_eq!(Ok(all), parse(file));
        for wrong in
            ["eth1", "eth1:port", "port=7", ":port=7", "eth1:=7", "eth1:port=0", "eth1:stats=csv"]
        {
            assert!(read_text(&mut TargetChoices::new(), wrong).is_err(), "{wrong}");
        }
    }
}
