//! An outbox in memory that holds one object for as long as a request lasts: what is judged of an archive's answers, and when
//! an object may be sent again, is the same here as on a phone, because it is the same code.
//!
//! A phone asks again only after its quarantine, and so does this: the object begins as one that was offered to the archive a
//! quarantine ago. The archive is asked for it first, and its "absent" counts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, Local};

use moulage::clock::{Clock, SystemRandomness};
use moulage::error::{KeystoreError, OutboxError, StorageError};
use moulage::outbox::{Entry, Lease, Limits, Mark, Next, Outbox, Parts, State, Storage};
use moulage::seal::Keystore;
use zeroize::Zeroizing;

/// An outbox with this object alone.
pub(super) fn outbox(object: &[u8], quarantine: Duration) -> Result<Outbox, OutboxError> {
    let clock = Arc::new(Leaping { begun: Instant::now(), leap: AtomicU64::new(0) });
    let parts = Parts {
        storage: Arc::new(Memory::default()),
        keystore: Some(Arc::new(InMemory)),
        institutions: Vec::new(),
        signer: None,
        clock: clock.clone(),
        randomness: Arc::new(SystemRandomness),
        observer: None,
    };
    let outbox = Outbox::open(parts, Limits::default())?;
    outbox.add(object)?;
    if let Next::Item(mut claim) = outbox.claim()? {
        claim.offer()?;
        claim.settle(State::Unknown, Duration::ZERO);
    }
    clock.leap.store(u64::try_from(quarantine.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    Ok(outbox)
}

struct Leaping {
    begun: Instant,
    /// Milliseconds.
    leap: AtomicU64,
}

impl Clock for Leaping {
    fn now(&self) -> DateTime<FixedOffset> {
        Local::now().fixed_offset()
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed() + Duration::from_millis(self.leap.load(Ordering::Relaxed))
    }
}

/// The key never leaves the memory that the object is in.
struct InMemory;

impl Keystore for InMemory {
    fn seal(&self, _: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        Ok(secret.to_vec())
    }

    fn unseal(&self, _: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        Ok(Zeroizing::new(sealed.to_vec()))
    }
}

#[derive(Default)]
struct Memory {
    files: Mutex<BTreeMap<String, Arc<File>>>,
    made: AtomicU64,
}

struct File {
    bytes: Vec<u8>,
    number: u64,
    leased: AtomicBool,
    marks: AtomicU64,
}

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Arc<File>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &str) -> Result<Arc<File>, StorageError> {
        self.files().get(path).cloned().ok_or(StorageError::Missing)
    }
}

impl Storage for Memory {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, StorageError> {
        let entry = |(path, file): (&String, &Arc<File>)| {
            let name = path.strip_prefix(folder)?.strip_prefix('/')?.to_owned();
            let bytes = file.bytes.len() as u64;
            Some(Entry { name: Some(name), is_file: true, bytes, age: file.number.into() })
        };
        Ok(self.files().iter().filter_map(entry).collect())
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, StorageError> {
        let file = self.file(path)?;
        if file.bytes.len() as u64 > limit { Err(StorageError::TooLarge) } else { Ok(file.bytes.clone()) }
    }

    fn read_start(&self, path: &str, most: u64) -> Result<(Vec<u8>, u64), StorageError> {
        let bytes = &self.file(path)?.bytes;
        let start = usize::try_from(most).ok().and_then(|most| bytes.get(..most)).unwrap_or(bytes);
        Ok((start.to_vec(), bytes.len() as u64))
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<Box<dyn Lease>, StorageError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let (leased, marks) = (AtomicBool::new(true), AtomicU64::new(0));
        let file = Arc::new(File { bytes: bytes.to_vec(), number, leased, marks });
        let mut files = self.files();
        if files.contains_key(path) {
            return Err(StorageError::Exists);
        }
        files.insert(path.to_owned(), Arc::clone(&file));
        Ok(Box::new(Held(file)))
    }

    fn lease(&self, path: &str) -> Result<Option<Box<dyn Lease>>, StorageError> {
        let file = self.file(path)?;
        let free = !file.leased.swap(true, Ordering::SeqCst);
        Ok(free.then(|| Box::new(Held(file)) as Box<dyn Lease>))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        let mut files = self.files();
        let file = files.remove(from).ok_or(StorageError::Missing)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_folder(&self, _: &str) -> Result<(), StorageError> {
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), StorageError> {
        self.files().remove(path).map(drop).ok_or(StorageError::Missing)
    }

    /// Nothing is lent to anybody.
    fn duplicate(&self, _: &str, _: &str) -> Result<(), StorageError> {
        Err(StorageError::Denied)
    }

    fn free_bytes(&self) -> Result<u64, StorageError> {
        Ok(u64::MAX)
    }

    fn place(&self, _: &str) -> Option<PathBuf> {
        None
    }
}

struct Held(Arc<File>);

impl Lease for Held {
    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn mark(&self) -> Result<Mark, StorageError> {
        Ok(Mark { file: self.0.number, mark: self.0.marks.load(Ordering::SeqCst).into() })
    }

    fn mark_anew(&self) -> Result<Mark, StorageError> {
        self.0.marks.fetch_add(1, Ordering::SeqCst);
        self.mark()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.leased.store(false, Ordering::SeqCst);
    }
}
