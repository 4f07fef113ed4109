//! XDP: the pair of pointers that the kernel gives.
#![expect(unsafe_code, reason = "the only view over a frame's raw pointers")]

use core::{marker::PhantomData, ptr::NonNull};

use super::{OFFSET_OCTETS_MAX, Window, WindowMut};

/// A frame between two raw pointers.
///
/// The kernel's verifier follows pointers, not lengths: it accepts an access
/// only after `start + N` was compared with `data_end` as pointers. A slice
/// made of the same two pointers is refused, because its length is a plain
/// number to the verifier.
#[derive(Debug)]
pub struct RawWindow<'frame> {
    data: *mut u8,
    data_end: *mut u8,
    frame: PhantomData<&'frame mut [u8]>,
}

/// Octets at the end of the address space that no frame lies in, so that no
/// sum of an address, an offset and a length wraps.
const TAIL_OCTETS: usize = 4096;

impl RawWindow<'_> {
    /// Makes a window over `data..data_end`.
    ///
    /// # Safety
    ///
    /// `data` is not null, also where no octet lies behind it, and `data_end`
    /// is not in the last 4 KiB of the address space. And for as long as the
    /// window lives:
    /// - `data..data_end` lies in one allocation, `data <= data_end`, and every
    ///   octet of it is initialised, readable and writable;
    /// - nothing else reads or writes those octets.
    #[must_use]
    #[inline(always)]
    pub const unsafe fn new(data: *mut u8, data_end: *mut u8) -> Self {
        debug_assert!(!data.is_null(), "a frame at address 0");
        Self { data, data_end, frame: PhantomData }
    }
}

/// A window over a slice. One in the last 4 KiB of the address space, where a
/// slice of no octets may be, is an empty window.
impl<'frame> From<&'frame mut [u8]> for RawWindow<'frame> {
    fn from(frame: &'frame mut [u8]) -> Self {
        let range = frame.as_mut_ptr_range();
        if range.end.addr() > usize::MAX - TAIL_OCTETS {
            let nothing = NonNull::dangling().as_ptr();
            // SAFETY: a dangling pointer to an octet is 1: neither null nor at
            // the end; no octet lies between it and itself.
            return unsafe { Self::new(nothing, nothing) };
        }
        // SAFETY: the range is that of a live `&mut [u8]`, which 'frame keeps
        // borrowed for as long as the window lives; a slice is never at 0, and
        // its end was just compared.
        unsafe { Self::new(range.start, range.end) }
    }
}

impl RawWindow<'_> {
    /// The start of `N` octets that lie in the frame.
    #[inline(always)]
    fn start_of<const N: usize>(&self, offset: usize) -> Option<*mut u8> {
        const { assert!(OFFSET_OCTETS_MAX + N <= TAIL_OCTETS, "a header of so many octets") };
        if offset > OFFSET_OCTETS_MAX {
            return None;
        }
        // The sums cannot wrap: they are bounded above, and by the contract of
        // `new` no frame lies in the last octets of the address space.
        let start = self.data.wrapping_add(offset);
        if start.wrapping_add(N) > self.data_end {
            return None;
        }
        // SAFETY: a frame does not start at address 0, by the contract of
        // `new`, and what is not before its start is not at 0 either. Said,
        // because else `None` and `Some` are told apart by one more compare.
        unsafe { core::hint::assert_unchecked(!start.is_null()) };
        Some(start)
    }
}

impl Window for RawWindow<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        let start = self.start_of::<N>(offset)?;
        // SAFETY: start..start + N was just compared to lie inside
        // data..data_end, which is live by the contract of `new`; [u8; N] has
        // no alignment, and `self` is borrowed for as long as the octets are.
        Some(unsafe { &*start.cast::<[u8; N]>() })
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.data_end.addr().wrapping_sub(self.data.addr())
    }
}

impl WindowMut for RawWindow<'_> {
    #[inline(always)]
    fn at_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        let start = self.start_of::<N>(offset)?;
        // SAFETY: as in `at`; nothing else reads or writes the frame, by the
        // contract of `new`, and `self` is borrowed exclusively.
        Some(unsafe { &mut *start.cast::<[u8; N]>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_window_answers_as_the_slice_does() {
        let mut frame: [u8; 64] = core::array::from_fn(|i| u8::try_from(i).unwrap_or(0));
        for offset in 0..80 {
            let from_slice = frame[..].at::<8>(offset).copied();
            let from_raw = RawWindow::from(&mut frame[..]).at::<8>(offset).copied();
            assert_eq!(from_raw, from_slice, "at offset {offset}");
        }
    }

    #[test]
    fn a_window_over_nothing_gives_no_octet() {
        let borrowed: &mut [u8] = &mut [];
        // SAFETY: a slice of no octets may be at any address but 0.
        let at_the_end = unsafe {
            core::slice::from_raw_parts_mut(core::ptr::without_provenance_mut(usize::MAX), 0)
        };
        for nothing in [borrowed, at_the_end] {
            let mut window = RawWindow::from(nothing);
            assert_eq!(window.at::<0>(0), Some(&[]));
            assert_eq!(window.at_mut::<0>(0), Some(&mut []));
            assert_eq!((window.at::<0>(1), window.at::<1>(0), window.len()), (None, None, 0));
        }
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a frame at address 0")]
    fn no_window_is_made_over_null() {
        let null = core::ptr::null_mut();
        // SAFETY: refused, in a build that checks; nothing is read.
        let _ = unsafe { RawWindow::new(null, null) };
    }
}
