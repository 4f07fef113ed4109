//! What the reflecting program must not become.

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
