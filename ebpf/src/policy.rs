//! The policy this program was loaded with.
#![expect(unsafe_code, reason = "the driver finds the policy by the name of its symbol")]

use core::hint::black_box;

use farend_core::Policy;

/// Read-only data that the driver overwrites before it loads the program. The
/// verifier takes its fields for constants and removes what they make
/// unreachable.
// SAFETY: no other object is linked to this one, so the name is its own.
#[unsafe(no_mangle)]
static POLICY: Policy = Policy::closed();

/// The policy in force.
#[inline(always)]
pub fn current() -> &'static Policy {
    // The compiler must not take the closed policy's fields for constants.
    black_box(&POLICY)
}
