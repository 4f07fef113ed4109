//! What the kernel program keeps for each CPU, as user space reads it.

use crate::{Counters, reflect::rate::Bucket};

/// One CPU's counters and permits. All-zero octets are its start.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct CpuState {
    /// What became of the frames that this CPU saw.
    pub counters: Counters,
    /// Permits of this CPU: the rate cap holds for each CPU.
    pub bucket: Bucket,
}
