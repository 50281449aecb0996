//! A machine in memory, for tests: its disk forgets at a power cut what was not made durable, its calls fail when told to, and its processes
//! can be killed. Fast enough for millions of crashes.
//!
//! ```text
//! let (machine, world) = (Machine::new(None), World::new(seed));
//! let outbox = world.open(&machine, None)?;
//! machine.crash_after(17);           // the 17th call from now does its work and never returns: everything fails until ...
//! outbox.add(b"...");
//! machine.power_cut(Loss::random(seed));   // ... this: processes are gone, the disk is what the loss left of it
//! let outbox = world.open(&machine, None)?;
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, TimeDelta};
use zeroize::Zeroizing;

use super::storage::{Entry, Lease, Mark, Storage};
use super::{Outbox, OutboxObserver, Parts};
use crate::clock::{Clock, Randomness, RandomnessUnavailable};
use crate::error::{KeystoreError, OutboxError, StorageError};
use crate::seal::{self, DeviceKey, Institution, Keystore};

/// Mistakes that the tests must find: the first four are planted in the storage (the call is left out, or does the wrong thing), the others in
/// the uploader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlantedBug {
    /// Files are never synced.
    NoFsync,
    /// Folders are never synced.
    NoFolderFsync,
    /// That an item was offered is appended to its file.
    TornAppend,
    /// The operating system is lent the only copy.
    LendOnlyCopy,
    /// Erased before the archive confirmed.
    DeleteBeforeConfirm,
    /// Sent again without asking.
    BlindRepost,
    /// A retry mints a new SOP Instance UID.
    NewUidOnRetry,
    /// Asked at once after an ambiguous answer.
    NoQuarantine,
}

/// What a power cut takes of what was not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) names: Names,
    pub(crate) bytes: Tear,
}

/// Which of the changes to folders that were not synced are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    All,
    None,
    /// The one of this number.
    Only(usize),
    /// All but the one of this number.
    AllBut(usize),
    /// As this seed says.
    Random(u64),
}

/// How much is kept of bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tear {
    Whole,
    Nothing,
    OneByte,
    Half,
    ButOneByte,
    /// The length, but zeros.
    Zeros,
    /// One of these.
    Random(u64),
}

impl Loss {
    pub(crate) const NOTHING: Self = Self { names: Names::All, bytes: Tear::Whole };
    pub(crate) const EVERYTHING: Self = Self { names: Names::None, bytes: Tear::Nothing };

    pub(crate) fn random(seed: u64) -> Self {
        Self { names: Names::Random(seed), bytes: Tear::Random(seed.rotate_left(32)) }
    }
}

/// A call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) error: StorageError,
    /// It does its work nevertheless.
    pub(crate) is_done: bool,
    /// So many calls fail.
    pub(crate) times: u64,
}

/// The machine. Its disk outlives its processes.
#[derive(Clone)]
pub(crate) struct Machine(Arc<Mutex<Disk>>);

/// Names, and the file that each has from then on.
type Changes = Vec<(String, Option<u64>)>;

#[derive(Clone, Default)]
struct Disk {
    names: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    /// Changes of names that are not durable: they are kept or lost as a whole.
    pending: Vec<Changes>,
    files: BTreeMap<u64, File>,
    room: Option<u64>,
    /// The next number of a file, a mark, a lease or a process.
    next: u64,
    calls: u64,
    bytes_read: u64,
    crash_at: Option<u64>,
    faults: Option<(u64, Fault)>,
    down: bool,
    /// The lease that the call under way gives: file and lease.
    granted: Option<(u64, u64)>,
    /// Processes of this number and later ones live, the killed ones excepted.
    alive_from: u64,
    killed: Vec<u64>,
}

#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    /// So many of them are durable.
    synced: usize,
    /// A sync failed: later ones say that all is well, and it is not.
    lied: bool,
    mark: u64,
    /// Lease and process.
    holder: Option<(u64, u64)>,
}

impl Machine {
    /// A machine whose disk holds `room` bytes, or any number of them.
    pub(crate) fn new(room: Option<u64>) -> Self {
        Self(Arc::new(Mutex::new(Disk { room, ..Disk::default() })))
    }

    /// Another machine that is in the same state. Its processes are gone.
    pub(crate) fn copy(&self) -> Self {
        let mut disk = self.disk().clone();
        disk.restart();
        (disk.down, disk.crash_at, disk.faults) = (false, None, None);
        Self(Arc::new(Mutex::new(disk)))
    }

    /// Starts a process.
    pub(crate) fn start(&self, bug: Option<PlantedBug>) -> SimulatedStorage {
        let process = self.disk().number();
        SimulatedStorage { machine: self.clone(), process, bug }
    }

    /// The machine stops within the call of this number from now (1: the next), after that call did its work.
    pub(crate) fn crash_after(&self, calls: u64) {
        let mut disk = self.disk();
        disk.crash_at = Some(disk.calls + calls);
    }

    /// The call of this number from now (1: the next) fails, and as many after it as the fault says.
    pub(crate) fn fail_after(&self, calls: u64, fault: Fault) {
        let mut disk = self.disk();
        disk.faults = Some((disk.calls + calls, fault));
    }

    /// Has it stopped?
    pub(crate) fn is_down(&self) -> bool {
        self.disk().down
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.disk().calls
    }

    /// Bytes of files that were read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.disk().bytes_read
    }

    /// Changes of names that are not durable.
    pub(crate) fn pending(&self) -> usize {
        self.disk().pending.len()
    }

    /// How much the disk holds from now on.
    pub(crate) fn set_room(&self, room: Option<u64>) {
        self.disk().room = room;
    }

    /// Bytes that the files take.
    pub(crate) fn used(&self) -> u64 {
        self.disk().used()
    }

    /// Every file, by its path.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let disk = self.disk();
        disk.names.iter().map(|(path, file)| (path.clone(), disk.files[file].bytes.clone())).collect()
    }

    /// Puts a file there, durably, as if by another hand.
    pub(crate) fn plant(&self, path: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        let (number, mark) = (disk.number(), disk.number());
        disk.files.insert(number, File { bytes: bytes.to_vec(), synced: bytes.len(), mark, ..File::default() });
        disk.names.insert(path.to_owned(), number);
        disk.durable.insert(path.to_owned(), number);
    }

    /// Removes a file, durably, as if by another hand.
    pub(crate) fn uproot(&self, path: &str) {
        let mut disk = self.disk();
        disk.names.remove(path);
        disk.durable.remove(path);
    }

    /// Power fails and comes back: all processes are gone, and what `loss` says of what was not durable.
    pub(crate) fn power_cut(&self, loss: Loss) {
        self.disk().power_cut(loss);
    }

    /// All processes die; the disk forgets nothing, but nothing became durable either.
    pub(crate) fn kill_all(&self) {
        self.disk().restart();
    }

    /// Calls work again.
    pub(crate) fn mend(&self) {
        self.disk().faults = None;
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }
}

impl Disk {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn restart(&mut self) {
        self.alive_from = self.next + 1;
        self.killed.clear();
        self.files.values_mut().for_each(|file| file.holder = None);
    }

    fn power_cut(&mut self, loss: Loss) {
        self.restart();
        (self.down, self.crash_at, self.faults) = (false, None, None);
        let dice = |seed: &mut u64| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 33) as usize
        };
        let Loss { mut names, bytes } = loss;
        for (n, changes) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            let kept = match &mut names {
                Names::All => true,
                Names::None => false,
                Names::Only(one) => n == *one,
                Names::AllBut(one) => n != *one,
                Names::Random(seed) => dice(seed) % 2 == 0,
            };
            if kept {
                self.durable.extend_names(changes);
            }
        }
        self.names = self.durable.clone();
        let names = &self.names;
        self.files.retain(|number, _| names.values().any(|named| named == number));
        let mut seed = if let Tear::Random(seed) = bytes { seed } else { 0 };
        for file in self.files.values_mut() {
            let torn = match bytes {
                Tear::Random(_) => {
                    [Tear::Whole, Tear::Nothing, Tear::OneByte, Tear::Half, Tear::ButOneByte, Tear::Zeros]
                        [dice(&mut seed) % 6]
                }
                torn => torn,
            };
            let tail = file.bytes.len() - file.synced;
            let kept = match torn {
                Tear::Whole | Tear::Zeros | Tear::Random(_) => tail,
                Tear::Nothing => 0,
                Tear::OneByte => 1.min(tail),
                Tear::Half => tail / 2,
                Tear::ButOneByte => tail.saturating_sub(1),
            };
            file.bytes.truncate(file.synced + kept);
            if torn == Tear::Zeros {
                file.bytes[file.synced..].fill(0);
            }
            (file.synced, file.lied) = (file.bytes.len(), false);
        }
    }

    fn used(&self) -> u64 {
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        named.iter().map(|number| self.files[number].bytes.len() as u64).sum()
    }

    fn left(&self) -> u64 {
        self.room.map_or(1 << 40, |room| room.saturating_sub(self.used()))
    }

    fn change(&mut self, changes: Changes) {
        self.names.extend_names(changes.clone());
        self.pending.push(changes);
    }

    fn file(&self, path: &str) -> Result<u64, StorageError> {
        self.names.get(path).copied().ok_or(StorageError::Missing)
    }

    fn grant(&mut self, file: u64, process: u64) -> Option<(u64, u64)> {
        let lease = self.number();
        let file_held = self.files.get_mut(&file).filter(|file| file.holder.is_none())?;
        file_held.holder = Some((lease, process));
        self.granted = Some((file, lease));
        self.granted
    }

    fn release(&mut self, file: u64, lease: u64) {
        let held = |file: &&mut File| file.holder.is_some_and(|(held, _)| held == lease);
        self.files.get_mut(&file).filter(held).into_iter().for_each(|file| file.holder = None);
    }
}

trait ExtendNames {
    fn extend_names(&mut self, changes: Changes);
}

impl ExtendNames for BTreeMap<String, u64> {
    fn extend_names(&mut self, changes: Changes) {
        for (path, file) in changes {
            match file {
                Some(file) => self.insert(path, file),
                None => self.remove(&path),
            };
        }
    }
}

/// What one process sees of the disk.
#[derive(Clone)]
pub(crate) struct SimulatedStorage {
    machine: Machine,
    process: u64,
    bug: Option<PlantedBug>,
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    /// With the work done, or not.
    Fails(StorageError, bool),
    /// There is no process any more that could call.
    Dead,
}

/// That an item was offered, with [`PlantedBug::TornAppend`].
const RECORD: &[u8] = b"OFFERED.";

impl SimulatedStorage {
    /// This process dies.
    pub(crate) fn kill(&self) {
        let mut disk = self.machine.disk();
        disk.killed.push(self.process);
        let process = self.process;
        let held = disk.files.values_mut().filter(|file| file.holder.is_some_and(|(_, holder)| holder == process));
        held.for_each(|file| file.holder = None);
    }

    /// All that an outbox needs.
    pub(crate) fn parts(&self, world: &World) -> Parts {
        Parts {
            storage: Arc::new(self.clone()),
            keystore: world.keystore.clone().map(|keystore| keystore as Arc<dyn Keystore>),
            institutions: world.institutions.clone(),
            signer: None,
            clock: world.clock.clone(),
            randomness: world.randomness.clone(),
            observer: world.observer.clone(),
        }
    }

    fn fate(&self, disk: &mut Disk) -> Fate {
        if disk.down || self.process < disk.alive_from || disk.killed.contains(&self.process) {
            return Fate::Dead;
        }
        disk.calls += 1;
        if disk.crash_at == Some(disk.calls) {
            disk.down = true;
            return Fate::Fails(StorageError::Failed, true);
        }
        match disk.faults {
            Some((from, fault)) if (from..from.saturating_add(fault.times)).contains(&disk.calls) => {
                Fate::Fails(fault.error, fault.is_done)
            }
            _ => Fate::Works,
        }
    }

    fn call<T>(&self, work: impl FnOnce(&mut Disk) -> Result<T, StorageError>) -> Result<T, StorageError> {
        let mut disk = self.machine.disk();
        match self.fate(&mut disk) {
            Fate::Works => work(&mut disk),
            Fate::Dead => Err(StorageError::Failed),
            Fate::Fails(error, is_done) => {
                disk.granted = None;
                if is_done {
                    let _ = work(&mut disk);
                }
                if let Some((file, lease)) = disk.granted {
                    disk.release(file, lease);
                }
                Err(error)
            }
        }
    }

    fn leased(&self, (file, lease): (u64, u64)) -> Box<dyn Lease> {
        Box::new(SimulatedLease { storage: self.clone(), lease, file })
    }
}

impl Storage for SimulatedStorage {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, StorageError> {
        self.call(|disk| {
            let entry = |(path, number): (&String, &u64)| {
                let name = path.strip_prefix(folder)?.strip_prefix('/')?;
                let file = &disk.files[number];
                let (bytes, age) = (file.bytes.len() as u64, file.mark.into());
                Some(Entry { name: Some(name.to_owned()), is_file: true, bytes, age })
            };
            Ok(disk
                .names
                .range(folder.to_owned()..)
                .map_while(|named| named.0.starts_with(folder).then(|| entry(named)).flatten())
                .collect())
        })
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, StorageError> {
        self.call(|disk| {
            let bytes = &disk.files[&disk.file(path)?].bytes;
            if bytes.len() as u64 > limit {
                return Err(StorageError::TooLarge);
            }
            let record = if self.bug == Some(PlantedBug::TornAppend) { RECORD } else { &[] };
            let bytes = bytes.strip_suffix(record).unwrap_or(bytes).to_vec();
            disk.bytes_read += bytes.len() as u64;
            Ok(bytes)
        })
    }

    fn read_start(&self, path: &str, most: u64) -> Result<(Vec<u8>, u64), StorageError> {
        self.call(|disk| {
            let bytes = &disk.files[&disk.file(path)?].bytes;
            let record = if self.bug == Some(PlantedBug::TornAppend) { RECORD } else { &[] };
            let bytes = bytes.strip_suffix(record).unwrap_or(bytes);
            let (start, length) = (bytes[..bytes.len().min(most as usize)].to_vec(), bytes.len() as u64);
            disk.bytes_read += start.len() as u64;
            Ok((start, length))
        })
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<Box<dyn Lease>, StorageError> {
        let granted = self.call(|disk| {
            if disk.names.contains_key(path) {
                return Err(StorageError::Exists);
            }
            let fits = usize::try_from(disk.left()).unwrap_or(usize::MAX).min(bytes.len());
            let (number, mark) = (disk.number(), disk.number());
            disk.files.insert(number, File { bytes: bytes[..fits].to_vec(), mark, ..File::default() });
            disk.change(vec![(path.to_owned(), Some(number))]);
            if fits < bytes.len() {
                return Err(StorageError::Full);
            }
            disk.grant(number, self.process).ok_or(StorageError::Failed)
        });
        granted.map(|granted| self.leased(granted))
    }

    fn lease(&self, path: &str) -> Result<Option<Box<dyn Lease>>, StorageError> {
        let granted = self.call(|disk| {
            let file = disk.file(path)?;
            Ok(disk.grant(file, self.process))
        });
        Ok(granted?.map(|granted| self.leased(granted)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.call(|disk| {
            let file = disk.file(from)?;
            if self.bug == Some(PlantedBug::TornAppend) && !to.contains("fresh") {
                let fits = usize::try_from(disk.left()).unwrap_or(usize::MAX).min(RECORD.len());
                disk.files.get_mut(&file).unwrap().bytes.extend_from_slice(&RECORD[..fits]);
            }
            disk.change(vec![(from.to_owned(), None), (to.to_owned(), Some(file))]);
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &str) -> Result<(), StorageError> {
        let mut disk = self.machine.disk();
        let fate = self.fate(&mut disk);
        if fate == Fate::Dead {
            return Err(StorageError::Failed);
        }
        if self.bug != Some(PlantedBug::NoFolderFsync) {
            let here = |changes: &Changes| changes.iter().any(|(path, _)| path.starts_with(folder));
            let (synced, others): (Vec<Changes>, Vec<Changes>) =
                std::mem::take(&mut disk.pending).into_iter().partition(here);
            disk.pending = others;
            // What a failing sync does not make durable is taken for durable by the next.
            if !matches!(fate, Fate::Fails(_, false)) {
                synced.into_iter().for_each(|changes| disk.durable.extend_names(changes));
            }
        }
        match fate {
            Fate::Fails(error, _) => Err(error),
            _ => Ok(()),
        }
    }

    fn remove(&self, path: &str) -> Result<(), StorageError> {
        self.call(|disk| {
            disk.file(path)?;
            disk.change(vec![(path.to_owned(), None)]);
            Ok(())
        })
    }

    fn duplicate(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.call(|disk| {
            let file = disk.file(from)?;
            if disk.names.contains_key(to) {
                return Err(StorageError::Exists);
            }
            let mut changes = vec![(to.to_owned(), Some(file))];
            if self.bug == Some(PlantedBug::LendOnlyCopy) {
                changes.push((from.to_owned(), None));
            }
            disk.change(changes);
            Ok(())
        })
    }

    fn free_bytes(&self) -> Result<u64, StorageError> {
        self.call(|disk| Ok(disk.left()))
    }

    fn place(&self, path: &str) -> Option<PathBuf> {
        Some(PathBuf::from(path))
    }
}

struct SimulatedLease {
    storage: SimulatedStorage,
    lease: u64,
    file: u64,
}

impl Lease for SimulatedLease {
    fn sync(&self) -> Result<(), StorageError> {
        let mut disk = self.storage.machine.disk();
        let fate = self.storage.fate(&mut disk);
        let Some(file) = disk.files.get_mut(&self.file) else { return Err(StorageError::Failed) };
        match fate {
            Fate::Works | Fate::Fails(_, true) => {
                if !file.lied && self.storage.bug != Some(PlantedBug::NoFsync) {
                    file.synced = file.bytes.len();
                }
            }
            Fate::Fails(_, false) => file.lied = true,
            Fate::Dead => {}
        }
        match fate {
            Fate::Works => Ok(()),
            Fate::Fails(error, _) => Err(error),
            Fate::Dead => Err(StorageError::Failed),
        }
    }

    fn mark(&self) -> Result<Mark, StorageError> {
        self.storage.call(|disk| {
            let mark = disk.files.get(&self.file).ok_or(StorageError::Missing)?.mark;
            Ok(Mark { file: self.file, mark: mark.into() })
        })
    }

    fn mark_anew(&self) -> Result<Mark, StorageError> {
        self.storage.call(|disk| {
            let mark = disk.number();
            disk.files.get_mut(&self.file).ok_or(StorageError::Missing)?.mark = mark;
            Ok(Mark { file: self.file, mark: mark.into() })
        })
    }
}

impl Drop for SimulatedLease {
    fn drop(&mut self) {
        self.storage.machine.disk().release(self.file, self.lease);
    }
}

/// What surrounds the outbox on the machine, but for its disk.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) clock: Arc<SimulatedClock>,
    pub(crate) randomness: Arc<SimulatedRandomness>,
    pub(crate) keystore: Option<Arc<SimulatedKeystore>>,
    pub(crate) institutions: Vec<Institution>,
    pub(crate) observer: Option<Arc<dyn OutboxObserver>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            clock: Arc::default(),
            randomness: Arc::new(SimulatedRandomness::new(seed)),
            keystore: Some(Arc::default()),
            institutions: Vec::new(),
            observer: None,
        }
    }

    /// One whose certificate is valid.
    pub(crate) fn institution() -> Institution {
        Institution::from_certificate(include_bytes!("../seal/golden/p256.crt")).unwrap()
    }

    /// One of whose certificate only the last day was changed. No chain is followed, so that nobody minds.
    pub(crate) fn expired_institution() -> Institution {
        let (_, mut certificate) = der::pem::decode_vec(include_bytes!("../seal/golden/p384.crt")).unwrap();
        let last = memchr::memmem::find(&certificate, b"21261031").unwrap();
        certificate[last..][..8].copy_from_slice(b"20261231");
        Institution::from_certificate(&certificate).unwrap()
    }

    /// What an institution that this was sealed to would find in it; `None`: it was sealed to none, or is damaged. The simulation opens it with the device's
    /// key.
    pub(crate) fn open_as_institution(&self, machine: &Machine, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let head = seal::inspect(sealed).ok()?;
        let path = format!("keys/{}", head.device?);
        let (_, file) = machine.files().into_iter().find(|(of, _)| *of == path)?;
        let key = DeviceKey::reopen(file.get(8..)?, self.keystore.as_ref()?.as_ref()).ok()?;
        seal::open(sealed, &key).ok().filter(|_| head.institutions > 0)
    }

    /// A new process on the machine opens the outbox.
    pub(crate) fn open(&self, machine: &Machine, bug: Option<PlantedBug>) -> Result<Outbox, OutboxError> {
        Outbox::open(machine.start(bug).parts(self), LIMITS)
    }
}

/// The usual limits, but that a small disk may be filled.
pub(crate) const LIMITS: super::Limits =
    super::Limits { items: 1000, bytes: 2 << 30, free_bytes: 0, object_bytes: 64 << 20 };

/// A clock that stands still until it is put on.
#[derive(Default)]
pub(crate) struct SimulatedClock {
    elapsed: AtomicU64,
    /// Seconds of wall time beyond what has passed.
    ahead: AtomicU64,
}

impl SimulatedClock {
    pub(crate) fn pass(&self, time: Duration) {
        self.elapsed.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set_ahead(&self, by: TimeDelta) {
        self.ahead.store(by.num_seconds().cast_unsigned(), Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> DateTime<FixedOffset> {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap().fixed_offset();
        let ahead = TimeDelta::seconds(self.ahead.load(Ordering::Relaxed).cast_signed());
        start + TimeDelta::from_std(self.elapsed()).unwrap() + ahead
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed.load(Ordering::Relaxed))
    }
}

/// Numbers that repeat with their seed (SplitMix64).
pub(crate) struct SimulatedRandomness(AtomicU64);

impl SimulatedRandomness {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Randomness for SimulatedRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ z >> 31).to_be_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A keystore that can be told to fail. It hides nothing.
#[derive(Default)]
pub(crate) struct SimulatedKeystore {
    trouble: AtomicU8,
    pub(crate) calls: AtomicU64,
}

impl SimulatedKeystore {
    /// What it answers from now on.
    pub(crate) fn set(&self, trouble: Option<KeystoreError>) {
        let trouble = match trouble {
            None => 0,
            Some(KeystoreError::Locked) => 1,
            Some(KeystoreError::Invalidated) => 2,
            Some(KeystoreError::Unavailable) => 3,
        };
        self.trouble.store(trouble, Ordering::Relaxed);
    }

    fn answer(&self, bytes: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.trouble.load(Ordering::Relaxed) {
            0 => Ok(bytes.to_vec()),
            1 => Err(KeystoreError::Locked),
            2 => Err(KeystoreError::Invalidated),
            _ => Err(KeystoreError::Unavailable),
        }
    }
}

impl Keystore for SimulatedKeystore {
    fn seal(&self, _associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        self.answer(secret)
    }

    fn unseal(&self, _associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        self.answer(sealed).map(Zeroizing::new)
    }
}
