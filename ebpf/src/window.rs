//! The window over an XDP frame, and the clock of its rate cap.
#![expect(unsafe_code, reason = "the only access to the XDP context and to helpers")]

use core::cell::UnsafeCell;

use aya_ebpf::{
    bindings::xdp_md,
    helpers::generated::{bpf_jiffies64, bpf_xdp_get_buff_len},
    programs::{TcContext, XdpContext},
};
use farend_core::{Limit, RawWindow, Window, policy::RateCap};

use crate::state;

/// A frame that may be in fragments: the first one is readable, the length of
/// all is known to the kernel.
pub struct XdpWindow<'frame> {
    first: RawWindow<'frame>,
    context: *mut xdp_md,
    /// Octets in the frame, once the kernel was asked, else 0. In memory, not
    /// in a register, of which the look has none to spare.
    whole: UnsafeCell<u32>,
}

impl<'frame> XdpWindow<'frame> {
    #[inline(always)]
    pub fn new(context: &'frame XdpContext) -> Self {
        // Volatile, so that each window reads them anew and none is kept for
        // the next.
        // SAFETY: the kernel gives this program a live context.
        let data = unsafe { (&raw const (*context.ctx).data).read_volatile() } as usize;
        // SAFETY: as before.
        let data_end = unsafe { (&raw const (*context.ctx).data_end).read_volatile() } as usize;
        let (data, data_end) = (data as *mut u8, data_end as *mut u8);
        // SAFETY: the kernel keeps data..data_end readable, writable and this
        // program's alone until the program returns, which 'frame does not
        // outlive; no helper that moves the frame is called.
        let first = unsafe { RawWindow::new(data, data_end) };
        Self { first, context: context.ctx, whole: UnsafeCell::new(0) }
    }
}

impl XdpWindow<'_> {
    /// Octets in the frame, as far as its packet goes: all of them if the
    /// kernel had to be asked, else those of the first fragment.
    #[inline(always)]
    pub fn known_octets(&self) -> usize {
        // SAFETY: the field is this window's own, and no reference to its
        // content exists.
        match unsafe { self.whole.get().read_volatile() } {
            0 => self.first.len(),
            octets => octets as usize,
        }
    }
}

impl Window for XdpWindow<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.first.at(offset)
    }

    #[inline(always)]
    fn at_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        self.first.at_mut(offset)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.first.len()
    }

    #[inline(always)]
    fn whole_len(&self) -> usize {
        cold();
        // SAFETY: the context is the one that the kernel gave this program.
        let octets = unsafe { bpf_xdp_get_buff_len(self.context) };
        // SAFETY: as in `known_octets`.
        unsafe { self.whole.get().write_volatile(octets as u32) };
        octets as usize
    }
}

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
        // this window is never borrowed mutably.
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

/// Tells the compiler to keep registers for the other path.
#[cold]
const fn cold() {}

/// The rate cap of this CPU: its permits are refilled by the kernel's tick, no
/// clock is read.
pub struct PerCpuLimit;

impl Limit for PerCpuLimit {
    #[inline(always)]
    fn admit(&mut self, cap: &RateCap) -> bool {
        if cap.is_unlimited() {
            return true;
        }
        cold();
        // SAFETY: the helper takes nothing and only reads the tick.
        let now_tick = unsafe { bpf_jiffies64() };
        state::of_this_cpu().is_some_and(|state| state.bucket.admit(cap, now_tick))
    }
}
