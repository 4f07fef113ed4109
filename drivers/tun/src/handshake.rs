//! Keys for a link from TLS 1.3, carried by QUIC on the link's own socket.
//!
//! Nothing here does input or output: datagrams come in, datagrams go out, and
//! keys come out.

mod knock;
mod tls;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use farend_core::link::header::Epoch;
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig,
    EndpointEvent, Event, IdleTimeout, Incoming, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::HandshakeData,
};

use self::knock::{KNOCK_OCTETS, Knock};
use crate::{
    identity::Identity,
    options::PeerId,
    seal::{Cipher, SECRET_OCTETS},
};

/// What the exporter is asked for.
const LABEL: &[u8] = b"EXPORTER-farend-link-v1";

/// A handshake that takes longer is given up, and tried again.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// Handshakes under way at one time that the same side began: the oldest goes.
const ATTEMPTS_MAX: usize = 4;

/// Octets of the connection ids of this side.
const OWN_ID_OCTETS: usize = 8;

/// What a handshake has brought.
pub(crate) struct Established {
    pub(crate) epoch: Epoch,
    pub(crate) cipher: Cipher,
    /// For frames to the peer.
    pub(crate) sending: [u8; SECRET_OCTETS],
    /// For frames from the peer.
    pub(crate) receiving: [u8; SECRET_OCTETS],
    pub(crate) is_initiator: bool,
    pub(crate) peer: SocketAddr,
}

/// One handshake under way.
struct Attempt {
    connection: Connection,
    epoch: Epoch,
    begun: Instant,
    is_initiator: bool,
    is_done: bool,
}

/// All handshakes of one link.
pub(crate) struct Handshakes {
    endpoint: Endpoint,
    client: Arc<quinn_proto::crypto::rustls::QuicClientConfig>,
    transport: Arc<TransportConfig>,
    attempts: HashMap<ConnectionHandle, Attempt>,
    knock: Knock,
    next_epoch: Epoch,
    failure: Option<String>,
}

impl Handshakes {
    /// Gets ready to do handshakes with one peer; `ciphers` in the order of
    /// preference.
    ///
    /// # Errors
    ///
    /// The library's.
    pub(crate) fn new(
        identity: &Identity,
        peer: PeerId,
        ciphers: &[Cipher],
        accepts: bool,
    ) -> Result<Self, String> {
        let (client, server) = tls::configs(identity, peer, ciphers)?;
        let transport = Arc::new(transport());
        let mut endpoint = EndpointConfig::default();
        endpoint.grease_quic_bit(false);
        endpoint.supported_versions(vec![1]);
        let mut config = ServerConfig::with_crypto(server);
        config.migration(false).max_incoming(ATTEMPTS_MAX).transport_config(Arc::clone(&transport));
        let server = accepts.then(|| Arc::new(config));
        let knock = Knock::new(identity.peer_id(), peer);
        // Both sides may begin: one has the even epochs, the other the odd ones.
        let parity = u8::from(identity.peer_id().0 > peer.0);
        let next_epoch = Epoch::new((knock::random_octet() << 1) | parity);
        Ok(Self {
            endpoint: Endpoint::new(Arc::new(endpoint), server, false, None),
            client,
            transport,
            attempts: HashMap::new(),
            knock,
            next_epoch,
            failure: None,
        })
    }

    /// Begins a handshake.
    pub(crate) fn begin(&mut self, now: Instant, peer: SocketAddr) {
        let epoch = self.next_epoch;
        self.next_epoch = epoch.next().next();
        let id = self.knock.first_id(epoch);
        let mut config = ClientConfig::new(Arc::clone(&self.client) as _);
        config.transport_config(Arc::clone(&self.transport));
        config.initial_dst_cid_provider(Arc::new(move || id));
        // The name is not looked at: keys are pinned.
        match self.endpoint.connect(now, config, peer, "peer") {
            Ok((handle, connection)) => {
                self.add(handle, connection, epoch, now, true);
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Keeps a new attempt. Those of either side have room of their own, and the
    /// oldest of them goes: attempts without an answer must not keep the peer's out,
    /// nor old ones that somebody repeats.
    fn add(
        &mut self,
        handle: ConnectionHandle,
        connection: Connection,
        epoch: Epoch,
        now: Instant,
        is_initiator: bool,
    ) {
        let of_side = || {
            let attempts = self.attempts.iter();
            attempts.filter(|(_, attempt)| attempt.is_initiator == is_initiator && !attempt.is_done)
        };
        if of_side().count() >= ATTEMPTS_MAX
            && let Some(oldest) =
                of_side().min_by_key(|(_, one)| one.begun).map(|(handle, _)| *handle)
        {
            self.attempts.remove(&oldest);
            let _nothing_to_tell = self.endpoint.handle_event(oldest, EndpointEvent::drained());
        }
        let attempt = Attempt { connection, epoch, begun: now, is_initiator, is_done: false };
        self.attempts.insert(handle, attempt);
    }

    /// Whether a handshake that this side began is under way.
    pub(crate) fn is_beginning(&self) -> bool {
        self.attempts.values().any(|attempt| attempt.is_initiator && !attempt.is_done)
    }

    /// Why the last handshake failed, once.
    pub(crate) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Takes a datagram; `false` if it is a stranger's, of which QUIC does not
    /// even hear.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        octets: &[u8],
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> bool {
        if !self.is_welcome(from, octets) {
            return false;
        }
        let mut answer = Vec::new();
        let data = BytesMut::from(octets);
        match self.endpoint.handle(now, from, None, None, data, &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(attempt) = self.attempts.get_mut(&handle) {
                    attempt.connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.accept(now, incoming, send),
            Some(DatagramEvent::Response(transmit)) => {
                send(transmit.destination, answer.get(..transmit.size).unwrap_or(&[]));
            }
            None => {}
        }
        true
    }

    /// Goes on with all handshakes; gives the keys of those that are done.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Vec<Established> {
        let mut established = Vec::new();
        let mut buffer = Vec::new();
        let (endpoint, failure) = (&mut self.endpoint, &mut self.failure);
        self.attempts.retain(|handle, attempt| {
            let connection = &mut attempt.connection;
            if connection.poll_timeout().is_some_and(|due| due <= now) {
                connection.handle_timeout(now);
            }
            while let Some(event) = connection.poll_endpoint_events() {
                if let Some(event) = endpoint.handle_event(*handle, event) {
                    connection.handle_event(event);
                }
            }
            let was_done = attempt.is_done;
            while let Some(event) = connection.poll() {
                match event {
                    Event::Connected if !attempt.is_done => {
                        attempt.is_done = true;
                        established.extend(export(connection, attempt.epoch, attempt.is_initiator));
                    }
                    Event::ConnectionLost { reason } if !attempt.is_done => {
                        *failure = Some(reason.to_string());
                    }
                    _ => {}
                }
            }
            if attempt.is_done && !was_done {
                // The last message follows in the next turn, when the keys are in
                // place: the peer may answer it at once.
                return true;
            }
            buffer.clear();
            while let Some(transmit) = connection.poll_transmit(now, 1, &mut buffer) {
                send(transmit.destination, buffer.get(..transmit.size).unwrap_or(&[]));
                buffer.clear();
            }
            !connection.is_drained()
        });
        established
    }

    /// When [`turn`](Self::turn) has something to do, if no datagram comes.
    pub(crate) fn next_due(&mut self) -> Option<Instant> {
        self.attempts.values_mut().filter_map(|attempt| attempt.connection.poll_timeout()).min()
    }

    fn accept(
        &mut self,
        now: Instant,
        incoming: Incoming,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        let epoch = incoming.orig_dst_cid().first().copied().unwrap_or(0);
        let mut answer = Vec::new();
        match self.endpoint.accept(incoming, now, &mut answer, None) {
            Ok((handle, connection)) => {
                let epoch = Epoch::new(epoch);
                self.add(handle, connection, epoch, now, false);
            }
            Err(error) => {
                if let Some(transmit) = error.response {
                    send(transmit.destination, answer.get(..transmit.size).unwrap_or(&[]));
                }
            }
        }
    }

    /// Whether a datagram is the peer's, as far as that can be told before any
    /// cryptography but one HMAC: its first ones carry the knock, later ones
    /// come from where a handshake is under way.
    fn is_welcome(&self, from: SocketAddr, octets: &[u8]) -> bool {
        const LONG: u8 = 0x80;
        const FIXED: u8 = 0x40;
        const PACKET_TYPE: u8 = 0x30;
        let Some(first) = octets.first() else { return false };
        if first & FIXED == 0 {
            return false;
        }
        let is_known =
            || self.attempts.values().any(|attempt| attempt.connection.remote_address() == from);
        if first & LONG == 0 {
            return is_known();
        }
        // RFC 8999 section 5.1: version, length of the id, id.
        let (Some(version), Some(length)) = (octets.get(1..5), octets.get(5)) else {
            return false;
        };
        let id = octets.get(6..6 + usize::from(*length)).unwrap_or(&[]);
        version == [0, 0, 0, 1]
            && match id.len() {
                KNOCK_OCTETS => first & PACKET_TYPE == 0 && self.knock.is_sound(id),
                OWN_ID_OCTETS => is_known(),
                _ => false,
            }
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    let time = VarInt::from_u32(u32::try_from(HANDSHAKE_TIME.as_millis()).unwrap_or(u32::MAX));
    transport.max_idle_timeout(Some(IdleTimeout::from(time)));
    // Nothing is sent here but the handshake.
    transport.max_concurrent_bidi_streams(0_u8.into());
    transport.max_concurrent_uni_streams(0_u8.into());
    transport.datagram_receive_buffer_size(None);
    transport.mtu_discovery_config(None);
    transport
}

/// Takes the keys of a link out of a finished handshake.
fn export(connection: &Connection, epoch: Epoch, is_initiator: bool) -> Option<Established> {
    let session = connection.crypto_session();
    let data = session.handshake_data()?.downcast::<HandshakeData>().ok()?;
    let cipher = tls::cipher_of(&data.protocol?)?;
    let context = [&[epoch.number()][..], cipher.name().as_bytes()].concat();
    let mut secrets = [0; 2 * SECRET_OCTETS];
    session.export_keying_material(&mut secrets, LABEL, &context).ok()?;
    let (initiator, responder) = secrets.split_first_chunk()?;
    let (initiator, responder) = (*initiator, *responder.first_chunk()?);
    let (sending, receiving) =
        if is_initiator { (initiator, responder) } else { (responder, initiator) };
    let peer = connection.remote_address();
    Some(Established { epoch, cipher, sending, receiving, is_initiator, peer })
}

#[cfg(test)]
mod tests;
