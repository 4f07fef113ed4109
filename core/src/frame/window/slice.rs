//! User space and firmware: an ordinary slice, in safe code.

use super::{OFFSET_OCTETS_MAX, Window, WindowMut};

impl Window for [u8] {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        if offset > OFFSET_OCTETS_MAX {
            return None;
        }
        // Offset and end in one range: one compare, because the offset is
        // known to be small.
        self.get(offset..offset + N)?.first_chunk()
    }

    #[inline(always)]
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }
}

impl WindowMut for [u8] {
    #[inline(always)]
    fn at_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        if offset > OFFSET_OCTETS_MAX {
            return None;
        }
        self.get_mut(offset..offset + N)?.first_chunk_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_with_the_frame() {
        let frame = [7_u8; 20];
        assert!(frame[..].at::<20>(0).is_some());
        assert!(frame[..].at::<21>(0).is_none());
        assert!(frame[..].at::<1>(19).is_some());
        assert!(frame[..].at::<1>(20).is_none());
        assert!(frame[..].at::<1>(usize::MAX).is_none());
    }

    #[test]
    fn no_access_starts_past_the_highest_offset() {
        let frame = [0_u8; 2 * OFFSET_OCTETS_MAX];
        assert!(frame[..].at::<8>(OFFSET_OCTETS_MAX).is_some());
        assert!(frame[..].at::<8>(OFFSET_OCTETS_MAX + 1).is_none());
    }
}
