//! The system calls that have no safe wrapper.
#![expect(unsafe_code, reason = "setting up a child before exec, unshare, bpf")]

use std::{
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    process::{Signal, set_parent_process_death_signal},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe},
};

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

/// `BPF_MAP_LOOKUP_ELEM` of `linux/bpf.h`.
const MAP_LOOKUP: libc::c_int = 1;
/// `BPF_OBJ_GET_INFO_BY_FD`.
const GET_INFO: libc::c_int = 15;

/// The head of `struct bpf_prog_info`.
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    sort: u32,
    id: u32,
    tag: [u8; 8],
    native_octets: u32,
    translated_octets: u32,
    native: u64,
    translated: u64,
}

/// A program's instructions as the kernel holds them.
pub(crate) fn translated(program: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut info = ProgramInfo::default();
    program_info(program, &mut info)?;
    let mut octets = vec![0_u8; info.translated_octets as usize];
    let translated = octets.as_mut_ptr().expose_provenance() as u64;
    let wanted_octets = info.translated_octets;
    let mut info =
        ProgramInfo { translated, translated_octets: wanted_octets, ..ProgramInfo::default() };
    program_info(program, &mut info)?;
    // Another length, and it were another program's.
    if info.translated_octets == wanted_octets {
        Ok(octets)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn program_info(program: BorrowedFd<'_>, info: &mut ProgramInfo) -> io::Result<()> {
    let attributes = [
        u64::from(program.as_raw_fd().cast_unsigned()) | (size_of::<ProgramInfo>() as u64) << 32,
        (&raw mut *info).expose_provenance() as u64,
    ];
    bpf(GET_INFO, &attributes)
}

/// The value of an array's only entry, as long as the array says.
pub(crate) fn only_value(map: BorrowedFd<'_>, octets: usize) -> io::Result<Vec<u8>> {
    let key = 0_u32;
    let mut value = vec![0_u8; octets];
    let attributes = [
        u64::from(map.as_raw_fd().cast_unsigned()),
        (&raw const key).expose_provenance() as u64,
        value.as_mut_ptr().expose_provenance() as u64,
        0,
    ];
    bpf(MAP_LOOKUP, &attributes)?;
    Ok(value)
}

fn bpf(command: libc::c_int, attributes: &[u64]) -> io::Result<()> {
    // SAFETY: both callers give the attributes of their command, whose
    // pointers lead to memory of theirs, as long as the kernel was told or, of
    // an array's value, as the array's own record says.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes))
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
