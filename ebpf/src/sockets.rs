//! The sockets that frames are handed to, and how many were.
#![expect(unsafe_code, reason = "a map's entry is a raw pointer, and so is the context")]

use aya_ebpf::{
    bindings::xdp_action::XDP_PASS,
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
pub struct HandedOver {
    /// Given to a socket. Its ring may still be full.
    pub redirected: u64,
    /// Left to the host, because no socket serves their queue.
    pub unclaimed: u64,
}

/// Gives the frame to the socket of its queue, or to the host if there is none.
#[inline(always)]
pub fn redirect(context: &XdpContext) -> u32 {
    // SAFETY: the kernel gives this program a live context.
    let queue = unsafe { (*context.ctx).rx_queue_index };
    match SOCKETS.redirect(queue, u64::from(XDP_PASS)) {
        Ok(action) | Err(action) => action,
    }
}

/// This CPU's entry. `None` never happens, but the verifier cannot know.
#[inline(always)]
pub fn handed_over_by_this_cpu() -> Option<&'static mut HandedOver> {
    let handed_over = REDIRECTED.get_ptr_mut(0)?;
    // SAFETY: the entry is this CPU's alone, XDP programs do not nest on a
    // CPU, and this is the only reference.
    Some(unsafe { &mut *handed_over })
}
