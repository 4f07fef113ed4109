//! The first connection id of a handshake: a knock that only a peer knows.
//!
//! One octet with the epoch, seven random ones, and twelve of an HMAC under
//! both Peer IDs. Who does not know both finds nobody here. It is no
//! authentication: whoever has seen a first datagram can send it again, and the
//! handshake goes no further then.

use aws_lc_rs::{hmac, rand};
use farend_core::link::header::Epoch;
use quinn_proto::ConnectionId;

use crate::options::PeerId;

/// Octets of a knock: the longest id that QUIC allows.
pub(super) const KNOCK_OCTETS: usize = 20;
const CLEAR_OCTETS: usize = 8;
const NAME: &[u8] = b"farend-link-v1 knock";

pub(super) struct Knock {
    /// For ids that this side makes.
    own: hmac::Key,
    /// For ids that the peer makes.
    peers: hmac::Key,
}

impl Knock {
    pub(super) fn new(own: PeerId, peer: PeerId) -> Self {
        // The initiator's first, so that no side can send the other's back.
        let key = |initiator: PeerId, responder: PeerId| {
            let octets = [NAME, &initiator.0, &responder.0].concat();
            hmac::Key::new(hmac::HMAC_SHA256, &octets)
        };
        Self { own: key(own, peer), peers: key(peer, own) }
    }

    /// An id for a handshake of this epoch.
    pub(super) fn first_id(&self, epoch: Epoch) -> ConnectionId {
        let mut id = [0; KNOCK_OCTETS];
        // Without random numbers there is no handshake either.
        let _ = rand::fill(&mut id[1..CLEAR_OCTETS]);
        id[0] = epoch.number();
        let tag = hmac::sign(&self.own, &id[..CLEAR_OCTETS]);
        id[CLEAR_OCTETS..].copy_from_slice(&tag.as_ref()[..KNOCK_OCTETS - CLEAR_OCTETS]);
        ConnectionId::new(&id)
    }

    /// Whether the peer has made this id.
    pub(super) fn is_sound(&self, id: &[u8]) -> bool {
        let Some((clear, given)) = id.split_at_checked(CLEAR_OCTETS) else { return false };
        let tag = hmac::sign(&self.peers, clear);
        let wanted = &tag.as_ref()[..KNOCK_OCTETS - CLEAR_OCTETS];
        aws_lc_rs::constant_time::verify_slices_are_equal(wanted, given).is_ok()
    }
}

/// One random octet.
pub(super) fn random_octet() -> u8 {
    let mut octet = [0];
    let _ = rand::fill(&mut octet);
    octet[0]
}
