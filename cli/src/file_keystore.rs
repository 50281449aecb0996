//! A key store for desktops and tests: one master key in a file that only its owner may read.
//!
//! The file lies beside the outbox (`outbox.keystore` for `outbox`), never in it: whoever copies the outbox, a backup or
//! somebody who helps with a problem, must not get the key along with what it opens. It is no match for the key store of a
//! phone: who can read the user's files can read it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use moulage::seal::{Keystore, KeystoreError};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// What the file begins with; the key follows.
const MAGIC: &[u8; 8] = b"MLGKEY1\n";
const KEY_BYTES: usize = 32;
/// First byte of everything sealed; then nonce, ciphertext, tag.
const VERSION: u8 = 1;

/// AES-256-GCM under the master key.
pub(crate) struct FileKeystore {
    key: LessSafeKey,
}

impl FileKeystore {
    /// Where the key store of an outbox lies, unless told otherwise.
    pub(crate) fn beside(outbox: &Path) -> PathBuf {
        // `.` and `..` have no name to go by.
        let outbox = fs::canonicalize(outbox).or_else(|_| std::path::absolute(outbox)).unwrap_or(outbox.to_owned());
        let mut name = OsString::from(outbox);
        name.push(".keystore");
        name.into()
    }

    /// Opens the key store; makes it on first use.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let content = match read(path) {
            Err(Unreadable::Io(error)) if error.kind() == ErrorKind::NotFound => {
                make(path).map_err(|error| Failure::unwritable("the key store", &error))?;
                // Another process may have been quicker: what is there now is the key store.
                read(path)
            }
            other => other,
        };
        let content = content.map_err(|error| match error {
            Unreadable::Io(_) => Failure::new(Exit::Trouble, "keystore-unreadable", "the key store cannot be read"),
            Unreadable::Open => {
                Failure::new(Exit::Trouble, "keystore-open", "the key store may be read by others than its owner")
                    .help("see who has had access; then take the others' permissions away (chmod 600)")
            }
        })?;
        let key = content.strip_prefix(MAGIC).and_then(|key| UnboundKey::new(&AES_256_GCM, key).ok());
        let key = key.ok_or_else(|| {
            Failure::new(Exit::Trouble, "keystore-damaged", "the key store is not one, or is damaged")
        })?;
        Ok(Self { key: LessSafeKey::new(key) })
    }
}

impl Keystore for FileKeystore {
    fn seal(&self, associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        // Random nonces are good for 2^32 messages; a key store seals a handful of device keys.
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| KeystoreError::Unavailable)?;
        let mut sealed = Zeroizing::new(secret.to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated_data), &mut sealed)
            .map_err(|_| KeystoreError::Unavailable)?;
        Ok([&[VERSION], &nonce[..], &sealed, tag.as_ref()].concat())
    }

    fn unseal(&self, associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let (&VERSION, sealed) = sealed.split_first().ok_or(KeystoreError::Invalidated)? else {
            return Err(KeystoreError::Invalidated);
        };
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeystoreError::Invalidated)?;
        let mut secret = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(associated_data), &mut secret);
        let length = opened.map_err(|_| KeystoreError::Invalidated)?.len();
        secret.truncate(length);
        Ok(secret)
    }
}

enum Unreadable {
    Io(io::Error),
    /// Open to others than its owner.
    Open,
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let file = File::open(path).map_err(Unreadable::Io)?;
    let metadata = file.metadata().map_err(Unreadable::Io)?;
    if !private(&metadata) {
        return Err(Unreadable::Open);
    }
    // One byte more than it has tells that it is something else.
    let mut content = Zeroizing::new(Vec::with_capacity(MAGIC.len() + KEY_BYTES + 1));
    file.take(MAGIC.len() as u64 + KEY_BYTES as u64 + 1).read_to_end(&mut content).map_err(Unreadable::Io)?;
    Ok(content)
}

/// Whole and durable, or not at all; never in the place of another.
fn make(path: &Path) -> io::Result<()> {
    let mut content = Zeroizing::new([0; MAGIC.len() + KEY_BYTES]);
    let (magic, key) = content.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    SystemRandom::new().fill(key).map_err(|_| io::Error::other("no randomness"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // tempfile makes it readable and writable by its owner alone.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&*content)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => return Err(error.error),
        _ => {}
    }
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(unix)]
pub(crate) fn private(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.is_file() && metadata.permissions().mode() & 0o077 == 0
}

#[cfg(not(unix))]
pub(crate) fn private(metadata: &fs::Metadata) -> bool {
    metadata.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_file_and_with_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.keystore");
        let sealed = FileKeystore::open(&path).ok().unwrap().seal(b"generation 1", b"device key").unwrap();
        let reopened = FileKeystore::open(&path).ok().unwrap();
        assert_eq!(*reopened.unseal(b"generation 1", &sealed).unwrap(), b"device key");
        assert_eq!(reopened.unseal(b"generation 2", &sealed).unwrap_err(), KeystoreError::Invalidated);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(reopened.unseal(b"generation 1", &damaged).is_err(), "byte {at}");
            assert!(reopened.unseal(b"generation 1", &sealed[..at]).is_err(), "{at} bytes");
        }
        let other = FileKeystore::open(&folder.path().join("other")).ok().unwrap();
        assert_eq!(other.unseal(b"generation 1", &sealed).unwrap_err(), KeystoreError::Invalidated);
    }

    #[test]
    fn sixteen_threads_that_make_it_share_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.keystore");
        let stores: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| FileKeystore::open(&path).ok().unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let sealed = stores[0].seal(b"", b"device key").unwrap();
        assert!(stores.iter().all(|store| *store.unseal(b"", &sealed).unwrap() == b"device key"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.keystore");
        FileKeystore::open(&path).ok().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(FileKeystore::open(&path).err().unwrap().code, "keystore-open");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"MLGKEY1\nshort").unwrap();
        assert_eq!(FileKeystore::open(&path).err().unwrap().code, "keystore-damaged");
    }

    #[test]
    fn it_lies_beside_the_outbox() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = folder.path().join("outbox");
        fs::create_dir(&outbox).unwrap();
        assert!(!FileKeystore::beside(&outbox).starts_with(&outbox));
        assert_eq!(FileKeystore::beside(&outbox), FileKeystore::beside(&outbox.join(".")));
    }
}
