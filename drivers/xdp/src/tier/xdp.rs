//! In the kernel: the XDP program on one interface.
//!
//! The program is attached by a bpf link alone, so the kernel detaches it when
//! this process ends, however it ends. It is compiled for its policy: another
//! policy is another program, which takes the place of the first between two
//! frames.

mod foreign;
mod program;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use farend_core::{Counters, Policy};
use farend_driver::{
    privileges::{self, Capability},
    worker::WorkerStatistics,
};
use rustix::thread::{MembarrierCommand, membarrier};

use super::{Tier, TierError};
use crate::{
    interface::Interface,
    sys::{self, XdpFlags},
};
use program::Program;

/// Capabilities that loading and attaching needs. The program takes the
/// difference of two pointers, the length of a frame, which the verifier lets
/// only holders of `CAP_PERFMON` do.
pub const CAPABILITIES: [Capability; 3] =
    [Capability::NET_ADMIN, Capability::BPF, Capability::PERFMON];

/// First Linux with what the program needs: frames in fragments (5.18), after
/// bpf links for XDP (5.9).
const KERNEL_MIN: (u32, u32) = (5, 18);

/// Where the kernel runs the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// In the driver.
    Native,
    /// After the driver.
    Generic,
}

/// The program on one interface.
pub struct Attachment {
    link: OwnedFd,
    program: Program,
    /// What programs that were replaced had counted.
    before: Counters,
    is_attached: bool,
}

impl Attachment {
    /// Loads the program with this policy and attaches it.
    ///
    /// # Errors
    ///
    /// Why the kernel, the driver or a program already there does not let it,
    /// and what to do.
    pub fn open(
        interface: &Interface,
        policy: &Policy,
        mode: Mode,
        is_foreign_replaced: bool,
    ) -> Result<Self, TierError> {
        if interface.mac.is_none() {
            return Err(TierError::new("it is not an Ethernet interface"));
        }
        let program = Program::load(policy)?;
        if is_foreign_replaced {
            foreign::detach(interface)?;
        }
        let flags = match mode {
            Mode::Native => XdpFlags::Native,
            Mode::Generic => XdpFlags::Generic,
        };
        let link = sys::xdp_link_create(program.as_fd(), interface.index, flags)
            .map_err(|error| attach_error(&error, interface, mode))?;
        Ok(Self { link, program, before: Counters::new(), is_attached: true })
    }

    fn counters(&self) -> Result<Counters, TierError> {
        let mut sum = self.before;
        sum.merge(&self.program.counters()?);
        Ok(sum)
    }
}

impl Tier for Attachment {
    fn start(&mut self) -> Result<(), TierError> {
        Ok(())
    }

    fn replace_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        let next = Program::load(policy)?;
        sys::link_update(self.link.as_fd(), next.as_fd(), self.program.as_fd())
            .map_err(|error| TierError::new(format!("cannot replace the program: {error}")))?;
        let last = std::mem::replace(&mut self.program, next);
        wait_for_running_programs();
        // Nobody runs it any more, so these are its final counts.
        self.before.merge(&last.counters()?);
        Ok(())
    }

    fn statistics(&mut self) -> Result<WorkerStatistics, TierError> {
        Ok(WorkerStatistics { counters: self.counters()?, losses: Vec::new() })
    }

    fn failure(&mut self) -> Option<TierError> {
        let info = sys::xdp_link_info(self.link.as_fd()).ok()??;
        (info.interface_index == 0).then(|| {
            TierError::new("the program was detached from outside, or the interface is gone")
        })
    }

    fn stop(&mut self) -> WorkerStatistics {
        if std::mem::replace(&mut self.is_attached, false) {
            // It fails only where the interface is gone, and the program with it.
            let _ = sys::link_detach(self.link.as_fd());
            wait_for_running_programs();
        }
        let counters = self.counters().unwrap_or(self.before);
        WorkerStatistics { counters, losses: Vec::new() }
    }
}

/// Ticks a second of the clock that the program asks: the kernel's jiffies,
/// which the coarse clocks stand still between (`clock_getres(2)`).
#[must_use]
pub fn ticks_per_second() -> u64 {
    let tick = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    match u64::try_from(tick.tv_nsec) {
        Ok(nanoseconds @ 1..) => 1_000_000_000 / nanoseconds,
        // No kernel has ticks of a second; 100 is the least of all.
        _ => 100,
    }
}

/// Loads the program and lets go of it: whether it could be attached, without
/// attaching.
///
/// # Errors
///
/// As in [`Attachment::open`].
pub fn rehearse(policy: &Policy) -> Result<(), TierError> {
    Program::load(policy).map(drop)
}

/// Waits until every CPU has left the program it ran a moment ago.
///
/// The kernel runs XDP programs inside an RCU read section, and this command
/// of membarrier(2) waits for one grace period, which ends after all of them.
fn wait_for_running_programs() {
    if membarrier(MembarrierCommand::Global).is_err() {
        // A kernel with CPUs that do not tick refuses. No frame takes this long.
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Says why a link was refused.
fn attach_error(error: &io::Error, interface: &Interface, mode: Mode) -> TierError {
    match error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => foreign::describe(interface),
        Some(libc::EOPNOTSUPP) => {
            let driver = interface.driver().unwrap_or_else(|| "its".to_owned());
            TierError::new(format!("the driver ({driver}) does not run XDP programs"))
                .with_advice("use --tier xdp-generic")
        }
        Some(libc::EPERM | libc::EACCES) => permission_error(),
        Some(libc::ENODEV) => TierError::new("the interface is gone"),
        Some(libc::ERANGE | libc::EMSGSIZE | libc::E2BIG) => mtu_error(error, interface),
        Some(libc::EINVAL) if mode == Mode::Native => TierError::new(format!(
            "the driver refuses the program ({error}): the MTU of {} octets may be beyond what it \
             takes with XDP, or it has no free queues",
            interface.mtu_octets
        ))
        .with_advice("lower the MTU, or use --tier xdp-generic"),
        _ => TierError::new(format!("cannot attach the program: {error}")),
    }
}

fn mtu_error(error: &io::Error, interface: &Interface) -> TierError {
    TierError::new(format!(
        "the driver does not run XDP programs with an MTU of {} octets ({error})",
        interface.mtu_octets
    ))
    .with_advice(format!(
        "lower it (ip link set {} mtu 1500), or use --tier xdp-generic",
        interface.name
    ))
}

/// Says what is missing to load or attach.
fn permission_error() -> TierError {
    let missing = privileges::missing(&CAPABILITIES);
    if missing.is_empty() {
        return TierError::new("the kernel does not let this process use bpf(2)")
            .with_advice("run as root outside of containers and kernel lockdown");
    }
    let names: Vec<_> =
        missing.iter().map(|one| format!("CAP_{}", one.name.to_uppercase())).collect();
    TierError::new(format!("no permission: {} missing", names.join(", ")))
        .with_advice(privileges::advice(&CAPABILITIES))
}

/// Whether this kernel is older than the program needs; `None` if it does not
/// tell.
fn is_kernel_too_old() -> Option<String> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let major: u32 = numbers.next()?.parse().ok()?;
    let minor: u32 = numbers.next()?.parse().ok()?;
    ((major, minor) < KERNEL_MIN).then_some(release)
}
