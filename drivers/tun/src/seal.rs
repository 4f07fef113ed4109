//! Keys: sealing and opening frames, and which key is in force.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use farend_core::link::header::{Epoch, HEADER_OCTETS, SEQUENCE_MAX, TAG_OCTETS};

/// Octets of a key.
const KEY_OCTETS: usize = 32;
/// Octets of an IV and of a nonce.
const IV_OCTETS: usize = 12;
/// What is exported for one direction.
pub(crate) const SECRET_OCTETS: usize = KEY_OCTETS + IV_OCTETS;

/// Frames that AES-GCM may seal under one key: RFC 9001 appendix B.1, for
/// packets up to 2 kB.
const FRAMES_MAX: u64 = 1 << 28;

/// An authenticated cipher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cipher {
    /// AES-256-GCM.
    Aes256Gcm,
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305,
}

impl Cipher {
    /// Its name in options and in the handshake.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
        }
    }

    fn key(self, secret: &[u8; KEY_OCTETS]) -> Option<LessSafeKey> {
        let algorithm = match self {
            Self::Aes256Gcm => &AES_256_GCM,
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        UnboundKey::new(algorithm, secret).ok().map(LessSafeKey::new)
    }
}

/// A key and its IV.
#[derive(Debug)]
struct Key {
    key: LessSafeKey,
    iv: [u8; IV_OCTETS],
}

impl Key {
    fn new(cipher: Cipher, secret: &[u8; SECRET_OCTETS]) -> Option<Self> {
        let (key, iv) = secret.split_first_chunk()?;
        Some(Self { key: cipher.key(key)?, iv: *iv.first_chunk()? })
    }

    /// The IV with the sequence added by XOR in its last eight octets.
    fn nonce(&self, sequence: u64) -> Nonce {
        let mut nonce = self.iv;
        for (octet, number) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
            *octet ^= number;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// What frames are sent with.
#[derive(Debug)]
pub(crate) struct Sealing {
    /// `None` for frames in clear.
    key: Option<Key>,
    epoch: Epoch,
    next: AtomicU64,
    turn: Mutex<()>,
}

impl Sealing {
    /// For frames in clear.
    pub(crate) const fn plain() -> Self {
        Self { key: None, epoch: Epoch::new(0), next: AtomicU64::new(0), turn: Mutex::new(()) }
    }

    /// With a key of an epoch.
    pub(crate) fn new(cipher: Cipher, epoch: Epoch, secret: &[u8; SECRET_OCTETS]) -> Option<Self> {
        let key = Key::new(cipher, secret)?;
        Some(Self { key: Some(key), epoch, next: AtomicU64::new(0), turn: Mutex::new(()) })
    }

    /// Whether frames are encrypted.
    pub(crate) const fn is_sealed(&self) -> bool {
        self.key.is_some()
    }

    /// Octets behind the payload.
    pub(crate) const fn tag_octets(&self) -> usize {
        if self.key.is_some() { TAG_OCTETS } else { 0 }
    }

    /// The epoch of its frames.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Frames sent so far.
    pub(crate) fn frames(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Takes the turn to send: held from the first number until the last frame is
    /// with the host. Numbers of another thread in between would look like
    /// reordering on the way.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next frame: never the same twice; `None` when the key
    /// has sealed as much as it may.
    pub(crate) fn next_sequence(&self) -> Option<u64> {
        let sequence = self.next.fetch_add(1, Ordering::Relaxed);
        let last = if self.key.is_some() { FRAMES_MAX } else { SEQUENCE_MAX };
        (sequence < last).then_some(sequence)
    }

    /// Seals a frame in place: header, payload, room for the tag. Nothing is
    /// done to a frame in clear. `false` if the library refuses.
    pub(crate) fn seal(&self, sequence: u64, frame: &mut [u8]) -> bool {
        let Some(key) = &self.key else { return true };
        let Some((header, rest)) = frame.split_first_chunk_mut::<HEADER_OCTETS>() else {
            return false;
        };
        let Some(payload_octets) = rest.len().checked_sub(TAG_OCTETS) else { return false };
        let (payload, room) = rest.split_at_mut(payload_octets);
        let nonce = key.nonce(sequence);
        match key.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload) {
            Ok(tag) => {
                room.copy_from_slice(tag.as_ref());
                true
            }
            Err(_) => false,
        }
    }
}

/// What frames of one epoch are opened with.
#[derive(Debug)]
pub(crate) struct Opening {
    key: Option<Key>,
}

impl Opening {
    /// For frames in clear.
    pub(crate) const fn plain() -> Self {
        Self { key: None }
    }

    /// With a key.
    pub(crate) fn new(cipher: Cipher, secret: &[u8; SECRET_OCTETS]) -> Option<Self> {
        Some(Self { key: Some(Key::new(cipher, secret)?) })
    }

    /// Whether frames are encrypted.
    pub(crate) const fn is_sealed(&self) -> bool {
        self.key.is_some()
    }

    /// Opens a frame in place; gives the octets of its payload, or `None` if it
    /// is not authentic.
    pub(crate) fn open(&self, sequence: u64, frame: &mut [u8]) -> Option<usize> {
        let (header, rest) = frame.split_first_chunk_mut::<HEADER_OCTETS>()?;
        let Some(key) = &self.key else { return Some(rest.len()) };
        let aad = Aad::from(&*header);
        key.key.open_in_place(key.nonce(sequence), aad, rest).ok().map(|payload| payload.len())
    }
}

/// The keys in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    /// What is sent with; `None` before the first handshake.
    pub(crate) sending: Option<Arc<Sealing>>,
    /// What will be sent with, once the peer has used its epoch.
    pub(crate) pending: Option<Arc<Sealing>>,
    /// What is received with, by epoch.
    pub(crate) receiving: [Option<Arc<Opening>>; Epoch::COUNT],
}

/// The keys, for all threads.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    generation: AtomicU64,
    keys: Mutex<Arc<Keys>>,
}

impl Keyring {
    /// A ring for frames in clear.
    pub(crate) fn plain() -> Self {
        let mut keys = Keys { sending: Some(Arc::new(Sealing::plain())), ..Keys::default() };
        keys.receiving[0] = Some(Arc::new(Opening::plain()));
        Self { generation: AtomicU64::new(1), keys: Mutex::new(Arc::new(keys)) }
    }

    /// The keys as they are now.
    pub(crate) fn now(&self) -> Arc<Keys> {
        Arc::clone(&self.lock())
    }

    /// Changes with each change of a key.
    pub(crate) fn generation(&self) -> u64 {
        // Acquire: pairs with the Release in `change`.
        self.generation.load(Ordering::Acquire)
    }

    /// Changes the keys.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Keys)) {
        let mut lock = self.lock();
        let mut keys = Keys::clone(&lock);
        change(&mut keys);
        *lock = Arc::new(keys);
        // Release: whoever sees the number finds the keys behind the lock.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The peer has used this epoch: sends with it from now on, if it was
    /// waited for.
    pub(crate) fn confirm(&self, epoch: Epoch) {
        self.change(|keys| {
            if keys.pending.as_ref().is_some_and(|pending| pending.epoch() == epoch) {
                keys.sending = keys.pending.take();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Keys>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use farend_core::link::header::{Header, Kind};

    use super::*;

    const CIPHERS: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305];

    fn sealed(sealing: &Sealing, payload: &[u8]) -> (u64, Vec<u8>) {
        let sequence = sealing.next_sequence().unwrap();
        let header = Header {
            sequence,
            kind: Kind::Data,
            epoch: sealing.epoch(),
            time_unix_ns: 5,
            size_octets: u16::try_from(payload.len() + TAG_OCTETS).unwrap(),
        };
        let mut frame = [&header.to_octets()[..], payload, &[0; TAG_OCTETS]].concat();
        assert!(sealing.seal(sequence, &mut frame));
        (sequence, frame)
    }

    #[test]
    fn every_altered_bit_is_refused() {
        for cipher in CIPHERS {
            let secret = [3; SECRET_OCTETS];
            let sealing = Sealing::new(cipher, Epoch::new(1), &secret).unwrap();
            let opening = Opening::new(cipher, &secret).unwrap();
            let (sequence, frame) = sealed(&sealing, b"a packet");
            for at in 0..frame.len() * 8 {
                let mut forged = frame.clone();
                forged[at / 8] ^= 1 << (at % 8);
                let sequence = u64::from_be_bytes(*forged.first_chunk().unwrap());
                assert_eq!(opening.open(sequence, &mut forged), None, "bit {at}");
            }
            let mut frame = frame;
            assert_eq!(opening.open(sequence, &mut frame), Some(8));
            assert_eq!(&frame[HEADER_OCTETS..HEADER_OCTETS + 8], b"a packet");
        }
    }

    #[test]
    fn key_of_another_direction_or_cipher_opens_nothing() {
        let sealing = Sealing::new(Cipher::Aes256Gcm, Epoch::new(0), &[1; SECRET_OCTETS]).unwrap();
        let (sequence, frame) = sealed(&sealing, b"x");
        for (cipher, octet) in [(Cipher::Aes256Gcm, 2), (Cipher::ChaCha20Poly1305, 1)] {
            let opening = Opening::new(cipher, &[octet; SECRET_OCTETS]).unwrap();
            assert_eq!(opening.open(sequence, &mut frame.clone()), None);
        }
    }

    #[test]
    fn a_key_seals_no_more_than_it_may() {
        let sealing = Sealing::new(Cipher::Aes256Gcm, Epoch::new(0), &[1; SECRET_OCTETS]).unwrap();
        sealing.next.store(FRAMES_MAX - 1, Ordering::Relaxed);
        assert_eq!(sealing.next_sequence(), Some(FRAMES_MAX - 1));
        assert_eq!(sealing.next_sequence(), None);
    }

    #[test]
    fn pending_key_waits_for_its_own_epoch() {
        let ring = Keyring::default();
        let pending = Sealing::new(Cipher::Aes256Gcm, Epoch::new(4), &[1; SECRET_OCTETS]);
        ring.change(|keys| keys.pending = pending.map(Arc::new));
        ring.confirm(Epoch::new(3));
        assert!(ring.now().sending.is_none());
        ring.confirm(Epoch::new(4));
        assert_eq!(ring.now().sending.as_ref().map(|sending| sending.epoch()), Some(Epoch::new(4)));
    }
}
