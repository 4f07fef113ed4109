//! The window over a frame on its way to the host stack.
#![expect(unsafe_code, reason = "the only access to the classifier's context")]

use aya_ebpf::{
    helpers::generated::{bpf_skb_vlan_pop, bpf_skb_vlan_push},
    programs::TcContext,
};
use farend_core::{RawWindow, Window};

/// What a frame is tagged with while it is judged: any tag does, because it is taken off
/// again.
const ANY_TAG: (u16, u16) = (0x8100_u16.to_be(), 0);

/// Asks `question` about the frame as it was on the wire. `None` if the kernel has no
/// memory for that; the frame is then as it was.
///
/// The host has the outermost tag in the frame's metadata. Tagging the frame once more
/// moves that one back among the octets; taking the new tag off moves it to the metadata
/// again, where the host looks for it.
#[inline(always)]
pub fn as_received<T>(
    context: &mut TcContext,
    question: impl FnOnce(&SkbWindow<'_>) -> T,
) -> Option<T> {
    let skb = context.skb.skb;
    // SAFETY: the kernel gives this program a live context.
    let is_tagged = unsafe { (*skb).vlan_present } != 0;
    if is_tagged {
        let (protocol, tag) = ANY_TAG;
        // SAFETY: as before; no window over the frame lives.
        if unsafe { bpf_skb_vlan_push(skb, protocol, tag) } != 0 {
            return None;
        }
    }
    let answer = question(&SkbWindow::new(context));
    if is_tagged {
        // SAFETY: as before.
        unsafe { bpf_skb_vlan_pop(skb) };
    }
    Some(answer)
}

/// A frame on its way to the host stack: its first octets are readable.
pub struct SkbWindow<'frame> {
    first: RawWindow<'frame>,
    octets: usize,
}

impl<'frame> SkbWindow<'frame> {
    #[inline(always)]
    fn new(context: &'frame TcContext) -> Self {
        let (data, data_end) = (context.data() as *mut u8, context.data_end() as *mut u8);
        // SAFETY: the kernel keeps data..data_end readable until the program
        // returns, which 'frame does not outlive, and nobody writes to it:
        // this window is never borrowed mutably. Neither is at 0 or in the
        // last 4 KiB, where the kernel maps no memory.
        let first = unsafe { RawWindow::new(data, data_end) };
        Self { first, octets: context.len() as usize }
    }
}

impl Window for SkbWindow<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.first.at(offset)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.first.len()
    }

    #[inline(always)]
    fn whole_len(&self) -> usize {
        self.octets
    }
}
