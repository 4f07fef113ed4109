//! The sockets that frames are handed to, and how many were.
#![expect(unsafe_code, reason = "a map's entry is a raw pointer")]

use aya_ebpf::{
    bindings::xdp_action::{XDP_PASS, XDP_REDIRECT},
    macros::map,
    maps::{PerCpuArray, XskMap},
    programs::XdpContext,
};

/// Queues that an interface may have.
const QUEUES_MAX: u32 = 256;

/// One socket for each receive queue, by its index.
#[map]
static SOCKETS: XskMap = XskMap::with_max_entries(QUEUES_MAX, 0);

/// What this CPU handed over. One entry.
#[map]
static REDIRECTED: PerCpuArray<HandedOver> = PerCpuArray::with_max_entries(1, 0);

/// Frames to answer.
#[repr(C)]
struct HandedOver {
    /// Given to a socket. Its ring may still be full.
    redirected: u64,
    /// Left to the host, because no socket serves their queue.
    unclaimed: u64,
}

/// Gives the frame to the socket of its queue, or to the host if there is
/// none, and counts it.
#[inline(always)]
pub fn redirect(context: &XdpContext) -> u32 {
    let (Ok(action) | Err(action)) =
        SOCKETS.redirect(context.rx_queue_index(), u64::from(XDP_PASS));
    count(action);
    action
}

#[inline(always)]
fn count(action: u32) {
    // Always there, but the verifier cannot know.
    let Some(handed_over) = REDIRECTED.get_ptr_mut(0) else { return };
    // SAFETY: the entry is this CPU's alone, XDP programs do not nest on a
    // CPU, and the reference ends before this function does, which calls
    // nothing that asks for another.
    let handed_over = unsafe { &mut *handed_over };
    if action == XDP_REDIRECT {
        handed_over.redirected += 1;
    } else {
        handed_over.unclaimed += 1;
    }
}
