//! System calls that no crate wraps: bpf(2) for links, and the layout of the
//! kernel program's map.
#![expect(unsafe_code, reason = "the only raw system calls of this driver")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use farend_core::reflect::cpu_state::CpuState;

/// One CPU's entry of the kernel program's map.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct StateEntry(pub(crate) CpuState);

// SAFETY: `CpuState` is `repr(C)`, holds only u64 fields, and every pattern of
// octets is a value of it.
unsafe impl aya::Pod for StateEntry {}

/// Commands of bpf(2) (`enum bpf_cmd` of linux/bpf.h).
mod command {
    pub(super) const PROG_GET_FD_BY_ID: libc::c_int = 13;
    pub(super) const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
    pub(super) const LINK_CREATE: libc::c_int = 28;
    pub(super) const LINK_UPDATE: libc::c_int = 29;
    pub(super) const LINK_GET_FD_BY_ID: libc::c_int = 30;
    pub(super) const LINK_GET_NEXT_ID: libc::c_int = 31;
    pub(super) const LINK_DETACH: libc::c_int = 34;
}

/// `BPF_XDP` of `enum bpf_attach_type`.
const ATTACH_TYPE_XDP: u32 = 37;

/// `BPF_LINK_TYPE_XDP` of `enum bpf_link_type`.
const LINK_TYPE_XDP: u32 = 6;

/// `BPF_F_REPLACE`: update only if the old program is still the one named.
const UPDATE_REPLACE: u32 = 1 << 2;

/// How the kernel runs an XDP program (`linux/if_link.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum XdpFlags {
    /// `XDP_FLAGS_SKB_MODE`
    Generic = 1 << 1,
    /// `XDP_FLAGS_DRV_MODE`
    Native = 1 << 2,
}

/// The start of `union bpf_attr`, which the kernel takes to be zero beyond.
#[derive(Clone, Copy, Default)]
#[repr(C, align(8))]
struct Attributes([u32; 8]);

impl Attributes {
    fn new<const N: usize>(words: [u32; N]) -> Self {
        let mut all = Self::default();
        for (slot, word) in all.0.iter_mut().zip(words) {
            *slot = word;
        }
        all
    }
}

/// Calls bpf(2) with attributes that hold no pointer.
fn bpf(command: libc::c_int, attributes: &mut Attributes) -> io::Result<RawFd> {
    // SAFETY: the attributes are live and of the size that is given; none of
    // the commands used here reads a pointer from them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<Attributes>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(io::Error::other)
}

fn bpf_for_fd(command: libc::c_int, attributes: &mut Attributes) -> io::Result<OwnedFd> {
    let fd = bpf(command, attributes)?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor as an attribute; one that is open is never negative.
fn word(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// Attaches a program to an interface, for as long as the link is open.
pub(crate) fn xdp_link_create(
    program: BorrowedFd<'_>,
    interface_index: u32,
    flags: XdpFlags,
) -> io::Result<OwnedFd> {
    let words = [word(program), interface_index, ATTACH_TYPE_XDP, flags as u32];
    bpf_for_fd(command::LINK_CREATE, &mut Attributes::new(words))
}

/// Puts another program in the place of `old`, between two frames.
pub(crate) fn link_update(
    link: BorrowedFd<'_>,
    new: BorrowedFd<'_>,
    old: BorrowedFd<'_>,
) -> io::Result<()> {
    let words = [word(link), word(new), UPDATE_REPLACE, word(old)];
    bpf(command::LINK_UPDATE, &mut Attributes::new(words)).map(drop)
}

/// Detaches at once; the link stays open and attached to nothing.
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    bpf(command::LINK_DETACH, &mut Attributes::new([word(link)])).map(drop)
}

/// What the kernel says of a link (`struct bpf_link_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LinkInfo {
    /// The program that is attached.
    pub(crate) program_id: u32,
    /// The interface of an XDP link; 0 once that is gone.
    pub(crate) interface_index: u32,
}

/// The attributes of `OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoRequest {
    link: u32,
    info_octets: u32,
    info_address: u64,
}

/// Looks at a link; `None` if it is not one of XDP.
pub(crate) fn xdp_link_info(link: BorrowedFd<'_>) -> io::Result<Option<LinkInfo>> {
    // type, id, prog_id, padding, then the union that starts with the index.
    let mut info = Attributes::default();
    let info_address = std::ptr::from_mut(&mut info) as u64;
    let info_octets = u32::try_from(size_of::<Attributes>()).map_err(io::Error::other)?;
    let mut request = InfoRequest { link: word(link), info_octets, info_address };
    // SAFETY: the request is live; the pointer in it names `info`, live
    // and exclusive until after the call, with the size that is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command::OBJ_GET_INFO_BY_FD,
            &raw mut request,
            size_of::<InfoRequest>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let [kind, _, program_id, _, interface_index, ..] = info.0;
    Ok((kind == LINK_TYPE_XDP).then_some(LinkInfo { program_id, interface_index }))
}

/// Holds a program, in whatever namespace it was loaded. Needs `CAP_SYS_ADMIN`.
pub(crate) fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    bpf_for_fd(command::PROG_GET_FD_BY_ID, &mut Attributes::new([id]))
}

/// Finds the link that holds an interface's XDP program, in this network
/// namespace or any other. Needs `CAP_SYS_ADMIN`.
pub(crate) fn xdp_link_of(program_id: u32, interface_index: u32) -> io::Result<Option<OwnedFd>> {
    let mut id = 0;
    loop {
        let mut attributes = Attributes::new([id]);
        match bpf(command::LINK_GET_NEXT_ID, &mut attributes) {
            Ok(_) => id = attributes.0[1],
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        }
        let link = match bpf_for_fd(command::LINK_GET_FD_BY_ID, &mut Attributes::new([id])) {
            Ok(link) => link,
            // It went away in between.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            Err(error) => return Err(error),
        };
        let wanted = LinkInfo { program_id, interface_index };
        if xdp_link_info(link.as_fd())? == Some(wanted) {
            return Ok(Some(link));
        }
    }
}
