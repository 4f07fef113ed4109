//! Copies of refused frames, for a user who wants to see them.
//!
//! A frame is copied and nothing else: what becomes of it was decided before.
//! Where nobody asks, the verifier finds a zero and removes all of this.
#![expect(unsafe_code, reason = "maps, helpers, and symbols that the driver finds by name")]

use aya_ebpf::{
    bindings::xdp_md,
    helpers::generated::{bpf_ktime_get_ns, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    macros::map,
    maps::{PerCpuArray, RingBuf},
    programs::XdpContext,
};
use farend_core::{
    Reason,
    reflect::refused::{HEAD_OCTETS, Head},
};

/// One of how many refused frames of a CPU is copied, the first one in; 0 for
/// none. Read-only data that the driver overwrites before it loads the program.
// SAFETY: no other object is linked to this one, so the name is its own.
#[unsafe(no_mangle)]
static REFUSED_EVERY: u32 = 0;

/// Octets of a frame that are copied at most; at least 1.
// SAFETY: as before.
#[unsafe(no_mangle)]
static REFUSED_OCTETS_MAX: u32 = 1;

/// Where copies go. One page, which the driver makes more where somebody asks.
#[map]
static REFUSED: RingBuf = RingBuf::with_byte_size(1 << 12, 0);

/// How this CPU stands. One entry.
#[map]
static REFUSED_STATE: PerCpuArray<State> = PerCpuArray::with_max_entries(1, 0);

/// How copying stands.
#[repr(C)]
struct State {
    /// Frames that are still left out.
    skip: u64,
    /// Frames that were due and found no room.
    dropped: u64,
}

/// Copies the frame if it is due. Never waits.
#[inline(always)]
pub fn copy_if_due(context: &XdpContext, reason: Reason) {
    // Volatile, so that the compiler does not know the value either.
    // SAFETY: it points to a static that the kernel keeps as it is.
    let every = unsafe { (&raw const REFUSED_EVERY).read_volatile() };
    if every == 0 {
        return;
    }
    if is_due(every) && copy(context.ctx, reason).is_none() {
        count_dropped();
    }
}

/// Whether the turn of a frame has come, on this CPU.
#[inline(always)]
fn is_due(every: u32) -> bool {
    // Always there, but the verifier cannot know.
    let Some(state) = REFUSED_STATE.get_ptr_mut(0) else { return false };
    // SAFETY: the entry is this CPU's alone, XDP programs do not nest on a
    // CPU, and the reference ends before this function does, which calls
    // nothing that asks for another.
    let state = unsafe { &mut *state };
    if state.skip > 0 {
        state.skip -= 1;
        return false;
    }
    state.skip = u64::from(every) - 1;
    true
}

/// Counts a frame that was due and found no room.
#[inline(always)]
fn count_dropped() {
    let Some(state) = REFUSED_STATE.get_ptr_mut(0) else { return };
    // SAFETY: as in `is_due`.
    let state = unsafe { &mut *state };
    state.dropped += 1;
}

/// `None` if there is no room.
#[inline(always)]
fn copy(context: *mut xdp_md, reason: Reason) -> Option<()> {
    // SAFETY: as in `copy_if_due`.
    let octets_max = unsafe { (&raw const REFUSED_OCTETS_MAX).read_volatile() };
    // SAFETY: the context is the one that the kernel gave this program.
    let whole_octets = unsafe { bpf_xdp_get_buff_len(context) } as u32;
    let kept_octets = whole_octets.min(octets_max);
    if kept_octets == 0 {
        return None;
    }
    let mut record = REFUSED.reserve_bytes(HEAD_OCTETS + octets_max as usize, 0)?;
    // SAFETY: the helper takes nothing and only reads the clock.
    let time_ns = unsafe { bpf_ktime_get_ns() };
    let head =
        Head { time_ns, whole_octets, kept_octets: kept_octets as u16, code: reason.code().into() };
    // SAFETY: a record is aligned to 8 octets, and longer than a head.
    unsafe { record.as_mut_ptr().cast::<Head>().write(head) };
    // SAFETY: a head was just written there, so what follows it is in the record.
    let octets = unsafe { record.as_mut_ptr().add(HEAD_OCTETS) };
    // SAFETY: the record has room for `octets_max` octets behind its head.
    let status = unsafe { bpf_xdp_load_bytes(context, 0, octets.cast(), kept_octets) };
    if status != 0 {
        record.discard(0);
        return None;
    }
    record.submit(0);
    Some(())
}
