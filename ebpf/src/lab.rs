//! The test bench's own programs: a source and a counter of frames. No driver
//! attaches them.
#![expect(unsafe_code, reason = "a map's entry is a raw pointer; the bench finds data by symbol")]

use core::hint::black_box;

use aya_ebpf::{
    bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX},
    macros::{map, xdp},
    maps::{PerCpuArray, ProgramArray},
    programs::XdpContext,
};
use farend_core::Window;

use crate::window::XdpWindow;

/// Words of eight octets at the front of a frame that the source writes and
/// the counter compares: as many as the shortest frame has whole.
const FRONT_WORDS: usize = 7;

/// Words at the front of a frame that [`farend_rewrite`] writes: all that a
/// reflector changes in a frame with two tags, or of IPv6.
const REWRITTEN_WORDS: usize = 8;

/// The front of a frame.
type Front = [[u8; 8]; FRONT_WORDS];

/// How the frames of [`farend_source`] begin. Its octets are written again
/// for each frame, because the kernel uses a frame's memory again as it came
/// back.
// SAFETY: no other object is linked to this one, so the name is its own.
#[unsafe(no_mangle)]
static LAB_SENT: [u64; FRONT_WORDS] = [0; FRONT_WORDS];

/// How the frames begin that [`farend_count`] expects.
// SAFETY: no other object is linked to this one, so the name is its own.
#[unsafe(no_mangle)]
static LAB_EXPECTED: [u64; FRONT_WORDS] = [0; FRONT_WORDS];

/// How each frame begins when [`farend_rewrite`] hands it on.
// SAFETY: no other object is linked to this one, so the name is its own.
#[unsafe(no_mangle)]
static LAB_REWRITTEN: [u64; REWRITTEN_WORDS] = [0; REWRITTEN_WORDS];

/// The program that [`farend_rewrite`] measures.
#[map]
static LAB_NEXT: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Frames that the counter saw: expected ones, then others.
#[map]
static LAB_COUNTS: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Sends frames out of the interface that it is run for.
#[xdp]
pub fn farend_source(context: XdpContext) -> u32 {
    let mut window = XdpWindow::new(&context);
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
pub fn farend_count(context: XdpContext) -> u32 {
    let Some(counts) = LAB_COUNTS.get_ptr_mut(0) else { return XDP_PASS };
    // SAFETY: the entry is this CPU's alone, XDP programs do not nest on a
    // CPU, and this is the only reference.
    let counts = unsafe { &mut *counts };
    let mut window = XdpWindow::new(&context);
    let is_expected = front(&mut window).is_some_and(|front| is_expected(front));
    counts[usize::from(!is_expected)] += 1;
    if is_expected { XDP_DROP } else { XDP_PASS }
}

/// Writes the front of the frame and goes on in another program.
///
/// `BPF_PROG_TEST_RUN` runs a program again and again over the same memory: a
/// frame that was turned round must be turned back, and so must the one beside
/// it that is compared.
#[xdp(frags)]
pub fn farend_rewrite(context: XdpContext) -> u32 {
    let mut window = XdpWindow::new(&context);
    let Some(octets) = window.at_mut::<{ 8 * REWRITTEN_WORDS }>(0) else { return XDP_ABORTED };
    let Some(front) = octets.as_chunks_mut().0.first_chunk_mut() else { return XDP_ABORTED };
    let [a, b, c, d, e, f, g, h]: &mut [[u8; 8]; REWRITTEN_WORDS] = front;
    let [i, j, k, l, m, n, o, p] = *black_box(&LAB_REWRITTEN);
    (*a, *b, *c, *d) = (i.to_ne_bytes(), j.to_ne_bytes(), k.to_ne_bytes(), l.to_ne_bytes());
    (*e, *f, *g, *h) = (m.to_ne_bytes(), n.to_ne_bytes(), o.to_ne_bytes(), p.to_ne_bytes());
    // SAFETY: the context is the one that the kernel gave this program.
    let _failed = unsafe { LAB_NEXT.tail_call(&context, 0) };
    XDP_ABORTED
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

#[inline(always)]
fn differs(word: [u8; 8], expected: u64) -> u64 {
    u64::from_ne_bytes(word) ^ expected
}
