//! The device's keys: the one in use, and the older ones that items still need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::item::ItemId;
use super::storage::Storage;
use crate::clock::{Clock, Randomness};
use crate::error::{KeystoreError, OutboxError, SealError, StorageError};
use crate::seal::{DeviceKey, DeviceKeyId, Keystore};

/// How long one key is used for new items.
const SECONDS_OF_USE: u64 = 90 * 24 * 3600;
/// For how many of them, counted in one process.
const ITEMS_OF_USE: u32 = 1 << 20;
/// A process may have begun to seal to a key just before its time was over.
const SECONDS_OF_GRACE: u64 = 24 * 3600;
/// Longer than any key's file.
const LONGEST_FILE: u64 = 64 * 1024;

/// Keys in memory for the life of the process: the keystore is asked once for each. One call at a time, since Android's is not safe for more;
/// the keystore must not call the outbox.
pub(super) struct Keys {
    storage: Arc<dyn Storage>,
    keystore: Option<Arc<dyn Keystore>>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    current: Option<Current>,
    open: BTreeMap<String, Arc<DeviceKey>>,
    lost: BTreeSet<String>,
    unavailable: bool,
}

struct Current {
    key: Arc<DeviceKey>,
    made: i64,
    items: u32,
}

/// What became of the keys in a call, for the observer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) made: bool,
    pub(super) lost: bool,
    pub(super) unavailable: bool,
}

impl Keys {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        keystore: Option<Arc<dyn Keystore>>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self { storage, keystore, clock, randomness, held: Mutex::default() }
    }

    /// The key for a new item; `None` when this outbox has no keystore.
    ///
    /// # Errors
    /// [`SealError::Keystore`] when it cannot be had now; [`OutboxError::Storage`] when a new one cannot be kept.
    pub(super) fn current(&self, news: &mut News) -> Result<Option<Arc<DeviceKey>>, OutboxError> {
        let Some(keystore) = &self.keystore else { return Ok(None) };
        let mut held = self.held();
        let current = self.usable(&mut held, keystore.as_ref(), news);
        news.unavailable = current.is_err() && !held.unavailable;
        held.unavailable = current.is_err();
        current.map(Some)
    }

    fn usable(&self, held: &mut Held, keystore: &dyn Keystore, news: &mut News) -> Result<Arc<DeviceKey>, OutboxError> {
        if held.current.is_none() {
            self.find_current(held, keystore, news)?;
        }
        let now = self.now();
        let is_due = |current: &Current| age(current.made, now) > SECONDS_OF_USE || current.items >= ITEMS_OF_USE;
        if held.current.as_ref().is_none_or(is_due) {
            match self.make(held, keystore, now) {
                Ok(()) => news.made = true,
                // An old key is better than none.
                Err(e) if held.current.is_none() => return Err(e),
                Err(_) => {}
            }
        }
        let current = held.current.as_mut().ok_or(OutboxError::Seal(SealError::NoRecipient))?;
        current.items = current.items.saturating_add(1);
        Ok(Arc::clone(&current.key))
    }

    /// The key of an item.
    ///
    /// # Errors
    /// [`OutboxError::Unopenable`] when it is lost; [`SealError::Keystore`] when it cannot be had now; [`OutboxError::Storage`].
    pub(super) fn of(&self, id: &DeviceKeyId, news: &mut News) -> Result<Arc<DeviceKey>, OutboxError> {
        let Some(keystore) = &self.keystore else { return Err(OutboxError::Unopenable) };
        self.open(&mut self.held(), &id.to_string(), keystore.as_ref(), news)
    }

    /// Erases keys that are out of use and that no item needs.
    pub(super) fn sweep(&self, needed: &BTreeSet<String>) {
        let held = self.held();
        let current = held.current.as_ref().map(|current| current.key.id().to_string());
        let now = self.now();
        for (name, made) in self.list().unwrap_or_default() {
            let in_use = needed.contains(&name) || current.as_ref() == Some(&name);
            if !in_use && age(made, now) > SECONDS_OF_USE + SECONDS_OF_GRACE {
                // One that stays is tried again at the next start.
                let _ = self.storage.remove(&path(&name));
            }
        }
        let _ = self.storage.sync_folder("keys");
    }

    /// The key made nearest to now, of those that open.
    fn find_current(&self, held: &mut Held, keystore: &dyn Keystore, news: &mut News) -> Result<(), OutboxError> {
        let now = self.now();
        let mut made = self.list()?;
        made.sort_by_key(|(_, made)| age(*made, now));
        for (name, made) in made {
            match self.open(held, &name, keystore, news) {
                Ok(key) => {
                    // Whoever made it may have died before its name was durable.
                    self.storage.sync_folder("keys")?;
                    held.current = Some(Current { key, made, items: 0 });
                    return Ok(());
                }
                Err(OutboxError::Unopenable) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn open(
        &self,
        held: &mut Held,
        name: &str,
        keystore: &dyn Keystore,
        news: &mut News,
    ) -> Result<Arc<DeviceKey>, OutboxError> {
        if let Some(key) = held.open.get(name) {
            return Ok(Arc::clone(key));
        }
        if held.lost.contains(name) {
            return Err(OutboxError::Unopenable);
        }
        let opened = match self.storage.read(&path(name), LONGEST_FILE) {
            Ok(file) => DeviceKey::reopen(file.get(8..).unwrap_or_default(), keystore),
            Err(StorageError::Missing | StorageError::TooLarge) => Err(SealError::Damaged),
            Err(e) => return Err(e.into()),
        };
        match opened {
            Ok(key) if key.id().to_string() == name => {
                let key = Arc::new(key);
                held.open.insert(name.to_owned(), Arc::clone(&key));
                Ok(key)
            }
            Err(e @ SealError::Keystore(KeystoreError::Locked | KeystoreError::Unavailable)) => Err(e.into()),
            // A blob of a later version comes back into use with that version.
            _ => {
                held.lost.insert(name.to_owned());
                news.lost = true;
                Err(OutboxError::Unopenable)
            }
        }
    }

    /// Makes a key; it is durable before anything is sealed to it.
    fn make(&self, held: &mut Held, keystore: &dyn Keystore, now: i64) -> Result<(), OutboxError> {
        let (key, blob) = DeviceKey::create(keystore, self.randomness.as_ref())?;
        let name = key.id().to_string();
        let unfinished = format!("{}.tmp", path(&name));
        let file = [&now.to_be_bytes()[..], &blob].concat();
        let kept = self.storage.create(&unfinished, &file).and_then(|lease| {
            lease.sync()?;
            self.storage.rename(&unfinished, &path(&name))?;
            self.storage.sync_folder("keys")
        });
        if let Err(e) = kept {
            // If it stays it is a key that nothing is sealed to, or a file for the next sweep.
            let _ = self.storage.remove(&unfinished);
            let _ = self.storage.remove(&path(&name));
            return Err(e.into());
        }
        let key = Arc::new(key);
        held.open.insert(name, Arc::clone(&key));
        held.current = Some(Current { key, made: now, items: 0 });
        Ok(())
    }

    /// Names and times of all keys.
    fn list(&self) -> Result<Vec<(String, i64)>, StorageError> {
        let mut keys = Vec::new();
        for file in self.storage.list("keys")? {
            // A key's name has the form of an item's.
            let Some(name) = file.name.filter(|name| file.is_file && ItemId::parse(name).is_some()) else { continue };
            let start = self.storage.read_start(&path(&name), 8)?;
            keys.push((name, start.try_into().map_or(0, i64::from_be_bytes)));
        }
        Ok(keys)
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far apart: a clock that was wrong once does not keep a key in use for ever.
fn age(made: i64, now: i64) -> u64 {
    made.abs_diff(now)
}

fn path(name: &str) -> String {
    format!("keys/{name}")
}
