//! Runs a kernel program's instructions one by one, as the kernel holds them,
//! to count them: what a run executes does not depend on the machine's mood.
//!
//! Only what the reflecting program needs is known: no calls, no atomics.
//! Whoever counts compares the outcome with the kernel's own run.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// Octets of one instruction.
const OCTETS: usize = 8;
/// Octets of the stack, `MAX_BPF_STACK` of `linux/filter.h`.
const STACK_OCTETS: usize = 512;
/// Octets of the context that are filled with zeros or with what is known.
const CONTEXT_OCTETS: usize = 64;
/// More instructions than any run of ours has.
const RUN_MAX: u32 = 1 << 20;

/// Where each memory begins: the upper half of an address names it, so that no
/// access strays from one into another.
const STACK: u64 = 1 << 32;
const CONTEXT: u64 = 2 << 32;
const FRAME: u64 = 3 << 32;
/// Maps by their id: read-only data, or what stands for the map itself.
const MAPS: u64 = 1 << 40;
/// This CPU's value of a map, by the map's id.
const VALUES: u64 = 1 << 41;

/// What a run gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    /// Instructions that were executed; one that fills two places is one.
    pub(crate) executed: u32,
    /// The program's answer.
    pub(crate) answer: u32,
    /// The frame after the run.
    pub(crate) frame: Vec<u8>,
}

/// The octets of a map's only value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Map {
    /// Read-only data.
    Data(Vec<u8>),
    /// Each CPU has its own.
    PerCpu(Vec<u8>),
}

/// Runs an XDP program over a frame, with its maps by their ids.
pub(crate) fn run(program: &[u8], maps: &BTreeMap<u32, Map>, frame: &[u8]) -> Result<Outcome> {
    let mut machine = Machine::new(maps, frame);
    let (instructions, rest) = program.as_chunks::<OCTETS>();
    ensure!(rest.is_empty(), "a program of odd length");
    let instructions: Vec<Instruction> = instructions.iter().map(Instruction::parse).collect();
    let mut next = 0_usize;
    let mut executed = 0;
    loop {
        let instruction = *instructions.get(next).context("the program runs off its end")?;
        executed += 1;
        ensure!(executed < RUN_MAX, "the program does not end");
        let step = machine
            .step(instruction, instructions.get(next + 1).copied())
            .with_context(|| format!("instruction {next}, {instruction:?}"))?;
        match step {
            Step::Go(by) => {
                next = next.checked_add_signed(1 + by).context("a jump to nowhere")?;
            }
            Step::End => break,
        }
    }
    let frame = machine.memories.remove(&FRAME).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "the answer is the lower half")]
    let answer = machine.registers[0] as u32;
    Ok(Outcome { executed, answer, frame })
}

/// One place of a program, `struct bpf_insn`.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u8,
    destination: usize,
    source: usize,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    fn parse(octets: &[u8; OCTETS]) -> Self {
        let [code, registers, a, b, immediate @ ..] = *octets;
        Self {
            code,
            destination: usize::from(registers & 0xf),
            source: usize::from(registers >> 4),
            offset: i16::from_le_bytes([a, b]),
            immediate: i32::from_le_bytes(immediate),
        }
    }
}

enum Step {
    /// To the next instruction, and so many further.
    Go(isize),
    End,
}

struct Machine {
    registers: [u64; 11],
    memories: BTreeMap<u64, Vec<u8>>,
}

impl Machine {
    fn new(maps: &BTreeMap<u32, Map>, frame: &[u8]) -> Self {
        let mut context = vec![0; CONTEXT_OCTETS];
        // `struct xdp_buff` of `net/xdp.h`: data, data_end.
        context[..8].copy_from_slice(&FRAME.to_le_bytes());
        context[8..16].copy_from_slice(&(FRAME + frame.len() as u64).to_le_bytes());
        let mut memories = BTreeMap::new();
        memories.insert(STACK, vec![0; STACK_OCTETS]);
        memories.insert(CONTEXT, context);
        memories.insert(FRAME, frame.to_vec());
        for (&id, map) in maps {
            let id = u64::from(id) << 20;
            match map {
                Map::Data(octets) => memories.insert(MAPS | id, octets.clone()),
                Map::PerCpu(octets) => memories.insert(VALUES | id, octets.clone()),
            };
        }
        let mut registers = [0; 11];
        registers[1] = CONTEXT;
        registers[10] = STACK + STACK_OCTETS as u64;
        Self { registers, memories }
    }

    fn step(&mut self, instruction: Instruction, following: Option<Instruction>) -> Result<Step> {
        let Instruction { code, destination, source, offset, immediate } = instruction;
        let wide = i64::from(immediate).cast_unsigned();
        let mode_and_size = code & 0xf8;
        match code & 7 {
            // BPF_LD: only the load of 64 bits in two places.
            0 => {
                ensure!(code == 0x18, "no such load");
                let high = following.context("half an instruction")?.immediate;
                self.registers[destination] = match source {
                    0 => {
                        u64::from(immediate.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
                    }
                    // A map, and a place in its value.
                    1 => MAPS | u64::from(immediate.cast_unsigned()) << 20,
                    2 => {
                        (MAPS | u64::from(immediate.cast_unsigned()) << 20)
                            + u64::from(high.cast_unsigned())
                    }
                    _ => bail!("an address of the kernel"),
                };
                return Ok(Step::Go(1));
            }
            // BPF_LDX: plain, or with the sign.
            1 => {
                let octets = width(code);
                let address = moved(self.registers[source], offset);
                let value = self.load(address, octets)?;
                self.registers[destination] = match mode_and_size & 0xe0 {
                    0x60 => value,
                    0x80 => extended(value, octets),
                    _ => bail!("no such load"),
                };
            }
            // BPF_ST; 0xc2 is a barrier against speculation.
            2 if code == 0xc2 => {}
            2 | 3 => {
                ensure!(code & 0xe0 == 0x60, "no plain store");
                let value = if code & 7 == 2 { wide } else { self.registers[source] };
                let address = moved(self.registers[destination], offset);
                self.store(address, width(code), value)?;
            }
            4 | 7 => self.compute(instruction)?,
            // BPF_JMP and BPF_JMP32.
            _ => return self.jump(instruction),
        }
        Ok(Step::Go(0))
    }

    fn compute(&mut self, instruction: Instruction) -> Result<()> {
        let Instruction { code, destination, source, offset, immediate } = instruction;
        let is_64 = code & 7 == 7;
        let is_register = code & 8 != 0;
        let mut right =
            if is_register { self.registers[source] } else { i64::from(immediate).cast_unsigned() };
        let mut left = self.registers[destination];
        if code & 0xf0 == 0xd0 {
            let is_swapped = is_64 || is_register;
            let bits = immediate.cast_unsigned();
            ensure!(matches!(bits, 16 | 32 | 64), "no such width");
            let swapped = left.swap_bytes() >> (64 - bits);
            let kept = left & (u64::MAX >> (64 - bits));
            self.registers[destination] = if is_swapped { swapped } else { kept };
            return Ok(());
        }
        if !is_64 {
            (left, right) = (left & 0xffff_ffff, right & 0xffff_ffff);
        }
        let bits = if is_64 { 63 } else { 31 };
        let shift = right & bits;
        ensure!(offset == 0 || code & 0xf0 == 0xb0, "no plain arithmetic");
        let value = match code & 0xf0 {
            0x00 => left.wrapping_add(right),
            0x10 => left.wrapping_sub(right),
            0x20 => left.wrapping_mul(right),
            // A division by zero gives zero, and keeps the dividend.
            0x30 => left.checked_div(right).unwrap_or(0),
            0x40 => left | right,
            0x50 => left & right,
            0x60 => left << shift,
            0x70 => left >> shift,
            0x80 => left.wrapping_neg(),
            0x90 => left.checked_rem(right).unwrap_or(left),
            0xa0 => left ^ right,
            0xb0 => match offset {
                // -1 asks for the address of this CPU's part: the same here.
                0 | -1 => right,
                8 | 16 | 32 => extended(right, usize::from(offset.unsigned_abs()) / 8),
                _ => bail!("no such move"),
            },
            0xc0 if is_64 => (left.cast_signed() >> shift).cast_unsigned(),
            0xc0 => (extended(left, 4).cast_signed() >> shift).cast_unsigned(),
            _ => bail!("no such arithmetic"),
        };
        self.registers[destination] = if is_64 { value } else { value & 0xffff_ffff };
        Ok(())
    }

    fn jump(&self, instruction: Instruction) -> Result<Step> {
        let Instruction { code, destination, source, offset, immediate } = instruction;
        match code {
            0x05 => return Ok(Step::Go(offset.into())),
            0x06 => return Ok(Step::Go(isize::try_from(immediate)?)),
            0x85 => bail!("a call"),
            0x95 => return Ok(Step::End),
            _ => {}
        }
        let mut left = self.registers[destination];
        let mut right = if code & 8 == 0 {
            i64::from(immediate).cast_unsigned()
        } else {
            self.registers[source]
        };
        let (mut signed_left, mut signed_right) = (left.cast_signed(), right.cast_signed());
        if code & 7 == 6 {
            (left, right) = (left & 0xffff_ffff, right & 0xffff_ffff);
            signed_left = extended(left, 4).cast_signed();
            signed_right = extended(right, 4).cast_signed();
        }
        let is_taken = match code & 0xf0 {
            0x10 => left == right,
            0x20 => left > right,
            0x30 => left >= right,
            0x40 => left & right != 0,
            0x50 => left != right,
            0x60 => signed_left > signed_right,
            0x70 => signed_left >= signed_right,
            0xa0 => left < right,
            0xb0 => left <= right,
            0xc0 => signed_left < signed_right,
            0xd0 => signed_left <= signed_right,
            _ => bail!("no such jump"),
        };
        Ok(Step::Go(if is_taken { offset.into() } else { 0 }))
    }

    /// The memory that holds these octets, and where.
    fn find(&self, address: u64, octets: usize) -> Result<(u64, usize)> {
        let (&base, memory) = self.memories.range(..=address).next_back().context("no memory")?;
        let start = usize::try_from(address - base)?;
        ensure!(start + octets <= memory.len(), "no memory at {address:#x}");
        Ok((base, start))
    }

    fn load(&self, address: u64, octets: usize) -> Result<u64> {
        // The kernel's own record of a map: the one thing that is read of it is
        // where this CPU's value is.
        if address & MAPS != 0 && !self.memories.contains_key(&(address >> 20 << 20)) {
            ensure!(octets == 8, "no address of a value");
            return Ok(VALUES | (address & !MAPS) >> 20 << 20);
        }
        let (base, start) = self.find(address, octets)?;
        let mut value = [0; 8];
        value[..octets].copy_from_slice(&self.memories[&base][start..start + octets]);
        Ok(u64::from_le_bytes(value))
    }

    fn store(&mut self, address: u64, octets: usize, value: u64) -> Result<()> {
        ensure!(address & MAPS == 0, "a store into read-only data");
        let (base, start) = self.find(address, octets)?;
        let memory = self.memories.get_mut(&base).context("no memory")?;
        memory[start..start + octets].copy_from_slice(&value.to_le_bytes()[..octets]);
        Ok(())
    }
}

/// Octets of a load or a store.
fn width(code: u8) -> usize {
    match code & 0x18 {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    }
}

fn moved(address: u64, offset: i16) -> u64 {
    address.wrapping_add_signed(offset.into())
}

/// The number of so many octets, with its sign.
fn extended(value: u64, octets: usize) -> u64 {
    let shift = 64 - 8 * octets;
    ((value << shift).cast_signed() >> shift).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(program: &[[u8; OCTETS]], frame: &[u8]) -> Result<Outcome> {
        run(program.as_flattened(), &BTreeMap::new(), frame)
    }

    #[test]
    fn arithmetic_jumps_and_memory_do_as_the_kernel_says() {
        // r2 = *(u64 *)(r1 + 0); r0 = *(u16 *)(r2 + 1); r0 = be16 r0;
        // if r0 != 0x0203 goto +1; *(u8 *)(r2 + 0) = 9; exit
        let program = [
            [0x79, 0x12, 0, 0, 0, 0, 0, 0],
            [0x69, 0x20, 1, 0, 0, 0, 0, 0],
            [0xdc, 0x00, 0, 0, 16, 0, 0, 0],
            [0x55, 0x00, 1, 0, 3, 2, 0, 0],
            [0x72, 0x02, 0, 0, 9, 0, 0, 0],
            [0x95, 0, 0, 0, 0, 0, 0, 0],
        ];
        let run = outcome(&program, &[1, 2, 3]).unwrap();
        assert_eq!(run, Outcome { executed: 6, answer: 0x0203, frame: vec![9, 2, 3] });
        let run = outcome(&program, &[1, 2, 4]).unwrap();
        assert_eq!(run, Outcome { executed: 5, answer: 0x0204, frame: vec![1, 2, 4] });
    }

    #[test]
    fn octets_past_the_frame_and_calls_are_errors() {
        let load = [0x79, 0x12, 0, 0, 0, 0, 0, 0];
        let past = [0x69, 0x20, 2, 0, 0, 0, 0, 0];
        assert!(outcome(&[load, past], &[1, 2, 3]).is_err());
        assert!(outcome(&[[0x85, 0, 0, 0, 1, 0, 0, 0]], &[1]).is_err());
    }
}
