//! The window over a frame on its way to the host stack.
#![expect(unsafe_code, reason = "the only access to the classifier's context")]

use aya_ebpf::programs::TcContext;
use farend_core::{RawWindow, Window};

/// A frame on its way to the host stack: its first octets are readable.
pub struct SkbWindow<'frame> {
    first: RawWindow<'frame>,
    octets: usize,
}

impl<'frame> SkbWindow<'frame> {
    /// `None` for a frame whose tag the interface took off: the octets do not
    /// show it, so the policy cannot be asked about it.
    #[inline(always)]
    pub fn new(context: &'frame TcContext) -> Option<Self> {
        let skb = context.skb.skb;
        // SAFETY: the kernel gives this program a live context.
        if unsafe { (*skb).vlan_present } != 0 {
            return None;
        }
        let (data, data_end) = (context.data() as *mut u8, context.data_end() as *mut u8);
        // SAFETY: the kernel keeps data..data_end readable until the program
        // returns, which 'frame does not outlive, and nobody writes to it:
        // this window is never borrowed mutably. Neither is at 0 or in the
        // last 4 KiB, where the kernel maps no memory.
        let first = unsafe { RawWindow::new(data, data_end) };
        Some(Self { first, octets: context.len() as usize })
    }
}

impl Window for SkbWindow<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.first.at(offset)
    }

    /// Always `None`: the octets may belong to others as well.
    #[inline(always)]
    fn at_mut<const N: usize>(&mut self, _offset: usize) -> Option<&mut [u8; N]> {
        None
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
