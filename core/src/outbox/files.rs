//! The storage that is a folder of the file system.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::storage::{Entry, Lease, Mark, Storage};
use crate::error::StorageError;

/// A folder that only its owner can look into (0700, files 0600). Keep it out of backups, and out of containers that several apps of a phone
/// share: the system ends an app that holds a lock there while it sleeps.
#[derive(Debug)]
pub struct FileStorage {
    root: PathBuf,
}

impl FileStorage {
    /// Makes what is missing of the folder.
    ///
    /// # Errors
    /// Any [`StorageError`].
    pub fn new(root: &Path) -> Result<Self, StorageError> {
        for folder in ["", "items", "keys", "lent", "audit"] {
            let path = root.join(folder);
            if !path.is_dir() {
                DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(cause)?;
                // Names of folders must outlive a power cut, too.
                path.parent().map_or(Ok(()), sync_directory)?;
            }
        }
        Ok(Self { root: root.to_path_buf() })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Storage for FileStorage {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, StorageError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.path(folder)).map_err(cause)? {
            let entry = entry.map_err(cause)?;
            match entry.metadata() {
                Ok(metadata) => entries.push(Entry {
                    name: entry.file_name().into_string().ok(),
                    is_file: metadata.is_file(),
                    bytes: metadata.len(),
                    age: modified(&metadata),
                }),
                // Removed since the folder was read.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(cause(e)),
            }
        }
        Ok(entries)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, StorageError> {
        let file = File::open(self.path(path)).map_err(cause)?;
        let length = file.metadata().map_err(cause)?.len();
        if length > limit {
            return Err(StorageError::TooLarge);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX)).map_err(|_| StorageError::TooLarge)?;
        file.take(length).read_to_end(&mut bytes).map_err(cause)?;
        Ok(bytes)
    }

    fn read_start(&self, path: &str, most: u64) -> Result<(Vec<u8>, u64), StorageError> {
        let file = File::open(self.path(path)).map_err(cause)?;
        let length = file.metadata().map_err(cause)?.len();
        let mut bytes = Vec::new();
        file.take(length.min(most)).read_to_end(&mut bytes).map_err(cause)?;
        Ok((bytes, length))
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<Box<dyn Lease>, StorageError> {
        // Between its birth and its lock another process's sweep may take the file for a dead one's; then there is nothing in it yet.
        for _ in 0..8 {
            let path = self.path(path);
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(cause)?;
            match lock(file, &path) {
                Ok(Some(lease)) => {
                    (&lease.0).write_all(bytes).map_err(cause)?;
                    return Ok(Box::new(lease));
                }
                Ok(None) | Err(StorageError::Missing) => {}
                Err(e) => return Err(e),
            }
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(cause(e)),
                _ => {}
            }
        }
        Err(StorageError::Failed)
    }

    fn lease(&self, path: &str) -> Result<Option<Box<dyn Lease>>, StorageError> {
        let path = self.path(path);
        let file = OpenOptions::new().write(true).open(&path).map_err(cause)?;
        Ok(lock(file, &path)?.map(|lease| Box::new(lease) as Box<dyn Lease>))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        fs::rename(self.path(from), self.path(to)).map_err(cause)
    }

    fn sync_folder(&self, folder: &str) -> Result<(), StorageError> {
        sync_directory(&self.path(folder))
    }

    fn remove(&self, path: &str) -> Result<(), StorageError> {
        fs::remove_file(self.path(path)).map_err(cause)
    }

    fn duplicate(&self, from: &str, to: &str) -> Result<(), StorageError> {
        let (from, to) = (self.path(from), self.path(to));
        // A second name takes no room. Where apps may not make one (Android), a copy; on Apple's file system that is a clone.
        match fs::hard_link(&from, &to) {
            Err(e) if ![ErrorKind::AlreadyExists, ErrorKind::NotFound].contains(&e.kind()) => {
                let copied = fs::copy(&from, &to).and_then(|_| File::open(&to)?.sync_all());
                copied.map_err(|e| {
                    // What is half a copy helps nobody; if it stays, it goes with the item.
                    let _ = fs::remove_file(&to);
                    cause(e)
                })
            }
            linked => linked.map_err(cause),
        }
    }

    fn free_bytes(&self) -> Result<u64, StorageError> {
        let free = rustix::fs::statvfs(&self.root).map_err(|e| cause(e.into()))?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }

    fn place(&self, path: &str) -> Option<PathBuf> {
        Some(self.path(path))
    }
}

/// A locked descriptor (`flock`): the system lets go of it when the process dies, however it dies.
struct FileLease(File);

impl Lease for FileLease {
    fn sync(&self) -> Result<(), StorageError> {
        // On the descriptor that wrote: an error of writing back is told to it, and perhaps to no other.
        // On Apple's systems this is F_FULLFSYNC.
        self.0.sync_all().map_err(cause)
    }

    fn mark(&self) -> Result<Mark, StorageError> {
        let metadata = self.0.metadata().map_err(cause)?;
        Ok(Mark { file: metadata.ino(), mark: modified(&metadata) })
    }

    fn mark_anew(&self) -> Result<Mark, StorageError> {
        // Time of modification is the mark: it needs no room, and nothing else here changes it. Coarse clocks count in two seconds.
        let metadata = self.0.metadata().map_err(cause)?;
        let next = metadata.modified().map_err(cause)? + Duration::from_secs(10);
        self.0.set_modified(next).map_err(cause)?;
        self.mark()
    }
}

/// Locks an open file, if it is still the one that `path` names.
///
/// That question makes removal safe without a file of its own for the lock: who waited at a file that its holder removed has locked
/// a file without a name, and knows it.
fn lock(file: File, path: &Path) -> Result<Option<FileLease>, StorageError> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(e)) => return Err(cause(e)),
    }
    let ours = file.metadata().map_err(cause)?;
    match fs::symlink_metadata(path) {
        Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => Ok(Some(FileLease(file))),
        Ok(_) => Ok(None),
        Err(e) => Err(cause(e)),
    }
}

fn sync_directory(path: &Path) -> Result<(), StorageError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|folder| folder.sync_all()).map_err(cause)
}

fn modified(metadata: &fs::Metadata) -> u128 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.unwrap_or_default().as_nanos()
}

fn cause(e: io::Error) -> StorageError {
    match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StorageError::Full,
        ErrorKind::PermissionDenied => StorageError::Denied,
        ErrorKind::ReadOnlyFilesystem => StorageError::ReadOnly,
        ErrorKind::NotFound => StorageError::Missing,
        ErrorKind::AlreadyExists => StorageError::Exists,
        _ => match rustix::io::Errno::from_io_error(&e) {
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => StorageError::TooManyOpen,
            _ => StorageError::Failed,
        },
    }
}
