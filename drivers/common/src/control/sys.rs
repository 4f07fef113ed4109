//! What only system calls tell: who has connected.
#![expect(unsafe_code, reason = "options of sockets that no safe interface has")]

use std::{
    io, mem,
    os::{fd::AsRawFd, unix::net::UnixStream},
};

/// Groups that a process can be in at most (Linux: `NGROUPS_MAX`).
#[cfg(target_os = "linux")]
const GROUPS_MAX: usize = 65_536;

/// The user and all groups of whoever has connected, as of then: `SO_PEERCRED`
/// and `SO_PEERGROUPS` of unix(7) and socket(7).
#[cfg(target_os = "linux")]
pub(super) fn peer(socket: &UnixStream) -> io::Result<(u32, Vec<u32>)> {
    let credentials = rustix::net::sockopt::socket_peercred(socket)?;
    let mut groups = vec![0_u32; 64];
    let got = loop {
        let mut octets = libc::socklen_t::try_from(mem::size_of_val(groups.as_slice()))
            .map_err(io::Error::other)?;
        // SAFETY: the kernel writes at most `octets` octets to `groups`, which has as
        // many, and any octets are sound as `u32`; both live through the call.
        let outcome = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut octets,
            )
        };
        let count = usize::try_from(octets).map_err(io::Error::other)? / mem::size_of::<u32>();
        if outcome == 0 {
            break count;
        }
        let error = io::Error::last_os_error();
        // It says how much room it takes.
        if error.raw_os_error() != Some(libc::ERANGE)
            || !(groups.len()..=GROUPS_MAX).contains(&count)
        {
            return Err(error);
        }
        groups.resize(count, 0);
    };
    groups.truncate(got);
    groups.push(credentials.gid.as_raw());
    Ok((credentials.uid.as_raw(), groups))
}

/// The user and the first 16 groups of whoever has connected, as of then:
/// `LOCAL_PEERCRED` of unix(4).
#[cfg(not(target_os = "linux"))]
pub(super) fn peer(socket: &UnixStream) -> io::Result<(u32, Vec<u32>)> {
    let mut credentials =
        libc::xucred { cr_version: 0, cr_uid: 0, cr_ngroups: 0, cr_groups: [0; 16] };
    let mut octets =
        libc::socklen_t::try_from(mem::size_of::<libc::xucred>()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `octets` octets to `credentials`, which has as
    // many and is plain numbers; both live through the call.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_LOCAL,
            libc::LOCAL_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut octets,
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    let groups = usize::try_from(credentials.cr_ngroups).unwrap_or(0);
    Ok((credentials.cr_uid, credentials.cr_groups.into_iter().take(groups).collect()))
}
