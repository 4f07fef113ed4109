//! Asking the processor to bring memory near.
#![expect(unsafe_code, reason = "each processor's instruction for it")]

/// Octets that processors fetch at once: the cache line of x86 and most Arm.
pub(in crate::ring) const FETCHED_OCTETS: usize = 64;

/// Asks for the cache line of an address, to be read soon. Where the processor has
/// no such instruction, does nothing.
#[inline(always)]
pub(super) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse"))]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint: nothing is read, and an address without memory is ignored.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint, as on x86: PRFM reads nothing and never faults.
    unsafe {
        core::arch::asm!(
            "prfm pldl1keep, [{address}]",
            address = in(reg) address.addr(),
            options(nomem, nostack, preserves_flags)
        );
    };
    #[cfg(not(any(all(target_arch = "x86_64", target_feature = "sse"), target_arch = "aarch64")))]
    let _ = address;
}
