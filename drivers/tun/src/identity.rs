//! Who this side is: one key in a folder that nobody else can read.

use std::{
    fmt::Display,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::{digest, signature::Ed25519KeyPair};
use rustls::{
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

use crate::options::PeerId;

const KEY_FILE: &str = "identity.pk8";
const PEER_ID_FILE: &str = "peer-id.txt";
/// Octets of a key file: more is no key.
const KEY_OCTETS_MAX: u64 = 4_096;

/// A key and its name.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) certified: Arc<CertifiedKey>,
    peer_id: PeerId,
}

impl Identity {
    /// The SHA-256 of the public key.
    pub(crate) const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    fn of(pkcs8: Vec<u8>, provider: &CryptoProvider) -> Result<Self, String> {
        let key = PrivateKeyDer::Pkcs8(pkcs8.into());
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| format!("is no private key: {error}"))?;
        let spki = key.public_key().ok_or("has no public key")?.to_vec();
        let peer_id = peer_id_of(&spki);
        let certified = CertifiedKey::new(vec![CertificateDer::from(spki)], key);
        Ok(Self { certified: Arc::new(certified), peer_id })
    }
}

/// The Peer ID of a `SubjectPublicKeyInfo`.
pub(crate) fn peer_id_of(spki: &[u8]) -> PeerId {
    let hash = digest::digest(&digest::SHA256, spki);
    let mut id = [0; 32];
    id.copy_from_slice(hash.as_ref());
    PeerId(id)
}

/// Reads the key of a folder.
///
/// # Errors
///
/// One line: what is wrong, and what to do.
pub(crate) fn load(folder: &Path) -> Result<Identity, String> {
    let path = folder.join(KEY_FILE);
    if !path.exists() {
        return Err(format!(
            "there is no key in {}: make one with farend-tun keys --keydir {}",
            folder.display(),
            folder.display()
        ));
    }
    refuse_open_modes(folder, 0o700)?;
    let file = File::open(&path).map_err(|error| about("open", &path, &error))?;
    refuse_open_modes(&path, 0o600)?;
    let mut octets = Vec::new();
    file.take(KEY_OCTETS_MAX)
        .read_to_end(&mut octets)
        .map_err(|error| about("read", &path, &error))?;
    Identity::of(octets, &default_provider())
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads the key of a folder, or makes folder and key where there is none.
///
/// # Errors
///
/// One line: what is wrong, and what to do.
pub(crate) fn generate_or_load(folder: &Path) -> Result<Identity, String> {
    let path = folder.join(KEY_FILE);
    if path.exists() {
        return load(folder);
    }
    if !folder.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| about("make", folder, &error))?;
    }
    refuse_open_modes(folder, 0o700)?;
    let pair = Ed25519KeyPair::generate().map_err(|_| "no random numbers for a key".to_owned())?;
    let pkcs8 = pair.to_pkcs8().map_err(|_| "the new key cannot be written".to_owned())?;
    write_new(&path, 0o600, pkcs8.as_ref())?;
    let identity = load(folder)?;
    let text = format!("{}\n", identity.peer_id());
    let _ = fs::remove_file(folder.join(PEER_ID_FILE));
    write_new(&folder.join(PEER_ID_FILE), 0o600, text.as_bytes())?;
    Ok(identity)
}

/// Writes a file that must not be there.
fn write_new(path: &PathBuf, mode: u32, octets: &[u8]) -> Result<(), String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|error| about("make", path, &error))?;
    let written = file.write_all(octets).and_then(|()| file.sync_all());
    written.map_err(|error| about("write", path, &error))
}

/// A key that others can read or exchange is no identity.
fn refuse_open_modes(path: &Path, wanted: u32) -> Result<(), String> {
    let metadata = fs::symlink_metadata(path).map_err(|error| about("look at", path, &error))?;
    if metadata.file_type().is_symlink() {
        return Err(format!("{} is a link: name the place itself", path.display()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "others can reach {} (mode {mode:o}): chmod {wanted:o} {}, and make a new key if \
             somebody may have read it",
            path.display(),
            path.display()
        ));
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        return Err(format!("{} belongs to another user: chown {me} it", path.display()));
    }
    Ok(())
}

fn about(what: &str, path: &Path, error: &dyn Display) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("farend-tun-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn key_is_made_once_and_then_read() {
        let folder = Folder::new("made-once");
        assert!(load(&folder.0).unwrap_err().contains("farend-tun keys"));
        let made = generate_or_load(&folder.0).unwrap().peer_id();
        assert_eq!(generate_or_load(&folder.0).unwrap().peer_id(), made);
        assert_eq!(load(&folder.0).unwrap().peer_id(), made);
        let told = fs::read_to_string(folder.0.join(PEER_ID_FILE)).unwrap();
        assert_eq!(told.trim().parse(), Ok(made));
    }

    #[test]
    fn key_that_others_can_reach_is_refused() {
        let folder = Folder::new("modes");
        generate_or_load(&folder.0).unwrap();
        for (path, mode) in [(folder.0.clone(), 0o750), (folder.0.join(KEY_FILE), 0o604)] {
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let told = load(&folder.0).unwrap_err();
            assert!(told.contains("chmod") && told.lines().count() == 1, "{told}");
            fs::set_permissions(&path, before).unwrap();
        }
        load(&folder.0).unwrap();
    }

    #[test]
    fn octets_that_are_no_key_are_refused() {
        let folder = Folder::new("no-key");
        generate_or_load(&folder.0).unwrap();
        fs::write(folder.0.join(KEY_FILE), b"not a key").unwrap();
        assert!(load(&folder.0).unwrap_err().contains("is no private key"));
    }
}
