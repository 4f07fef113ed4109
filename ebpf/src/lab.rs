//! The lab's own programs: a source and a counter of frames, one that passes
//! every frame, and the floor that benches compare with.
//!
//! An object of its own: no driver loads it.
//!
//! **Invariant:** no byte offset of any header stands here.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::hint::black_box;

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX},
    macros::{map, xdp},
    maps::PerCpuArray,
    programs::XdpContext,
};
use farend_core::{WindowMut, frame::wire::ethernet};

use farend_ebpf::window::XdpWindow;

/// Words of eight octets at the front of a frame that the source writes and
/// the counter compares: as many as the shortest frame has whole.
const FRONT_WORDS: usize = 7;

/// The front of a frame.
type Front = [[u8; 8]; FRONT_WORDS];

/// How the frames of [`farend_source`] begin. Its octets are written again
/// for each frame, because the kernel uses a frame's memory again as it came
/// back.
// SAFETY: no other object is linked to this one, so the name is its own.
#[expect(unsafe_code, reason = "the lab finds it by the name of its symbol")]
#[unsafe(no_mangle)]
static LAB_SENT: [u64; FRONT_WORDS] = [0; FRONT_WORDS];

/// How the frames begin that [`farend_count`] expects.
// SAFETY: no other object is linked to this one, so the name is its own.
#[expect(unsafe_code, reason = "the lab finds it by the name of its symbol")]
#[unsafe(no_mangle)]
static LAB_EXPECTED: [u64; FRONT_WORDS] = [0; FRONT_WORDS];

/// Frames that the counter saw: expected ones, then others.
#[map]
static LAB_COUNTS: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Sends frames out of the interface that it is run for.
#[xdp]
pub fn farend_source(mut context: XdpContext) -> u32 {
    let mut window = XdpWindow::new(&mut context);
    let Some(front) = front(&mut window) else { return XDP_DROP };
    // Word by word, because a copy of the whole becomes a call.
    let [a, b, c, d, e, f, g] = front;
    let [h, i, j, k, l, m, n] = *black_box(&LAB_SENT);
    (*a, *b, *c, *d) = (h.to_ne_bytes(), i.to_ne_bytes(), j.to_ne_bytes(), k.to_ne_bytes());
    (*e, *f, *g) = (l.to_ne_bytes(), m.to_ne_bytes(), n.to_ne_bytes());
    XDP_TX
}

/// Counts frames, drops the expected ones and leaves others to the host.
#[xdp(frags)]
pub fn farend_count(mut context: XdpContext) -> u32 {
    let mut window = XdpWindow::new(&mut context);
    let is_expected = front(&mut window).is_some_and(|front| is_expected(front));
    count(is_expected);
    if is_expected { XDP_DROP } else { XDP_PASS }
}

/// Sends every frame back with its MAC addresses exchanged and nothing looked
/// at: the floor that benches compare with.
#[xdp(frags)]
pub fn farend_floor(mut context: XdpContext) -> u32 {
    let mut window = XdpWindow::new(&mut context);
    if let Some(header) = window.at_mut(0) {
        ethernet::swap_addresses(header);
    }
    XDP_TX
}

/// Leaves every frame to the host. A veth interface needs a program to take
/// the frames that its peer's program sends back.
#[xdp(frags)]
pub fn farend_pass(_context: XdpContext) -> u32 {
    XDP_PASS
}

/// The front of a frame, or `None` if it is shorter.
#[inline(always)]
fn front<'frame>(window: &'frame mut XdpWindow<'_>) -> Option<&'frame mut Front> {
    let octets = window.at_mut::<{ 8 * FRONT_WORDS }>(0)?;
    octets.as_chunks_mut().0.first_chunk_mut()
}

/// Compares word by word, written out because this object is compiled without
/// unrolling of loops.
#[inline(always)]
fn is_expected(front: &Front) -> bool {
    let [a, b, c, d, e, f, g] = *front;
    let [h, i, j, k, l, m, n] = *black_box(&LAB_EXPECTED);
    let first = differs(a, h) | differs(b, i) | differs(c, j) | differs(d, k);
    first | differs(e, l) | differs(f, m) | differs(g, n) == 0
}

/// Counts a frame on this CPU.
#[inline(always)]
#[expect(unsafe_code, reason = "a map's entry is a raw pointer")]
fn count(is_expected: bool) {
    let Some(counts) = LAB_COUNTS.get_ptr_mut(0) else { return };
    // SAFETY: the entry is this CPU's alone, XDP programs do not nest on a
    // CPU, and the reference ends before this function does, which calls
    // nothing that asks for another.
    let counts = unsafe { &mut *counts };
    counts[usize::from(!is_expected)] += 1;
}

#[inline(always)]
fn differs(word: [u8; 8], expected: u64) -> u64 {
    u64::from_ne_bytes(word) ^ expected
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Unreachable, as in the reflecting program.
    loop {}
}
