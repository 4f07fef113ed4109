//! The per-CPU map.
//!
//! The kernel always finds the entry, but its verifier cannot know.
#![expect(unsafe_code, reason = "a map's entry is a raw pointer")]

use aya_ebpf::{macros::map, maps::PerCpuArray};
use farend_core::reflect::{cpu_state::CpuState, policy::RateCap};
use farend_core::{Kind, Reason, Verdict};

/// One entry, for each CPU.
#[map]
static STATE: PerCpuArray<CpuState> = PerCpuArray::with_max_entries(1, 0);

/// Counts a refused frame on this CPU.
#[inline(always)]
pub fn count_refused(reason: Reason) {
    let Some(state) = STATE.get_ptr_mut(0) else { return };
    // SAFETY: the entry is this CPU's alone and XDP programs do not nest on a
    // CPU. The reference ends before this function does, which calls nothing
    // that asks for another. Octets of the entry are zero or what this program
    // wrote.
    let state = unsafe { &mut *state };
    // No length is counted of what is refused.
    state.counters.count_code(reason.into(), 0);
}

/// Counts a frame of this length that was turned round, on this CPU.
#[inline(always)]
pub fn count_reflected(kind: Kind, octets: usize) {
    let Some(state) = STATE.get_ptr_mut(0) else { return };
    // SAFETY: as in `count_refused`.
    let state = unsafe { &mut *state };
    state.counters.count(Verdict::Reflect(kind), octets);
}

/// Takes a permit of this CPU for one frame; `false` if there is none left.
#[inline(always)]
pub fn admit(cap: &RateCap, now_tick: u64) -> bool {
    let Some(state) = STATE.get_ptr_mut(0) else { return false };
    // SAFETY: as in `count_refused`.
    let state = unsafe { &mut *state };
    state.bucket.admit(cap, now_tick)
}
