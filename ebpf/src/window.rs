//! The window over an XDP frame.
#![expect(unsafe_code, reason = "the only access to the XDP context")]

use core::{arch::asm, cell::UnsafeCell, hint::assert_unchecked};

use aya_ebpf::{bindings::xdp_md, helpers::generated::bpf_xdp_get_buff_len, programs::XdpContext};
use farend_core::{RawWindow, Window, WindowMut};

/// A frame that may be in fragments: the first one is readable, the length of
/// all is known to the kernel.
pub struct XdpWindow<'frame> {
    first: RawWindow<'frame>,
    context: *mut xdp_md,
    /// Octets in the frame, once the kernel was asked, else 0. In memory, not
    /// in a register, of which the look has none to spare.
    whole: UnsafeCell<u32>,
}

/// The one context of a run, of which a second look finds the address in memory:
/// the first look has no register to spare for it.
///
/// Both windows borrow it mutably, so one ends before the other begins.
pub struct Parked<'context> {
    context: &'context mut XdpContext,
    address: UnsafeCell<*mut xdp_md>,
}

impl<'context> Parked<'context> {
    /// Takes the context and writes its address down.
    #[inline(always)]
    pub fn new(context: &'context mut XdpContext) -> Self {
        let address = UnsafeCell::<*mut xdp_md>::new(core::ptr::null_mut());
        // Volatile, so that it is written now and read again later.
        // SAFETY: the cell was just made.
        unsafe { address.get().write_volatile(context.ctx) };
        Self { context, address }
    }

    /// The window of the first look.
    #[inline(always)]
    pub fn window(&mut self) -> XdpWindow<'_> {
        XdpWindow::new(self.context)
    }

    /// The window of a second look, by the address in memory.
    #[inline(always)]
    pub fn window_again(&mut self) -> XdpWindow<'_> {
        // SAFETY: the cell is this one's own.
        let address = unsafe { self.address.get().read_volatile() };
        // SAFETY: it is the address of the context that is borrowed here, for
        // as long as the window lives.
        unsafe { XdpWindow::over(address) }
    }
}

impl<'frame> XdpWindow<'frame> {
    /// Takes the frame of this context for as long as the window lives.
    ///
    /// A context stands for the frame as a `&mut` to it: the macro `xdp` makes
    /// the only one of a run, and it cannot be copied.
    #[inline(always)]
    pub fn new(context: &'frame mut XdpContext) -> Self {
        // SAFETY: the kernel gives this program a live context, which is
        // borrowed mutably for as long as the window lives.
        unsafe { Self::over(context.ctx) }
    }

    /// Takes the frame of the context at this address.
    ///
    /// # Safety
    ///
    /// It is the live context of this run, and no other window over its frame
    /// is used during `'frame`.
    #[inline(always)]
    unsafe fn over(context: *mut xdp_md) -> Self {
        // Volatile, so that each window reads them anew and none is kept for
        // the next.
        // SAFETY: the caller says that the context lives.
        let data = unsafe { (&raw const (*context).data).read_volatile() } as usize;
        // SAFETY: as before.
        let data_end = unsafe { (&raw const (*context).data_end).read_volatile() } as usize;
        let (data, data_end) = (data as *mut u8, data_end as *mut u8);
        // SAFETY: the kernel keeps data..data_end readable, writable and this
        // program's alone until the program returns, which 'frame does not
        // outlive; the caller says that no other window over the frame is used
        // meanwhile; no helper that moves the frame is called. The kernel
        // maps memory neither at 0 nor in its last 4 KiB (errors are there).
        let first = unsafe { RawWindow::new(data, data_end) };
        Self { first, context, whole: UnsafeCell::new(0) }
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

impl WindowMut for XdpWindow<'_> {
    #[inline(always)]
    fn at_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        self.first.at_mut(offset).map(anew)
    }
}

/// The same octets, of which the compiler has forgotten what it read: what a
/// look kept of them would lie on the stack until they are exchanged.
#[inline(always)]
fn anew<const N: usize>(octets: &mut [u8; N]) -> &mut [u8; N] {
    let mut octets: *mut [u8; N] = octets;
    // A move onto itself and not nothing: two places of the source at one
    // instruction are refused by the kernel.
    // SAFETY: it changes nothing.
    unsafe { asm!("{0} = {0}", inout(reg) octets, options(pure, nomem, nostack, preserves_flags)) };
    // SAFETY: it is what was borrowed above.
    unsafe { assert_unchecked(!octets.is_null()) };
    // SAFETY: as before, for as long.
    unsafe { &mut *octets }
}

/// Tells the compiler to keep registers for the other path.
#[cold]
pub const fn cold() {}
