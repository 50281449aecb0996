//! Sealed objects that wait to be stored: none is lost, and none is stored twice.
//!
//! One file an item, and its presence is the only state that lasts:
//!
//! | file | means |
//! |---|---|
//! | `items/<id>.tmp` | being written; erased by the next [`Outbox::open`] when its writer is dead |
//! | `items/<id>.fresh.cms` | captured, and never offered to an archive |
//! | `items/<id>.cms` | captured, and an archive may have it: ask before sending |
//! | `lent/<id>` | a copy that the operating system sends |
//! | `keys/<id>` | a key of the device: 8 bytes of time (seconds since 1970, big-endian), then its blob |
//!
//! Everything else ([`State`], attempts, waiting times) is forgotten with the process. Several processes may share one outbox.

mod claim;
mod event;
mod files;
mod index;
mod item;
mod keys;
#[cfg(test)]
pub(crate) mod simulated;
mod storage;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Randomness};
use crate::error::{OutboxError, SealError, StorageError};
use crate::seal::{self, DeviceKey, DeviceKeyId, Institution, Keystore, Recipients, SealedHead, Signer};

pub use claim::Claim;
pub use event::{Change, OutboxEvent, OutboxObserver};
pub use files::FileStorage;
pub use item::{Block, Confirmation, Item, ItemId, Reason, State};
pub use storage::{Entry, Lease, Mark, Storage};

use index::{Index, Known, Opener, Pick, item_path, lent_path, unfinished_path};
use keys::{Keys, News};

/// How long until another look at an item that another process holds.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long until another try where the device's storage failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// How long the operating system may take over a copy that it was lent by a process that is gone.
pub(crate) const LENT_FOR: Duration = Duration::from_secs(24 * 3600);
/// What sealing adds to an object, with room to spare for several recipients and a signer's chain of certificates.
const SEALING_ADDS: u64 = 256 * 1024;

/// So much of a file tells who can open it.
const START: u64 = 32 * 1024;

/// More than any item's file holds.
const LARGEST_FILE: u64 = seal::LARGEST_SEALED as u64;

/// How much may wait. The limits refuse new photos; they never push out old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Items that may wait. Default 1,000.
    pub items: u64,
    /// Bytes that may wait. Default 2 GiB.
    pub bytes: u64,
    /// Bytes that must be left free on the device. Default 200 MiB.
    pub free_bytes: u64,
    /// Bytes of one object. Default 64 MiB, which is also the most that is ever sealed.
    pub object_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { items: 1000, bytes: 2 << 30, free_bytes: 200 << 20, object_bytes: 64 << 20 }
    }
}

/// What an outbox is made of.
pub struct Parts {
    /// Where it keeps its files.
    pub storage: Arc<dyn Storage>,
    /// Keeps the device's key; without one, items are sealed to the institutions alone.
    pub keystore: Option<Arc<dyn Keystore>>,
    /// Who else can open every item; see [`Recipients::check`] for those whose certificate is not valid now.
    pub institutions: Vec<Institution>,
    /// Signs every object, if there is one.
    pub signer: Option<Arc<dyn Signer>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub randomness: Arc<dyn Randomness>,
    /// Hears of every change.
    pub observer: Option<Arc<dyn OutboxObserver>>,
}

/// What is to do next.
pub enum Next {
    /// This.
    Item(Claim),
    /// Nothing, for that long.
    Wait(Duration),
    /// Nothing, until an item is added or a person or program does something about those that are there.
    Empty,
}

/// Items that wait, on one storage. All methods may be called from many threads at once.
pub struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<dyn Storage>,
    keys: Keys,
    institutions: Vec<Institution>,
    signer: Option<Arc<dyn Signer>>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    observer: Option<Arc<dyn OutboxObserver>>,
    limits: Limits,
    index: Mutex<Index>,
    /// One object at a time is in memory in two forms.
    sealing: Mutex<()>,
}

impl Outbox {
    /// Opens the outbox on a storage, and erases what additions that were cut short left behind. A device key that cannot be had is no error
    /// here: what waits can be listed, exported and stored sealed all the same. [`Outbox::ready`] tells.
    ///
    /// # Errors
    /// [`OutboxError::Storage`] when the folders cannot be listed.
    pub fn open(parts: Parts, limits: Limits) -> Result<Self, OutboxError> {
        let Parts { storage, keystore, institutions, signer, clock, randomness, observer } = parts;
        let keys = Keys::new(Arc::clone(&storage), keystore, Arc::clone(&clock), Arc::clone(&randomness));
        let (index, sealing) = (Mutex::default(), Mutex::default());
        let inner = Inner { storage, keys, institutions, signer, clock, randomness, observer, limits, index, sealing };
        inner.recover()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Could an object be added now? Asked before the shutter.
    ///
    /// # Errors
    /// [`OutboxError::FullOfItems`], [`OutboxError::FullOfBytes`], [`OutboxError::LowSpace`]; [`OutboxError::Seal`] when there is nobody to
    /// seal to; [`OutboxError::Storage`]; [`OutboxError::NotUndone`] while an addition that failed is not undone.
    pub fn ready(&self) -> Result<(), OutboxError> {
        self.inner.undo_doomed()?;
        self.inner.follow()?;
        self.inner.admit(&self.inner.index(), 0)?;
        self.inner.recipients().map(drop)
    }

    /// Seals an object and keeps it. `Ok` means **captured**: it outlives whatever happens to process and device.
    ///
    /// # Errors
    /// Those of [`Outbox::ready`], and [`OutboxError::ObjectTooLarge`]. Nothing is left of the object then, but for one case:
    /// [`OutboxError::NotUndone`] says that the storage failed at the last step and once more at taking it back. Keep the object, and call
    /// `ready` until it is `Ok`: then nothing is left, and it can be added again. If the process ends before, the item may be there
    /// after the next [`Outbox::open`]: look at [`Outbox::items`] before the photo is taken anew.
    pub fn add(&self, object: &[u8]) -> Result<ItemId, OutboxError> {
        let inner = &self.inner;
        inner.undo_doomed()?;
        let recipients = inner.recipients()?;
        let id = ItemId::random(inner.randomness.as_ref()).map_err(|_| SealError::NoRandomness)?;
        let room = inner.reserve(id, object.len() as u64)?;
        let (bytes, lease, opener) = inner.write(id, object, &recipients)?;
        let named = inner.storage.rename(&unfinished_path(id), &item_path(id, false));
        if let Err(e) = named.and_then(|()| inner.storage.sync_folder("items")) {
            return Err(inner.undo(id, lease).map_or_else(|e| e, |()| e.into()));
        }
        let file = Entry { name: None, is_file: true, bytes, age: lease.mark().map_or(u128::MAX, |mark| mark.mark) };
        {
            let mut index = inner.index();
            index.adding.remove(&id);
            index.items.insert(id, Known { durable: true, opener: Some(opener), ..Known::found(&file, false) });
        }
        drop((room, lease));
        inner.tell(Some(id), Change::Captured { bytes });
        Ok(id)
    }

    /// Everything that waits, oldest first.
    ///
    /// # Errors
    /// [`OutboxError::Storage`] when the folders cannot be listed.
    pub fn items(&self) -> Result<Vec<Item>, OutboxError> {
        let inner = &self.inner;
        inner.follow()?;
        inner.inspect_all();
        let now = inner.clock.elapsed();
        let mut known: Vec<(ItemId, Known)> =
            inner.index().items.iter().map(|(id, known)| (*id, known.clone())).collect();
        known.sort_by_key(|(id, known)| (known.age, *id));
        let item = |(id, known): (ItemId, Known)| Item {
            id,
            bytes: known.bytes,
            state: known.state(),
            due_in: known.due.map(|due| due.saturating_sub(now)),
            attempts: known.attempts,
            sealed_only: inner.is_sealed_only(&known),
        };
        Ok(known.into_iter().map(item).collect())
    }

    /// Files in the outbox's folder that are not its own. They are left alone.
    ///
    /// # Errors
    /// [`OutboxError::Storage`] when the folders cannot be listed.
    pub fn foreign_files(&self) -> Result<u64, OutboxError> {
        self.inner.follow()?;
        Ok(self.inner.index().foreign)
    }

    /// The oldest item that is due, for the caller alone: no other thread or process gets it until the [`Claim`] ends.
    ///
    /// # Errors
    /// [`OutboxError::Storage`] when the folders cannot be listed, or no further file can be opened.
    pub fn claim(&self) -> Result<Next, OutboxError> {
        self.inner.follow()?;
        loop {
            let id = {
                let mut index = self.inner.index();
                match index.pick(self.inner.clock.elapsed()) {
                    Pick::Due(id) => {
                        index.items.get_mut(&id).into_iter().for_each(|known| known.claimed = true);
                        id
                    }
                    Pick::Later(wait) => return Ok(Next::Wait(wait)),
                    Pick::Nothing => return Ok(Next::Empty),
                }
            };
            if let Some(claim) = Claim::take(&self.inner, id)? {
                return Ok(Next::Item(claim));
            }
        }
    }

    /// One item, due or not, whatever it waits for: for what a background transfer has to tell. `None` while somebody else has it, or when
    /// it is poison by itself (damaged, or of an unknown version).
    ///
    /// # Errors
    /// [`OutboxError::NoSuchItem`]; [`OutboxError::Storage`].
    pub fn claim_item(&self, id: &ItemId) -> Result<Option<Claim>, OutboxError> {
        self.inner.follow()?;
        match self.inner.index().items.get_mut(id) {
            None => return Err(OutboxError::NoSuchItem),
            Some(known) if known.claimed => return Ok(None),
            Some(known) => known.claimed = true,
        }
        Claim::take(&self.inner, *id)
    }

    /// The sealed file of an item, as it is.
    ///
    /// # Errors
    /// [`OutboxError::NoSuchItem`]; [`OutboxError::Storage`].
    pub fn export(&self, id: &ItemId) -> Result<Vec<u8>, OutboxError> {
        self.inner.follow()?;
        let offered = self.inner.index().items.get(id).ok_or(OutboxError::NoSuchItem)?.offered;
        // Its name changes when it is offered meanwhile.
        let sealed = match self.inner.read(*id, offered) {
            Err(StorageError::Missing) => self.inner.read(*id, true),
            read => read,
        }?;
        self.inner.tell(Some(*id), Change::Exported);
        Ok(sealed)
    }

    /// Makes an item due now, poison too.
    ///
    /// # Errors
    /// [`OutboxError::NoSuchItem`]; [`OutboxError::InUse`] while somebody has it; [`OutboxError::Storage`].
    pub fn retry(&self, id: &ItemId) -> Result<(), OutboxError> {
        self.inner.follow()?;
        match self.inner.index().items.get_mut(id) {
            None => return Err(OutboxError::NoSuchItem),
            Some(known) if known.claimed => return Err(OutboxError::InUse),
            Some(known) => {
                (known.hold, known.opener, known.due) = (None, None, Some(Duration::ZERO));
            }
        }
        self.inner.tell(Some(*id), Change::Retried);
        Ok(())
    }

    /// Erases an item that no archive has confirmed. Only a person should decide that.
    ///
    /// # Errors
    /// [`OutboxError::NoSuchItem`]; [`OutboxError::InUse`] while somebody has it; [`OutboxError::Storage`]: it may be there still, or come
    /// back after a power cut.
    pub fn remove(&self, id: &ItemId) -> Result<(), OutboxError> {
        let inner = &self.inner;
        inner.follow()?;
        let offered = match inner.index().items.get_mut(id) {
            None => return Err(OutboxError::NoSuchItem),
            Some(known) if known.claimed => return Err(OutboxError::InUse),
            Some(known) => {
                known.claimed = true;
                known.offered
            }
        };
        let lease = match inner.storage.lease(&item_path(*id, offered)) {
            Ok(Some(lease)) => Ok(lease),
            Ok(None) => Err(OutboxError::InUse),
            Err(e) => Err(e.into()),
        };
        let removed = lease.and_then(|lease| {
            inner.tell(Some(*id), Change::Removed);
            let erased = inner.erase(*id);
            drop(lease);
            Ok(erased?)
        });
        // What is still there is found again.
        inner.index().items.remove(id);
        removed
    }

    /// The host says that something changed outside (a new token, a network, an unlocked device): what is blocked or waits for another attempt
    /// is due now.
    pub fn unblock(&self) {
        let mut freed = Vec::new();
        for (id, known) in &mut self.inner.index().items {
            if !known.claimed && matches!(known.hold, Some(State::Blocked(_) | State::Backoff)) {
                (known.hold, known.due) = (None, Some(Duration::ZERO));
                freed.push((*id, known.state()));
            }
        }
        for (id, state) in freed {
            self.inner.tell(Some(id), Change::State(state));
        }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.inner.clock.as_ref()
    }

    pub(crate) fn randomness(&self) -> &dyn Randomness {
        self.inner.randomness.as_ref()
    }
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        // No code that holds it leaves it half changed.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the observer. The caller holds no lock.
    fn tell(&self, item: Option<ItemId>, change: Change) {
        if let Some(observer) = &self.observer {
            observer.on_event(&OutboxEvent { item, change });
        }
    }

    /// After a start: nothing of what other processes do now is touched.
    fn recover(&self) -> Result<(), OutboxError> {
        let swept = self.sweep("items")? + self.sweep("keys")?;
        self.follow()?;
        // Names that are there may not be durable yet; whoever gave them may be dead.
        if self.storage.sync_folder("items").is_ok() {
            self.index().items.values_mut().for_each(|known| known.durable = true);
        }
        for copy in self.storage.list("lent")? {
            let of = copy.name.as_deref().and_then(ItemId::parse);
            if let Some(id) = of.filter(|id| copy.is_file && !self.index().items.contains_key(id)) {
                // It stays until the next start, then.
                let _ = self.storage.remove(&lent_path(id));
            }
        }
        if swept > 0 {
            self.tell(None, Change::Swept { files: swept });
        }
        let files = self.index().foreign;
        if files > 0 {
            self.tell(None, Change::Foreign { files });
        }
        let mut news = News::default();
        // Whether there is a key now matters to whoever adds.
        let _ = self.keys.current(&mut news);
        self.tell_of_keys(news);
        // No item needs an old key then, without a look into any.
        if self.index().items.is_empty() {
            self.keys.sweep();
        }
        Ok(())
    }

    /// Erases what dead processes did not finish to write.
    fn sweep(&self, folder: &str) -> Result<u64, OutboxError> {
        let mut swept = 0;
        for file in self.storage.list(folder)? {
            let Some(name) = file.name.filter(|name| file.is_file && index::is_unfinished(name)) else { continue };
            let path = format!("{folder}/{name}");
            if let Ok(Some(_lease)) = self.storage.lease(&path) {
                swept += u64::from(self.storage.remove(&path).is_ok());
            }
        }
        Ok(swept)
    }

    /// Follows what this and other processes did to the folder. Listed with the index held: no file can come or go between the two.
    fn follow(&self) -> Result<(), StorageError> {
        let mut index = self.index();
        let (files, lent) = (self.storage.list("items")?, self.storage.list("lent")?);
        index.follow(&files, &lent, self.clock.elapsed().saturating_add(LENT_FOR));
        Ok(())
    }

    fn admit(&self, index: &Index, object_bytes: u64) -> Result<(), OutboxError> {
        let Limits { items, bytes, free_bytes, object_bytes: largest } = self.limits;
        let needed = object_bytes.saturating_add(SEALING_ADDS);
        if object_bytes > largest {
            return Err(OutboxError::ObjectTooLarge { maximum: largest });
        }
        if index.count() >= items {
            return Err(OutboxError::FullOfItems { maximum: items });
        }
        if index.bytes().saturating_add(needed) > bytes {
            return Err(OutboxError::FullOfBytes { maximum: bytes });
        }
        let taken = index.adding_bytes().saturating_add(needed);
        if self.storage.free_bytes()?.saturating_sub(taken) < free_bytes {
            return Err(OutboxError::LowSpace { minimum: free_bytes });
        }
        Ok(())
    }

    /// Room for one more object, until it is given back.
    fn reserve(&self, id: ItemId, object_bytes: u64) -> Result<Room<'_>, OutboxError> {
        let mut index = self.index();
        self.admit(&index, object_bytes)?;
        index.adding.insert(id, object_bytes.saturating_add(SEALING_ADDS));
        Ok(Room { inner: self, id })
    }

    /// To whom a new item is sealed. Without the device's key it is the institutions alone.
    fn recipients(&self) -> Result<Recipients, OutboxError> {
        let now = self.clock.now();
        let mut news = News::default();
        let device = self.keys.current(&mut news);
        self.tell_of_keys(news);
        let (device, lacking) = match device {
            Ok(device) => (device, None),
            Err(e @ OutboxError::Seal(SealError::Keystore(_))) => (None, Some(e)),
            Err(e) => return Err(e),
        };
        let recipients = Recipients { device, institutions: self.institutions.clone(), signer: self.signer.clone() };
        recipients.check(now).map_err(|e| lacking.unwrap_or(e.into()))?;
        Ok(recipients)
    }

    fn tell_of_keys(&self, news: News) {
        if news.lost {
            self.tell(None, Change::KeyLost);
        }
        if news.made {
            self.tell(None, Change::KeyMade);
        }
        if news.unavailable {
            self.tell(None, Change::KeyUnavailable);
        }
    }

    fn key(&self, id: &DeviceKeyId) -> Result<Arc<DeviceKey>, OutboxError> {
        let mut news = News::default();
        let key = self.keys.of(id, &mut news);
        self.tell_of_keys(news);
        key
    }

    fn is_sealed_only(&self, known: &Known) -> bool {
        match &known.opener {
            Some(Opener::Device { id, .. }) => self.key(id).is_err_and(|e| e == OutboxError::Unopenable),
            Some(Opener::Institutions) => true,
            None => false,
        }
    }

    /// Seals, and writes durably under the name of what is not finished. What is left after an error is no item.
    fn write(
        &self,
        id: ItemId,
        object: &[u8],
        recipients: &Recipients,
    ) -> Result<(u64, Box<dyn Lease>, Opener), OutboxError> {
        let path = unfinished_path(id);
        let written = {
            let _one_at_a_time = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
            let sealed = seal::seal(object, recipients, self.clock.now(), self.randomness.as_ref())?;
            let opener = Opener::of(seal::inspect(&sealed)?);
            self.storage.create(&path, &sealed).map(|lease| (sealed.len() as u64, lease, opener))
        };
        let durable = written.and_then(|(bytes, lease, opener)| lease.sync().map(|()| (bytes, lease, opener)));
        durable.map_err(|e| {
            // If it stays, the next start sweeps it.
            let _ = self.storage.remove(&path);
            e.into()
        })
    }

    /// Takes an addition back that failed after its bytes were durable.
    fn undo(&self, id: ItemId, lease: Box<dyn Lease>) -> Result<(), OutboxError> {
        self.index().doomed.insert(id, lease);
        self.undo_doomed()
    }

    /// Tries to take back what is not taken back yet.
    fn undo_doomed(&self) -> Result<(), OutboxError> {
        let doomed: Vec<ItemId> = self.index().doomed.keys().copied().collect();
        for id in doomed {
            self.erase(id).map_err(|_| OutboxError::NotUndone)?;
            self.index().doomed.remove(&id);
        }
        Ok(())
    }

    /// Erases every file of an item, durably.
    fn erase(&self, id: ItemId) -> Result<(), StorageError> {
        for path in [lent_path(id), unfinished_path(id), item_path(id, false), item_path(id, true)] {
            match self.storage.remove(&path) {
                Ok(()) | Err(StorageError::Missing) => {}
                Err(e) => return Err(e),
            }
        }
        self.storage.sync_folder("items")
    }

    fn read(&self, id: ItemId, offered: bool) -> Result<Vec<u8>, StorageError> {
        self.storage.read(&item_path(id, offered), LARGEST_FILE)
    }

    /// What a file says of itself, as far as its start can tell. When that is not as it should be, the whole file is asked what is wrong.
    fn head(&self, id: ItemId, offered: bool) -> Result<Result<SealedHead, SealError>, StorageError> {
        let (start, length) = self.storage.read_start(&item_path(id, offered), START)?;
        match seal::inspect_start(&start, length) {
            Err(_) if start.len() as u64 != length => Ok(seal::inspect(&self.read(id, offered)?)),
            said => Ok(said),
        }
    }

    /// Looks at the start of every item that was not looked at yet; what is damaged or unknown becomes poison.
    fn inspect_all(&self) {
        let unseen: Vec<(ItemId, Known)> = {
            let index = self.index();
            let unseen = index
                .items
                .iter()
                .filter(|(_, known)| known.opener.is_none() && known.hold.is_none() && !known.claimed);
            unseen.map(|(id, known)| (*id, known.clone())).collect()
        };
        for (id, mut known) in unseen {
            let poison = self.inspect(id, &mut known);
            if let Some(now) = self.index().items.get_mut(&id).filter(|now| !now.claimed) {
                (now.opener, now.hold, now.due) = (known.opener, known.hold, known.due);
            }
            if let Some(reason) = poison {
                self.tell(Some(id), Change::State(State::Poison(reason)));
            }
        }
    }

    /// Finds out who can open the item, or why nobody can.
    fn inspect(&self, id: ItemId, known: &mut Known) -> Option<Reason> {
        let sealed = match self.head(id, known.offered) {
            Ok(head) => head,
            Err(StorageError::TooLarge) => Err(SealError::Damaged),
            // Another look, later.
            Err(_) => return None,
        };
        let reason = match sealed {
            Ok(head) => {
                known.opener = Some(Opener::of(head));
                return None;
            }
            Err(SealError::UnknownVersion) => Reason::UnknownVersion,
            Err(_) => Reason::Damaged,
        };
        (known.hold, known.due) = (Some(State::Poison(reason)), None);
        Some(reason)
    }
}

/// Room that is set aside for an addition.
struct Room<'a> {
    inner: &'a Inner,
    id: ItemId,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.inner.index().adding.remove(&self.id);
    }
}
