//! An XDP program on the interface that is not ours.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    process,
};

use aya::programs::loaded_programs;

use super::TierError;
use crate::{
    interface::{Interface, Rtnetlink, XdpMode},
    sys,
};

/// Names the program that holds the interface, and the process that holds the
/// program.
pub(in crate::tier) fn describe(interface: &Interface) -> TierError {
    let advice = "stop its owner, or give --replace to take its place";
    let Some(id) = look_again(interface).xdp.any() else {
        return TierError::new("another XDP program is attached").with_advice(advice);
    };
    let mut about = vec![format!("id {id}")];
    about.extend(program_name(id));
    about.extend(holder(id).map(|holder| format!("held by {holder}")));
    TierError::new(format!("another XDP program is attached ({})", about.join(", ")))
        .with_advice(advice)
}

/// Whether there is such a program.
pub(in crate::tier) fn is_there(interface: &Interface) -> bool {
    look_again(interface).xdp.any().is_some()
}

/// A program that had to make room: it gets its place back when this is dropped, be it
/// because nothing else could be attached, or at the end.
pub(in crate::tier) struct Displaced {
    program: OwnedFd,
    id: u32,
    mode: XdpMode,
    interface: Interface,
    notice: fn(&str),
}

impl Displaced {
    /// Detaches whatever XDP program is on the interface; `None` if there is none.
    ///
    /// A bpf link that held it stays open and attached to nothing, because the kernel
    /// attaches none again: its program comes back without it.
    ///
    /// # Errors
    ///
    /// Why it cannot be detached; it runs on.
    pub(in crate::tier) fn take(
        interface: &Interface,
        notice: fn(&str),
    ) -> Result<Option<Self>, TierError> {
        let now = look_again(interface);
        let Some((id, mode)) = now.xdp.first() else { return Ok(None) };
        let refused = |what: &str, error: &dyn std::fmt::Display| {
            TierError::new(format!("cannot detach XDP program {id}: {what}: {error}"))
                .with_advice("stop its owner")
        };
        let program = sys::program_by_id(id)
            .map_err(|error| refused("holding it needs CAP_SYS_ADMIN", &error))?;
        let link = sys::xdp_link_of(id, interface.index)
            .map_err(|error| refused("looking for its bpf link needs CAP_SYS_ADMIN", &error))?;
        let detached = match link {
            Some(link) => {
                sys::link_detach(link.as_fd()).map_err(|error| refused("its bpf link", &error))
            }
            None => Rtnetlink::open()
                .and_then(|mut rtnetlink| rtnetlink.detach_xdp(now.index, mode))
                .map_err(|error| refused("by netlink", &error)),
        };
        detached?;
        Ok(Some(Self { program, id, mode, interface: now, notice }))
    }
}

impl Drop for Displaced {
    fn drop(&mut self) {
        let Self { program, id, mode, interface, notice } = self;
        let attached = Rtnetlink::open().and_then(|mut rtnetlink| {
            rtnetlink.attach_xdp(interface.index, program.as_fd(), *mode)
        });
        // An interface that is gone needs no program.
        if let Err(error) = attached
            && error.raw_os_error() != Some(libc::ENODEV)
        {
            notice(&format!("{}: XDP program {id} is not back: {error}", interface.name));
        }
    }
}

/// Its state now; the one before if it cannot be had.
fn look_again(interface: &Interface) -> Interface {
    let now = Rtnetlink::open().and_then(|mut rtnetlink| rtnetlink.by_index(interface.index));
    now.ok().flatten().unwrap_or_else(|| interface.clone())
}

fn program_name(id: u32) -> Option<String> {
    let program = loaded_programs().filter_map(Result::ok).find(|program| program.id() == id)?;
    program.name_as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The process that holds a program's bpf link, as far as we may look: its
/// name and number.
fn holder(id: u32) -> Option<String> {
    let line = format!("prog_id:\t{id}");
    let processes = fs::read_dir("/proc").ok()?;
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let pid = numbers.filter(|pid: &u32| *pid != process::id()).find(|pid| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return false };
        descriptors.flatten().any(|descriptor| {
            let text = fs::read_to_string(descriptor.path()).unwrap_or_default();
            text.contains("link_type:\txdp") && text.lines().any(|one| one == line)
        })
    })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} with process id {pid}", name.trim_end()))
}
