//! What the objects must not become.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

const PROGRAM: &str = "farend_reflect";

const INSTRUCTION_OCTETS: usize = 8;
/// `BPF_JMP | BPF_CALL` of `linux/bpf.h`.
const CALL: u8 = 0x85;
/// Helpers that the program may call, by their numbers in `linux/bpf.h`:
/// `map_lookup_elem`, `jiffies64`, `xdp_get_buff_len`.
const HELPERS: [u32; 3] = [1, 118, 188];

/// Fails if the program calls anything but its helpers. Returns its length in
/// instructions.
pub(crate) fn check_calls(octets: &[u8]) -> Result<usize> {
    let file = object::File::parse(octets).context("the object is no ELF file")?;
    let symbol = file.symbol_by_name(PROGRAM).with_context(|| format!("no {PROGRAM}"))?;
    let section = file.section_by_index(symbol.section_index().context("no section")?)?;
    let code = section
        .data_range(symbol.address(), symbol.size())?
        .with_context(|| format!("{PROGRAM} lies outside its section"))?;

    for (number, instruction) in code.as_chunks::<INSTRUCTION_OCTETS>().0.iter().enumerate() {
        let [code, registers, _, _, immediate @ ..] = instruction;
        let (is_helper, called) = (registers >> 4 == 0, u32::from_le_bytes(*immediate));
        if *code == CALL && !(is_helper && HELPERS.contains(&called)) {
            bail!("instruction {number} of {PROGRAM} calls what is no helper of a reflector");
        }
    }
    Ok(code.len() / INSTRUCTION_OCTETS)
}

/// The programs and maps of each object: every load makes all of its maps.
const CONTENTS: [(&str, &[&str]); 3] = [
    ("farend", &["STATE", "farend_reflect", "farend_shield"]),
    (
        "farend-redirect",
        &["REDIRECTED", "REFUSED", "REFUSED_STATE", "SOCKETS", "STATE", "farend_redirect"],
    ),
    ("farend-lab", &["LAB_COUNTS", "farend_count", "farend_floor", "farend_pass", "farend_source"]),
];

/// Fails if an object holds other programs and maps than it is for.
pub(crate) fn check_contents(name: &str, octets: &[u8]) -> Result<()> {
    let wanted = CONTENTS.iter().find(|(object, _)| *object == name);
    let (_, wanted) = wanted.with_context(|| format!("no object {name} is known"))?;
    let file = object::File::parse(octets).context("the object is no ELF file")?;
    let mut found = BTreeSet::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_global() && symbol.is_definition()) {
        let section = file.section_by_index(symbol.section_index().context("no section")?)?;
        // Others are read-only data.
        let section = section.name()?;
        if section.starts_with("xdp") || matches!(section, "maps" | ".maps" | "classifier") {
            found.insert(symbol.name()?);
        }
    }
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    if found != wanted {
        bail!("{name}.bpf.o holds {found:?} and not {wanted:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root;

    #[test]
    fn checked_in_objects_hold_what_they_are_for_alone() {
        for (name, _) in CONTENTS {
            let path = root().join("ebpf/prebuilt").join(format!("{name}.bpf.o"));
            check_contents(name, &std::fs::read(path).unwrap()).unwrap();
        }
    }
}
