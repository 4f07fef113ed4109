//! The per-CPU map.
//!
//! The kernel always finds the entry, but its verifier cannot know.
#![expect(unsafe_code, reason = "a map's entry is a raw pointer")]

use aya_ebpf::{macros::map, maps::PerCpuArray};
use farend_core::reflect::{cpu_state::CpuState, policy::RateCap, verdict::Code};

/// One entry, for each CPU.
#[map]
static STATE: PerCpuArray<CpuState> = PerCpuArray::with_max_entries(1, 0);

/// Counts a frame of this length on this CPU.
#[inline(always)]
pub fn count(code: Code, octets: usize) {
    let Some(state) = STATE.get_ptr_mut(0) else { return };
    // SAFETY: the entry is this CPU's alone and XDP programs do not nest on a
    // CPU. The reference ends before this function does, which calls nothing
    // that asks for another. Octets of the entry are zero or what this program
    // wrote.
    let state = unsafe { &mut *state };
    state.counters.count_code(code, octets);
}

/// Takes a permit of this CPU for one frame; `false` if there is none left.
#[inline(always)]
pub fn admit(cap: &RateCap, now_tick: u64) -> bool {
    let Some(state) = STATE.get_ptr_mut(0) else { return false };
    // SAFETY: as in `count`.
    let state = unsafe { &mut *state };
    state.bucket.admit(cap, now_tick)
}
