//! User space: the first piece of a frame that may have more.

use super::{Window, WindowMut};

/// A packet of which the first frame alone can be looked at.
///
/// All headers of sound test traffic stand in it; what lies in a later one is
/// known by its length only, as in the kernel.
#[derive(Debug)]
pub struct Fragmented<'frame> {
    first: &'frame mut [u8],
    whole_octets: usize,
}

impl<'frame> Fragmented<'frame> {
    /// Makes a window over the first frame of a packet of `whole_octets`. As
    /// many as the frame has means that it is the only one.
    #[must_use]
    #[inline(always)]
    pub const fn new(first: &'frame mut [u8], whole_octets: usize) -> Self {
        Self { first, whole_octets }
    }

    /// The octets of the first frame.
    #[must_use]
    #[inline(always)]
    pub const fn first(&self) -> &[u8] {
        self.first
    }
}

impl Window for Fragmented<'_> {
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
        self.whole_octets
    }
}

impl WindowMut for Fragmented<'_> {
    #[inline(always)]
    fn at_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        self.first.at_mut(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MacAddress, Policy, Reason, Verdict, reflect};

    #[test]
    fn only_what_lies_past_the_whole_packet_is_malformed() {
        let policy = Policy::builder().own_mac(MacAddress([2, 0, 0, 0, 0, 1])).build().unwrap();
        // An Ethernet header for us that ends after the EtherType.
        let mut octets = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        let mut alone = Fragmented::new(&mut octets, 14);
        let verdict = reflect(&mut alone, &policy, &mut ());
        assert_eq!(verdict, Verdict::Refuse(Reason::Ipv4Truncated));
        let mut first = Fragmented::new(&mut octets, 9_000);
        let verdict = reflect(&mut first, &policy, &mut ());
        assert_eq!(verdict, Verdict::Refuse(crate::Reason::HeaderDepth));
    }
}
