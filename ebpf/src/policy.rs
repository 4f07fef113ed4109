//! The policy this program was loaded with.
#![expect(unsafe_code, reason = "the driver finds the policy by the name of its symbol")]

use core::arch::asm;

use farend_core::Policy;

/// Read-only data that the driver overwrites before it loads the program. The
/// verifier takes its fields for constants and removes what they make
/// unreachable.
// SAFETY: no other object is linked to this one, so the name is its own.
#[unsafe(no_mangle)]
static POLICY: Policy = Policy::closed();

/// The policy in force. Asked again, the compiler takes it for another one, so
/// that it need not keep the first.
#[inline(always)]
pub fn current() -> &'static Policy {
    let mut policy = &raw const POLICY;
    // SAFETY: no instruction at all. It keeps the compiler from taking the
    // closed policy's fields for constants, as `black_box` would do by way of
    // the stack.
    unsafe { asm!("/* {0} */", inout(reg) policy, options(nomem, nostack, preserves_flags)) };
    // SAFETY: it points to a static that the kernel keeps as it is.
    unsafe { &*policy }
}
