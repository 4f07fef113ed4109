//! Links, addresses and neighbours by rtnetlink(7), which sees this network
//! namespace whatever is mounted on /sys.

mod read;
mod set;
mod text;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::{Interface, Peer};
pub use set::VethEnd;

/// Multicast group of link changes (`RTNLGRP_LINK`).
const GROUP_LINK: u32 = 1;

/// A change that the kernel told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// An interface is now like this.
    Now(Box<Interface>),
    /// The interface with this number is gone.
    Deleted(u32),
    /// The interface with this number is in another network namespace now.
    Moved(u32),
    /// Changes came faster than they were read, so some are lost: look again.
    Overrun,
}

/// A socket to the kernel's links.
#[derive(Debug)]
pub struct Rtnetlink {
    socket: Socket,
    sequence: u32,
}

impl Rtnetlink {
    /// Opens a socket for questions and orders.
    ///
    /// # Errors
    ///
    /// The kernel gives none.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Opens a socket that hears of changes and takes no questions.
    ///
    /// # Errors
    ///
    /// The kernel gives none.
    pub fn listen() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.add_membership(GROUP_LINK)?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// All interfaces of this network namespace.
    ///
    /// # Errors
    ///
    /// The kernel does not answer.
    pub fn all(&mut self) -> io::Result<Vec<Interface>> {
        let question = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.ask(question, NLM_F_REQUEST | NLM_F_DUMP)
    }

    /// One interface as it is now; `None` if it is gone.
    ///
    /// # Errors
    ///
    /// The kernel does not answer.
    pub fn by_index(&mut self, index: u32) -> io::Result<Option<Interface>> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.ask_about_one(message)
    }

    /// The other end of a veth pair as it is now, in whatever network namespace it
    /// is; `None` if there is none, or it is out of sight: the kernel shows another
    /// namespace's links only to who may change them.
    ///
    /// # Errors
    ///
    /// The kernel does not answer.
    pub fn by_peer(&mut self, peer: &Peer) -> io::Result<Option<Interface>> {
        let mut message = LinkMessage::default();
        message.header.index = peer.index;
        if peer.is_elsewhere {
            let Some(id) = peer.namespace_id else { return Ok(None) };
            message.attributes.push(LinkAttribute::IfNetnsId(id));
        }
        match self.ask_about_one(message) {
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EPERM | libc::EACCES | libc::EINVAL)
                ) =>
            {
                Ok(None)
            }
            outcome => outcome,
        }
    }

    /// Changes that were told since the last call; never waits.
    ///
    /// # Errors
    ///
    /// The socket fails.
    pub fn changes(&mut self) -> io::Result<Vec<Change>> {
        let mut changes = Vec::new();
        loop {
            let mut octets = match self.socket.recv_from_full() {
                Ok((octets, _)) => octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    changes.push(Change::Overrun);
                    continue;
                }
                Err(error) => return Err(error),
            };
            // What cannot be read is about a link that nobody could have named.
            changes.extend(messages(&mut octets).filter_map(Result::ok).filter_map(change));
        }
    }

    fn ask_about_one(&mut self, message: LinkMessage) -> io::Result<Option<Interface>> {
        match self.ask(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST) {
            Ok(mut found) => Ok(found.pop()),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask(&mut self, question: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<Interface>> {
        self.send(question, flags)?;
        self.answers(flags)
    }

    fn send(&mut self, question: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let payload = NetlinkPayload::from(question);
        let mut message = NetlinkMessage::new(header, payload);
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.socket.send(&octets, 0).map(drop)
    }

    /// Reads until the question is answered.
    fn answers(&mut self, flags: u16) -> io::Result<Vec<Interface>> {
        let is_dump = flags & NLM_F_DUMP == NLM_F_DUMP;
        let mut found = Vec::new();
        loop {
            let (mut octets, _) = match self.socket.recv_from_full() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            for message in messages(&mut octets) {
                let message = match message {
                    Ok(message) => message,
                    // One link that cannot be read does not hide the others.
                    Err(_) if is_dump => continue,
                    Err(error) => return Err(error),
                };
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                        found.push(read::interface(&link));
                        if !is_dump {
                            return Ok(found);
                        }
                    }
                    // An error of 0 is the acknowledgement.
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(found),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::Done(_) => return Ok(found),
                    _ => {}
                }
            }
        }
    }
}

impl AsFd for Rtnetlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a message says of a link. A bridge tells of its ports in messages of its own
/// family: that it lets go of one is no end of the link.
fn change(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<Change> {
    let NetlinkPayload::InnerMessage(message) = message.payload else { return None };
    match message {
        RouteNetlinkMessage::NewLink(link) if is_of_link(&link) => {
            Some(Change::Now(Box::new(read::interface(&link))))
        }
        RouteNetlinkMessage::DelLink(link) if is_of_link(&link) => {
            let is_moved = |attribute: &LinkAttribute| {
                matches!(attribute, LinkAttribute::NewNetnsId(_) | LinkAttribute::NewIfIndex(_))
            };
            let index = link.header.index;
            Some(if link.attributes.iter().any(is_moved) {
                Change::Moved(index)
            } else {
                Change::Deleted(index)
            })
        }
        _ => None,
    }
}

fn is_of_link(link: &LinkMessage) -> bool {
    link.header.interface_family == AddressFamily::Unspec
}

/// Cuts a datagram into its messages.
fn messages(
    octets: &mut [u8],
) -> impl Iterator<Item = io::Result<NetlinkMessage<RouteNetlinkMessage>>> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let all = std::mem::take(&mut rest);
        // Aligned to four octets (netlink(7)); never less than a header.
        let length = u32::from_ne_bytes(*all.first_chunk()?) as usize;
        let (message, others) = all.split_at_mut(length.max(16).min(all.len()));
        let padding = length.next_multiple_of(4).saturating_sub(length).min(others.len());
        rest = &mut others[padding..];
        text::mend(message);
        let parsed = NetlinkMessage::deserialize(message);
        Some(parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_by_name_and_by_index() {
        let mut rtnetlink = Rtnetlink::open().unwrap();
        let found = Interface::find(&mut rtnetlink, "lo").unwrap().unwrap();
        assert!(found.is_loopback && found.mac.is_none());
        let again = rtnetlink.by_index(found.index).unwrap().unwrap();
        assert_eq!(again.name, "lo");
        assert_eq!(rtnetlink.by_index(u32::MAX >> 1).unwrap(), None);
    }

    #[test]
    fn an_unknown_name_lists_those_that_exist() {
        let mut rtnetlink = Rtnetlink::open().unwrap();
        let unknown = Interface::find(&mut rtnetlink, "nosuch0").unwrap().unwrap_err();
        assert!(unknown.to_string().contains("lo"), "{unknown}");
    }

    #[test]
    fn octets_that_are_no_message_end_without_a_message() {
        assert_eq!(messages(&mut []).count(), 0);
        assert_eq!(messages(&mut [1, 2, 3]).count(), 0);
        let mut broken = [0xff_u8; 20];
        let read: Vec<_> = messages(&mut broken).collect();
        assert!(read.len() == 1 && read[0].is_err());
    }
}
