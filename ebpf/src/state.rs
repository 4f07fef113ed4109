//! The per-CPU map.
#![expect(unsafe_code, reason = "a map's entry is a raw pointer")]

use aya_ebpf::{macros::map, maps::PerCpuArray};
use farend_core::reflect::cpu_state::CpuState;

/// One entry, for each CPU.
#[map]
static STATE: PerCpuArray<CpuState> = PerCpuArray::with_max_entries(1, 0);

/// This CPU's entry. `None` never happens, but the verifier cannot know.
#[inline(always)]
pub fn of_this_cpu() -> Option<&'static mut CpuState> {
    let state = STATE.get_ptr_mut(0)?;
    // SAFETY: the entry is this CPU's alone, XDP programs do not nest on a
    // CPU, and the program never asks for it again while it uses it.
    // Its octets are zero or what this program wrote.
    Some(unsafe { &mut *state })
}
