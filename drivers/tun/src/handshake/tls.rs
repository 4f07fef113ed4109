//! TLS 1.3 with raw public keys (RFC 7250), of which one alone is right.

use std::sync::Arc;

use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider,
        aws_lc_rs::{cipher_suite, default_provider, kx_group::X25519MLKEM768},
        verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    quic::Suite,
    server::{
        AlwaysResolvesServerRawPublicKeys,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};

use crate::{
    identity::{Identity, peer_id_of},
    options::PeerId,
    seal::Cipher,
};

/// How a cipher for frames is asked for: as an application protocol.
const PROTOCOL: &str = "farend-link/1 ";

/// The configurations of both roles; `ciphers` in the order of preference.
pub(super) fn configs(
    identity: &Identity,
    peer: PeerId,
    ciphers: &[Cipher],
) -> Result<(Arc<QuicClientConfig>, Arc<QuicServerConfig>), String> {
    let provider = Arc::new(provider());
    let told = |error: &dyn std::fmt::Display| format!("cannot set up TLS: {error}");
    let pin = Arc::new(Pin { peer, provider: Arc::clone(&provider) });
    let own = Arc::clone(&identity.certified);
    let protocols: Vec<Vec<u8>> =
        ciphers.iter().map(|cipher| format!("{PROTOCOL}{}", cipher.name()).into_bytes()).collect();
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| told(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&pin) as _)
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(
            &own,
        ))));
    client.resumption = Resumption::disabled();
    client.alpn_protocols.clone_from(&protocols);
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| told(&error))?
        .with_client_cert_verifier(pin)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own)));
    server.send_tls13_tickets = 0;
    server.max_early_data_size = 0;
    server.alpn_protocols = protocols;
    let initial = initial().ok_or("the library has no QUIC")?;
    let client = QuicClientConfig::with_initial(Arc::new(client), initial);
    let initial = self::initial().ok_or("the library has no QUIC")?;
    let server = QuicServerConfig::with_initial(Arc::new(server), initial);
    Ok((
        Arc::new(client.map_err(|error| told(&error))?),
        Arc::new(server.map_err(|error| told(&error))?),
    ))
}

/// The cipher that a handshake has agreed on.
pub(super) fn cipher_of(protocol: &[u8]) -> Option<Cipher> {
    let name = protocol.strip_prefix(PROTOCOL.as_bytes())?;
    [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305]
        .into_iter()
        .find(|cipher| cipher.name().as_bytes() == name)
}

/// One key exchange, which no quantum computer undoes, and two suites.
fn provider() -> CryptoProvider {
    let mut provider = default_provider();
    provider.kx_groups = vec![X25519MLKEM768];
    provider.cipher_suites =
        vec![cipher_suite::TLS13_AES_256_GCM_SHA384, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];
    provider
}

/// What first datagrams are wrapped in (RFC 9001 section 5.2): a wrapper that
/// keeps no secret.
fn initial() -> Option<Suite> {
    cipher_suite::TLS13_AES_128_GCM_SHA256.tls13()?.quic_suite()
}

/// Takes one public key and no other.
#[derive(Debug)]
struct Pin {
    peer: PeerId,
    provider: Arc<CryptoProvider>,
}

impl Pin {
    fn check(&self, spki: &CertificateDer<'_>) -> Result<(), Error> {
        if peer_id_of(spki) == self.peer {
            return Ok(());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(spki.as_ref()),
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// No handshake here is of TLS 1.2.
fn too_old() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        spki: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(spki).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _spki: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        too_old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, spki, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pin {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        spki: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(spki).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _spki: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        too_old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, spki, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
