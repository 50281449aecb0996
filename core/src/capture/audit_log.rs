//! Audit chains on the outbox's storage. What happens to the log never stops what happens to an item.
//!
//! | file in `audit` | holds |
//! |---|---|
//! | `<chain>.key` | the chain's secret, sealed by the key store; who has its lease writes the chain |
//! | `<chain>.<part>.log` | up to 64 records and those written with them; replaced as a whole, so never torn |
//! | `<chain>.head` | the chain's head, written after its records |
//!
//! A process goes on with the last chain that no other process writes. Where a chain cannot go on (altered, or its key is lost), it
//! stays as it is, and the next one begins with a gap that says why.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::audit::{AuditKey, Chain, Entry, Event, Record, verify};
use crate::clock::{Clock, Randomness};
use crate::error::{AuditError, KeystoreError, StorageError};
use crate::outbox::{Block, Change, ItemId, Lease, OutboxEvent, OutboxObserver, Parts, State, Storage};
use crate::seal::Keystore;

const FOLDER: &str = "audit";
/// What the key store binds a secret to.
const PURPOSE: &[u8] = b"moulage audit key 1";
/// A part is written anew with each record, so it stays small.
const PART_RECORDS: usize = 64;
/// Records that wait while the log cannot be written; beyond, the oldest are only counted.
const MOST_WAITING: usize = 256;
/// More than any file here takes.
const LARGEST_FILE: u64 = 1 << 20;
/// Chains that are tried before a new one begins.
const CHAINS_TRIED: usize = 16;

/// Records what an outbox tells. Without a key store nothing can be recorded, only counted.
pub struct AuditLog {
    storage: Arc<dyn Storage>,
    keystore: Option<Arc<dyn Keystore>>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    waiting: Mutex<Waiting>,
    /// One thread writes, for all; what comes meanwhile is its next batch.
    writer: Mutex<Option<Writer>>,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// Events that no record will tell of.
    missed: u64,
}

impl AuditLog {
    pub(super) fn new(parts: &Parts) -> Self {
        let (clock, randomness) = (Arc::clone(&parts.clock), Arc::clone(&parts.randomness));
        Self::on(Arc::clone(&parts.storage), parts.keystore.clone(), clock, randomness)
    }

    /// A log without an outbox: for a gateway, or whoever else opens items.
    #[must_use]
    pub fn on(
        storage: Arc<dyn Storage>,
        keystore: Option<Arc<dyn Keystore>>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self { storage, keystore, clock, randomness, waiting: Mutex::default(), writer: Mutex::default() }
    }

    /// Records an event. When the log cannot be written now, the record waits for the next event; of more than 256 that wait, the
    /// oldest are dropped, and a [`Event::Gap`] tells how many. An event may be recorded twice when a write failed half-way.
    pub fn record(&self, event: Event, item: Option<&ItemId>, code: &'static str) {
        self.push(event, item, code, 0);
        self.flush();
    }

    /// Events that are in no durable record yet.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        let waiting = self.waiting();
        waiting.missed + waiting.entries.len() as u64
    }

    fn push(&self, event: Event, item: Option<&ItemId>, code: &'static str, count: u64) {
        let item = item.and_then(|item| u128::from_str_radix(&item.to_string(), 16).ok()).map(u128::to_be_bytes);
        let entry = Entry { moment: self.clock.now(), event, item, code, count };
        let mut waiting = self.waiting();
        if waiting.entries.len() == MOST_WAITING {
            waiting.entries.pop_front();
            waiting.missed = waiting.missed.saturating_add(1);
        }
        waiting.entries.push_back(entry);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) {
        // Whoever finds the writer busy leaves; the writer looks again after it has let go.
        while self.unwritten() > 0 {
            let mut writer = match self.writer.try_lock() {
                Ok(writer) => writer,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            if self.write(&mut writer).is_err() {
                // What of it is on the storage is found out when the chain is opened again.
                *writer = None;
                return;
            }
        }
    }

    fn write(&self, writer: &mut Option<Writer>) -> Result<(), Unwritable> {
        let writer = match writer {
            Some(writer) => writer,
            None => writer.insert(Writer::open(self)?),
        };
        let (entries, missed) = {
            let waiting = self.waiting();
            (waiting.entries.iter().copied().collect::<Vec<_>>(), waiting.missed)
        };
        let gap = (missed > 0).then(|| self.gap("not-written", missed));
        writer.append(&gap.into_iter().chain(entries.iter().copied()).collect::<Vec<_>>())?;
        let mut waiting = self.waiting();
        // Those that were dropped meanwhile were the oldest: written ones, as far as there are any.
        let dropped = waiting.missed - missed;
        let written = entries.len() as u64;
        waiting.missed = dropped.saturating_sub(written);
        waiting.entries.drain(..written.saturating_sub(dropped) as usize);
        Ok(())
    }

    fn gap(&self, code: &'static str, count: u64) -> Entry {
        Entry { moment: self.clock.now(), event: Event::Gap, item: None, code, count }
    }
}

impl OutboxObserver for AuditLog {
    fn on_event(&self, event: &OutboxEvent) {
        let item = event.item.as_ref();
        let (event, code, count) = match event.change {
            Change::Captured { .. } => {
                self.push(Event::Captured, item, "", 0);
                (Event::Sealed, "", 0)
            }
            Change::Replaced => (Event::Sealed, "replaced", 0),
            Change::Stored(confirmation) => (Event::Stored, confirmation.code(), 0),
            Change::Removed => (Event::Removed, "", 0),
            Change::Exported => (Event::Exported, "", 0),
            Change::KeyMade => (Event::KeyMade, "", 0),
            Change::KeyLost | Change::KeyUnavailable => (Event::KeyTrouble, event.change.code(), 0),
            Change::Retried => (Event::Noted, event.change.code(), 0),
            Change::Swept { files } | Change::Foreign { files } => (Event::Noted, event.change.code(), files),
            Change::State(State::Poison(reason)) => (Event::Refused, reason.code(), 0),
            Change::State(State::Blocked(Block::Auth)) => (Event::AuthenticationFailed, "", 0),
            Change::State(State::Blocked(block)) => (Event::Noted, block.code(), 0),
            Change::State(state @ (State::Sending | State::Lent)) => (Event::Sent, state.code(), 0),
            Change::State(state) => (Event::Noted, state.code(), 0),
        };
        self.push(event, item, code, count);
        self.flush();
    }
}

/// The log cannot be written now.
struct Unwritable;

impl From<StorageError> for Unwritable {
    fn from(_: StorageError) -> Self {
        Self
    }
}

/// The end of a chain that this process alone writes.
struct Writer {
    storage: Arc<dyn Storage>,
    number: u64,
    chain: Chain,
    part: u64,
    /// The part's records.
    lines: String,
    records: usize,
    /// On the chain's key.
    _lease: Box<dyn Lease>,
}

/// What became of a chain.
enum Found {
    Going(Box<Writer>),
    Busy,
    Broken(&'static str),
}

impl Writer {
    fn open(log: &AuditLog) -> Result<Self, Unwritable> {
        let keystore = log.keystore.as_deref().ok_or(Unwritable)?;
        let chains = Chains::list(&*log.storage)?;
        let mut broken = None;
        for (number, parts) in chains.0.iter().rev().take(CHAINS_TRIED) {
            match Self::resume(log, keystore, *number, parts)? {
                Found::Going(writer) => return Ok(*writer),
                Found::Busy => {}
                Found::Broken(code) => {
                    broken.get_or_insert(code);
                }
            }
        }
        let number = chains.0.last_key_value().map_or(0, |(last, _)| last + 1);
        let mut writer = Self::begin(log, keystore, number)?;
        if let Some(code) = broken {
            writer.append(&[log.gap(code, 0)])?;
        }
        Ok(writer)
    }

    fn begin(log: &AuditLog, keystore: &dyn Keystore, number: u64) -> Result<Self, Unwritable> {
        let secret = AuditKey::draw(&*log.randomness).map_err(|_| Unwritable)?;
        let sealed = keystore.seal(PURPOSE, &*secret).map_err(|_| Unwritable)?;
        let lease = log.storage.create(&key_path(number), &sealed)?;
        lease.sync()?;
        log.storage.sync_folder(FOLDER)?;
        let writer = Self::at_its_begin(log, number, AuditKey::new(&secret), lease);
        writer.write_head()?;
        Ok(writer)
    }

    fn at_its_begin(log: &AuditLog, number: u64, key: AuditKey, lease: Box<dyn Lease>) -> Self {
        let (storage, chain) = (Arc::clone(&log.storage), Chain::begin(key));
        Self { storage, number, chain, part: 0, lines: String::new(), records: 0, _lease: lease }
    }

    fn resume(
        log: &AuditLog,
        keystore: &dyn Keystore,
        number: u64,
        parts: &BTreeSet<u64>,
    ) -> Result<Found, Unwritable> {
        let lease = match log.storage.lease(&key_path(number)) {
            Ok(Some(lease)) => lease,
            Ok(None) => return Ok(Found::Busy),
            Err(StorageError::Missing) => return Ok(Found::Broken(AuditError::Key.code())),
            Err(error) => return Err(error.into()),
        };
        let key = match key(&*log.storage, keystore, number) {
            Ok(key) => key,
            Err(Locked::ForGood) => return Ok(Found::Broken(AuditError::Key.code())),
            Err(Locked::Now) => return Err(Unwritable),
        };
        let mut writer = Self::at_its_begin(log, number, AuditKey::new(&key), lease);
        let head = match log.storage.read(&head_path(number), LARGEST_FILE) {
            Err(StorageError::Missing) if parts.is_empty() => {
                // A crash came before it.
                writer.write_head()?;
                return Ok(Found::Going(Box::new(writer)));
            }
            Err(StorageError::Missing | StorageError::TooLarge) => return Ok(Found::Broken(AuditError::Head.code())),
            read => read?,
        };
        let mut lines = Vec::new();
        if let Some(last) = parts.last() {
            lines = log.storage.read(&part_path(number, *last), LARGEST_FILE)?;
            writer.part = *last;
        }
        let whole = Chain::resume(AuditKey::new(&key), &lines, &head).and_then(|(chain, whole)| {
            let torn = AuditError::Torn { record: chain.records() };
            if whole == lines.len() { Ok(chain) } else { Err(torn) }
        });
        match whole {
            Ok(chain) => writer.chain = chain,
            Err(error) => return Ok(Found::Broken(error.code())),
        }
        writer.records = lines.iter().filter(|byte| **byte == b'\n').count();
        writer.lines = String::from_utf8(lines).unwrap_or_default();
        if writer.chain.head().as_bytes() != head {
            // A crash came before it; the next part must not begin beyond it.
            writer.write_head()?;
        }
        Ok(Found::Going(Box::new(writer)))
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), Unwritable> {
        if self.records >= PART_RECORDS {
            (self.part, self.records) = (self.part + 1, 0);
            self.lines.clear();
        }
        for entry in entries {
            self.lines += &self.chain.append(entry);
        }
        self.records += entries.len();
        self.replace(&part_path(self.number, self.part), self.lines.as_bytes())?;
        self.write_head()
    }

    fn write_head(&self) -> Result<(), Unwritable> {
        self.replace(&head_path(self.number), self.chain.head().as_bytes())
    }

    /// After a crash the file is the old or the new one.
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), Unwritable> {
        let unfinished = format!("{path}.tmp");
        match self.storage.remove(&unfinished) {
            Ok(()) | Err(StorageError::Missing) => {}
            Err(error) => return Err(error.into()),
        }
        self.storage.create(&unfinished, bytes)?.sync()?;
        self.storage.rename(&unfinished, path)?;
        Ok(self.storage.sync_folder(FOLDER)?)
    }
}

/// The chains that are there, and the parts of each.
struct Chains(BTreeMap<u64, BTreeSet<u64>>);

impl Chains {
    fn list(storage: &dyn Storage) -> Result<Self, StorageError> {
        let mut chains: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for name in storage.list(FOLDER)?.into_iter().filter_map(|file| file.name) {
            let words: Vec<&str> = name.split('.').collect();
            let number = |word: &str| u64::from_str_radix(word, 16).ok().filter(|_| word.len() == 8);
            match words[..] {
                [chain, "key" | "head"] => drop(number(chain).map(|chain| chains.entry(chain).or_default())),
                [chain, part, "log"] => {
                    if let (Some(chain), Some(part)) = (number(chain), number(part)) {
                        chains.entry(chain).or_default().insert(part);
                    }
                }
                _ => {}
            }
        }
        Ok(Self(chains))
    }
}

fn key_path(chain: u64) -> String {
    format!("{FOLDER}/{chain:08x}.key")
}

fn head_path(chain: u64) -> String {
    format!("{FOLDER}/{chain:08x}.head")
}

fn part_path(chain: u64, part: u64) -> String {
    format!("{FOLDER}/{chain:08x}.{part:08x}.log")
}

enum Locked {
    Now,
    ForGood,
}

fn key(storage: &dyn Storage, keystore: &dyn Keystore, chain: u64) -> Result<[u8; 32], Locked> {
    let sealed = storage.read(&key_path(chain), LARGEST_FILE).map_err(|error| match error {
        StorageError::Missing | StorageError::TooLarge => Locked::ForGood,
        _ => Locked::Now,
    })?;
    let secret = keystore.unseal(PURPOSE, &sealed).map_err(|error| match error {
        KeystoreError::Invalidated => Locked::ForGood,
        KeystoreError::Locked | KeystoreError::Unavailable => Locked::Now,
    })?;
    secret.as_slice().try_into().map_err(|_| Locked::ForGood)
}

/// Reads all chains of an outbox: for each, from the first on, its records, or what is wrong with it.
///
/// A chain that is missing as a whole is [`AuditError::Missing`], unless it is the last one: what was the last to be written can
/// be rolled back, or taken away, without a trace by whoever can write here. Keep exports elsewhere.
///
/// # Errors
/// [`StorageError`] when the folder cannot be listed.
pub fn verify_audit(
    storage: &dyn Storage,
    keystore: &dyn Keystore,
) -> Result<Vec<Result<Vec<Record>, AuditError>>, StorageError> {
    let chains = Chains::list(storage)?;
    let last = chains.0.last_key_value().map(|(last, _)| *last);
    let verdict = |number: u64| {
        let parts = chains.0.get(&number).ok_or(AuditError::Missing)?;
        let key = key(storage, keystore, number).map_err(|_| AuditError::Key)?;
        // The head first: records may come meanwhile, but none may be missing.
        let head = storage.read(&head_path(number), LARGEST_FILE).map_err(|_| AuditError::Head)?;
        let mut log = Vec::new();
        for part in Chains::list(storage).ok().and_then(|now| now.0.get(&number).cloned()).as_ref().unwrap_or(parts) {
            log.extend(storage.read(&part_path(number, *part), LARGEST_FILE).map_err(|_| AuditError::Missing)?);
        }
        verify(&AuditKey::new(&key), &log, &head)
    };
    // Names are eight digits; nobody makes so many chains, and whoever plants one far off hears that those before it are missing.
    Ok(last.map_or(0..0, |last| 0..last.min(99_999) + 1).map(verdict).collect())
}

#[cfg(test)]
mod tests;
