//! The clock of the rate cap.
#![expect(unsafe_code, reason = "a helper of the kernel")]

use aya_ebpf::helpers::generated::bpf_jiffies64;
use farend_core::{Caller, reflect::policy::RateCap};

use farend_ebpf::window::cold;

use crate::state;

/// The rate cap of this CPU: its permits are refilled by the kernel's tick, no
/// clock is read.
pub struct PerCpuLimit;

impl Caller for PerCpuLimit {
    #[inline(always)]
    fn admit(&mut self, cap: &RateCap) -> bool {
        if cap.is_unlimited() {
            return true;
        }
        cold();
        // SAFETY: the helper takes nothing and only reads the tick.
        let now_tick = unsafe { bpf_jiffies64() };
        state::admit(cap, now_tick)
    }
}
