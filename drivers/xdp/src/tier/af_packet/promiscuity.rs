//! Frames to other stations, for a policy that answers them.

use std::{ffi::c_int, io, os::fd::OwnedFd};

use farend_linux::packet;

/// The kind of membership that is promiscuous mode.
const PROMISCUOUS: u16 = 1;
const _: () = assert!(PROMISCUOUS as c_int == libc::PACKET_MR_PROMISC);

/// A packet socket's membership in promiscuous mode (`packet(7)`): the interface takes in
/// frames to other stations while anybody has one. It ends with the socket.
#[derive(Debug)]
pub struct Promiscuity {
    /// The worker's, by another descriptor.
    socket: OwnedFd,
    interface_index: u32,
    is_on: bool,
    /// What the policy in force wants.
    is_wanted: bool,
}

impl Promiscuity {
    pub(super) const fn new(socket: OwnedFd, interface_index: u32) -> Self {
        Self { socket, interface_index, is_on: false, is_wanted: false }
    }

    /// Gets ready for a policy: takes frames to other stations in if it wants them, which
    /// the one in force passes.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn prepare(&mut self, is_wanted: bool) -> io::Result<()> {
        self.set(self.is_wanted || is_wanted)
    }

    /// Follows the policy that is in force from now on.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn commit(&mut self, is_wanted: bool) -> io::Result<()> {
        self.is_wanted = is_wanted;
        self.set(is_wanted)
    }

    /// Gives up what was prepared.
    pub fn abandon(&mut self) {
        // Leaving works; if not, it goes with the socket.
        let _ = self.set(self.is_wanted);
    }

    fn set(&mut self, is_on: bool) -> io::Result<()> {
        if is_on == self.is_on {
            return Ok(());
        }
        let membership = libc::packet_mreq {
            mr_ifindex: c_int::try_from(self.interface_index).unwrap_or(0),
            mr_type: PROMISCUOUS,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        let option = if is_on { libc::PACKET_ADD_MEMBERSHIP } else { libc::PACKET_DROP_MEMBERSHIP };
        packet::set_option(&self.socket, option, &membership)?;
        self.is_on = is_on;
        Ok(())
    }
}
