//! What the caller of [`reflect`](crate::reflect()) brings beside the frame and
//! the policy.

use crate::reflect::policy::RateCap;

/// What a driver, a kernel program or firmware lends to the look at one frame.
/// `()` brings nothing: every frame may be answered.
///
/// Each method has a default that stands for "not brought", so whoever brings
/// one thing writes one method, and a call that nobody wrote costs nothing.
pub trait Caller {
    /// Takes a permit for one answer; `false` if there is none left.
    ///
    /// Asked last, and only about frames that would be answered.
    #[inline(always)]
    fn admit(&mut self, cap: &RateCap) -> bool {
        let _ = cap;
        true
    }
}

impl Caller for () {}

impl<C: Caller> Caller for &mut C {
    #[inline(always)]
    fn admit(&mut self, cap: &RateCap) -> bool {
        (**self).admit(cap)
    }
}
