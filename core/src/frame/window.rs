//! The only door to frame memory.

#[cfg(not(target_arch = "bpf"))]
mod fragmented;
mod raw;
mod slice;

#[cfg(not(target_arch = "bpf"))]
pub use fragmented::Fragmented;
pub use raw::RawWindow;

/// Highest offset, in octets, at which an access may start.
///
/// Two reasons. The kernel's verifier must see a small bound on every offset
/// that a length field of the frame has steered; without it a 16-bit field
/// times four is refused. And a header that starts later than this is not
/// found in any sound test frame: two tags, a full IPv4 header and a UDP
/// header end at octet 90, IPv6 with four extension headers of 64 octets at
/// 326.
pub const OFFSET_OCTETS_MAX: usize = 511;

/// Bounds-checked, fixed-size looks at the octets of one frame.
///
/// Implemented for `[u8]` in safe code, and for [`RawWindow`] over the pair of
/// pointers that XDP gives. Implementations answer `None`, never panic, and
/// never touch memory outside the frame. All of them agree: the same octets
/// give the same answers.
pub trait Window {
    /// Borrows `N` octets that start `offset` octets into the frame.
    ///
    /// `None` if they are not all inside the directly readable part of the
    /// frame, or if `offset` is above [`OFFSET_OCTETS_MAX`].
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]>;

    /// Octets in the frame that can be borrowed, Ethernet header in, FCS out:
    /// a number to compare with length fields, never a bound for access.
    fn len(&self) -> usize;

    /// Whether the frame is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets in the frame, those in later fragments in, which cannot be
    /// borrowed.
    ///
    /// Asked only where [`len`](Self::len) is not enough: a window over XDP
    /// has to call the kernel, which costs more than the rest of the look.
    #[inline(always)]
    fn whole_len(&self) -> usize {
        self.len()
    }
}

/// A window through which a frame can be changed too.
///
/// Apart from [`Window`], because some frames can only be looked at: the kernel
/// lends those that a tap has seen for reading.
pub trait WindowMut: Window {
    /// As [`at`](Window::at), to change the octets. What can be read can be
    /// changed.
    fn at_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]>;
}
