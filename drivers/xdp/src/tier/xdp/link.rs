//! The bpf link between a program and an interface.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::thread::{MembarrierCommand, membarrier};

use super::{CAPABILITIES, Mode, TierError, foreign, permission_error};
use crate::{
    interface::Interface,
    sys::{self, XdpFlags},
};

/// A program attached to an interface, until this is dropped or the process
/// ends, however it ends.
pub(in crate::tier) struct Link {
    fd: OwnedFd,
    is_attached: bool,
}

impl Link {
    /// Attaches a program.
    ///
    /// # Errors
    ///
    /// Why the driver, or a program that is there already, does not let it.
    pub(in crate::tier) fn attach(
        program: BorrowedFd<'_>,
        interface: &Interface,
        mode: Mode,
    ) -> Result<Self, TierError> {
        let flags = match mode {
            Mode::Native => XdpFlags::Native,
            Mode::Generic => XdpFlags::Generic,
        };
        let fd = sys::xdp_link_create(program, interface.index, flags)
            .map_err(|error| attach_error(&error, interface, mode))?;
        Ok(Self { fd, is_attached: true })
    }

    /// Puts another program in the place of `old`, between two frames. When
    /// this returns, nobody runs the old one any more.
    ///
    /// # Errors
    ///
    /// Why it cannot; the old one stays.
    pub(in crate::tier) fn replace(
        &self,
        old: BorrowedFd<'_>,
        new: BorrowedFd<'_>,
    ) -> Result<(), TierError> {
        sys::link_update(self.fd.as_fd(), new, old)
            .map_err(|error| TierError::new(format!("cannot replace the program: {error}")))?;
        wait_for_running_programs();
        Ok(())
    }

    /// Why it is no longer attached, if it is not.
    pub(in crate::tier) fn failure(&self) -> Option<TierError> {
        let info = sys::xdp_link_info(self.fd.as_fd()).ok()??;
        (info.interface_index == 0).then(|| {
            TierError::new("the program was detached from outside, or the interface is gone")
        })
    }

    /// Detaches it. When this returns, nobody runs it any more.
    pub(in crate::tier) fn detach(&mut self) {
        if std::mem::replace(&mut self.is_attached, false) {
            // It fails only where the interface is gone, and the program with it.
            let _ = sys::link_detach(self.fd.as_fd());
            wait_for_running_programs();
        }
    }
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
        Some(libc::EPERM | libc::EACCES) => permission_error(&CAPABILITIES),
        Some(libc::ENOSPC) => TierError::new(
            "the driver has too few queues for XDP: it wants a transmit queue for each CPU, or \
             as many receive queues as the other end of a veth has transmit queues",
        )
        .with_advice(format!("see ethtool -l {0}, change by ethtool -L {0}", interface.name)),
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
