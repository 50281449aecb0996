//! The port to whatever keeps bytes, and what it promises about them.

use std::path::PathBuf;

use crate::error::StorageError;

/// Keeps files in four folders: `items`, `keys`, `lent`, `audit` and nothing below them. Paths are `folder/name`, names are ours:
/// lower-case letters, digits and dots.
///
/// What a call did can be seen at once, by every process that shares the storage. It is **durable**, that is, it outlives a power cut, only
/// after [`Lease::sync`] (bytes) and [`Storage::sync_folder`] (names). A rename is atomic: after a power cut all of it is there, or nothing.
/// A call that failed may have done its work nevertheless.
pub trait Storage: Send + Sync {
    /// Everything in a folder, in no order.
    ///
    /// # Errors
    /// Any [`StorageError`].
    fn list(&self, folder: &str) -> Result<Vec<Entry>, StorageError>;

    /// A whole file, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] when it is longer; any other.
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, StorageError>;

    /// The first `most` bytes of a file, or all that it has, and its length.
    ///
    /// # Errors
    /// Any [`StorageError`].
    fn read_start(&self, path: &str, most: u64) -> Result<(Vec<u8>, u64), StorageError>;

    /// Makes a new file of these bytes and takes its lease before any other process can.
    ///
    /// # Errors
    /// [`StorageError::Exists`] when the name is taken; any other. A part of the file may stay behind.
    fn create(&self, path: &str, bytes: &[u8]) -> Result<Box<dyn Lease>, StorageError>;

    /// Takes the lease on a file; `None` when somebody holds it, in this process or in another.
    ///
    /// # Errors
    /// [`StorageError::Missing`] when no file of that name is there; any other.
    fn lease(&self, path: &str) -> Result<Option<Box<dyn Lease>>, StorageError>;

    /// Gives a file another name, in place of the file that had it.
    ///
    /// # Errors
    /// Any [`StorageError`].
    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError>;

    /// Forces a folder's names to durable storage.
    ///
    /// # Errors
    /// Any [`StorageError`]. What was not durable may then never become so, whatever later calls say.
    fn sync_folder(&self, folder: &str) -> Result<(), StorageError>;

    /// Removes a file.
    ///
    /// # Errors
    /// Any [`StorageError`].
    fn remove(&self, path: &str) -> Result<(), StorageError>;

    /// A second file of the same bytes, durable, that may be read or removed without harm to the first.
    ///
    /// # Errors
    /// Any [`StorageError`].
    fn duplicate(&self, from: &str, to: &str) -> Result<(), StorageError>;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// Any [`StorageError`].
    fn free_bytes(&self) -> Result<u64, StorageError>;

    /// Where another program finds a file; `None` when only this storage can read it.
    fn place(&self, path: &str) -> Option<PathBuf>;
}

/// The sole right to a file: it stays with the file when that is renamed, and ends when it is dropped or its process dies.
pub trait Lease: Send {
    /// Forces the file's bytes to durable storage.
    ///
    /// # Errors
    /// Any [`StorageError`]. The bytes may then never become durable, whatever later calls say.
    fn sync(&self) -> Result<(), StorageError>;

    /// What the file was last marked with.
    ///
    /// # Errors
    /// Any [`StorageError`].
    fn mark(&self) -> Result<Mark, StorageError>;

    /// Marks the file anew, for others that hold its lease later. It need not be durable.
    ///
    /// # Errors
    /// Any [`StorageError`].
    fn mark_anew(&self) -> Result<Mark, StorageError>;
}

/// Tells whether a file was marked, or replaced, between two looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which file.
    pub file: u64,
    /// Which mark on it.
    pub mark: u128,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Without the folder; `None` when it is no text.
    pub name: Option<String>,
    /// Is it a plain file?
    pub is_file: bool,
    /// Its length.
    pub bytes: u64,
    /// Something that is larger the later the file was written; only the order counts.
    pub age: u128,
}
