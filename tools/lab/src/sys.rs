//! The system calls that have no safe wrapper.
#![expect(unsafe_code, reason = "setting up a child before exec, unshare, ethtool's ioctl")]

use std::{
    ffi::c_char,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    net::{AddressFamily, SocketType, socket},
    process::{Signal, set_parent_process_death_signal},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe},
};

/// Turns transmit checksum offload on or off (`linux/ethtool.h`).
pub(crate) const ETHTOOL_STXCSUM: u32 = 0x17;
/// Turns generic segmentation offload on or off.
pub(crate) const ETHTOOL_SGSO: u32 = 0x24;

/// Gives the calling thread a new network namespace.
pub(crate) fn enter_new_network() -> io::Result<()> {
    // SAFETY: NEWNET changes which network the thread sees and nothing else;
    // memory and file descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(io::Error::from)
}

/// Makes the command die with the thread that starts it.
pub(crate) fn die_with_parent(command: &mut Command) {
    let bind = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: the closure runs in the child between fork and exec and makes
    // one system call.
    unsafe { command.pre_exec(bind) };
}

/// Makes the command start inside a network namespace, with a /sys that shows
/// it, and die with the thread that starts it.
pub(crate) fn start_inside(command: &mut Command, namespace: OwnedFd) {
    let enter = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&namespace),
            Some(LinkNameSpaceType::Network),
        )?;
        show_own_network();
        Ok(())
    };
    // SAFETY: the closure runs in the child between fork and exec; it makes
    // system calls on values made before the fork and neither allocates nor
    // takes a lock.
    unsafe { command.pre_exec(enter) };
}

/// Mounts a /sys of the current network over the old one, for this process
/// alone. Where that is refused, the old one stays: only the files of
/// /sys/class/net are then missing.
fn show_own_network() {
    // SAFETY: NEWNS changes which mounts this single-threaded child sees and
    // nothing else.
    let is_own = unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.is_ok();
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    if is_own && mount_change(c"/", private).is_ok() {
        let _best_effort = mount(c"sysfs", c"/sys", c"sysfs", MountFlags::empty(), None);
    }
}

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Sets one of ethtool's on-off features of an interface in the calling
/// thread's namespace.
pub(crate) fn ethtool_set(interface: &str, command: u32, is_on: bool) -> io::Result<()> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let mut value = EthtoolValue { command, data: u32::from(is_on) };
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast::<c_char>() },
    };
    if interface.len() >= libc::IFNAMSIZ {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    // SAFETY: SIOCETHTOOL reads an `ifreq` that ends its name with 0 and
    // points to an `ethtool_value`; both live on this stack until it returns.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
