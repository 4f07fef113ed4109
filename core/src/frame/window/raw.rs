//! XDP: the pair of pointers that the kernel gives.
#![expect(unsafe_code, reason = "the only view over a frame's raw pointers")]

use core::marker::PhantomData;

use super::{OFFSET_OCTETS_MAX, Window};

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

impl RawWindow<'_> {
    /// Makes a window over `data..data_end`.
    ///
    /// # Safety
    ///
    /// For as long as the window lives:
    /// - `data..data_end` lies in one allocation, `data <= data_end`, and every
    ///   octet of it is initialised, readable and writable;
    /// - nothing else reads or writes those octets.
    #[must_use]
    #[inline(always)]
    pub const unsafe fn new(data: *mut u8, data_end: *mut u8) -> Self {
        Self { data, data_end, frame: PhantomData }
    }
}

impl<'frame> From<&'frame mut [u8]> for RawWindow<'frame> {
    fn from(frame: &'frame mut [u8]) -> Self {
        let range = frame.as_mut_ptr_range();
        // SAFETY: the range is that of a live `&mut [u8]`, which 'frame keeps
        // borrowed for as long as the window lives.
        unsafe { Self::new(range.start, range.end) }
    }
}

impl RawWindow<'_> {
    /// The start of `N` octets that lie in the frame.
    #[inline(always)]
    fn start_of<const N: usize>(&self, offset: usize) -> Option<*mut u8> {
        if offset > OFFSET_OCTETS_MAX {
            return None;
        }
        // The sum cannot wrap: the offset is bounded above, and no frame lies
        // in the last 4 KiB of the address space.
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
    fn at_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        let start = self.start_of::<N>(offset)?;
        // SAFETY: as in `at`; nothing else reads or writes the frame, by the
        // contract of `new`, and `self` is borrowed exclusively.
        Some(unsafe { &mut *start.cast::<[u8; N]>() })
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.data_end.addr().wrapping_sub(self.data.addr())
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
}
