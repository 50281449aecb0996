//! What this process knows of the items. All of it may be forgotten: the folder is the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use super::item::{ItemId, State};
use super::storage::{Entry as File, Lease, Mark};
use crate::seal::{DeviceKeyId, SealedHead};

/// The name of an item that no archive was ever offered.
const FRESH: &str = ".fresh.cms";
/// The name of any other.
const OFFERED: &str = ".cms";
/// The name of a file that is being written.
const UNFINISHED: &str = ".tmp";

pub(super) fn item_path(id: ItemId, offered: bool) -> String {
    format!("items/{id}{}", if offered { OFFERED } else { FRESH })
}

pub(super) fn unfinished_path(id: ItemId) -> String {
    format!("items/{id}{UNFINISHED}")
}

pub(super) fn lent_path(id: ItemId) -> String {
    format!("lent/{id}")
}

/// Is it the name of a file that is being written?
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(UNFINISHED).and_then(ItemId::parse).is_some()
}

/// When an archive may last have got an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Never.
    Never,
    /// Not later than this, by the clock's elapsed time.
    At(Duration),
    /// Perhaps, at some time before this process had its lease.
    Before,
}

/// Who can open an item.
#[derive(Clone)]
pub(super) enum Opener {
    /// The device, with this key, and the institutions that it was sealed to; `alone`: there are none.
    Device { id: DeviceKeyId, alone: bool },
    /// The institutions alone.
    Institutions,
}

impl Opener {
    pub(super) fn of(head: SealedHead) -> Self {
        head.device.map_or(Self::Institutions, |id| Self::Device { id, alone: head.institutions == 0 })
    }
}

/// One item.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) bytes: u64,
    pub(super) age: u128,
    /// Its name says that an archive may have it.
    pub(super) offered: bool,
    /// This process saw its name become durable.
    pub(super) durable: bool,
    pub(super) sent: Sent,
    /// The file's mark when this process last had its lease: another one means that another process offered it since.
    pub(super) mark: Option<Mark>,
    /// `None`: not looked at yet.
    pub(super) opener: Option<Opener>,
    /// What it waits for, if for anything.
    pub(super) hold: Option<State>,
    /// When it is due, by the clock's elapsed time; `None`: when somebody says so.
    pub(super) due: Option<Duration>,
    pub(super) attempts: u32,
    /// Some [`super::Claim`] of this process has it.
    pub(super) claimed: bool,
}

impl Known {
    pub(super) fn found(file: &File, offered: bool) -> Self {
        Self {
            bytes: file.bytes,
            age: file.age,
            offered,
            durable: false,
            sent: if offered { Sent::Before } else { Sent::Never },
            mark: None,
            opener: None,
            hold: None,
            due: Some(Duration::ZERO),
            attempts: 0,
            claimed: false,
        }
    }

    pub(super) fn state(&self) -> State {
        let idle = if self.sent == Sent::Never { State::Fresh } else { State::Unknown };
        self.hold.unwrap_or(idle)
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Index {
    pub(super) items: BTreeMap<ItemId, Known>,
    /// Additions under way, and the bytes that each will take at most. Nobody sees them.
    pub(super) adding: BTreeMap<ItemId, u64>,
    /// Additions that failed, and are not undone for sure yet. Nobody sees them, and nobody else gets their lease.
    pub(super) doomed: BTreeMap<ItemId, Box<dyn Lease>>,
    /// Files that are not the outbox's.
    pub(super) foreign: u64,
}

impl Index {
    pub(super) fn count(&self) -> u64 {
        (self.items.len() + self.adding.len()) as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.items.values().map(|known| known.bytes).sum::<u64>() + self.adding_bytes()
    }

    pub(super) fn adding_bytes(&self) -> u64 {
        self.adding.values().sum()
    }

    /// Follows what the folders hold now. A copy that was lent, and is new to this process, may be sent by the system until `lent_until`.
    pub(super) fn follow(&mut self, files: &[File], lent: &[File], lent_until: Duration) {
        let mut present = BTreeMap::new();
        let mut foreign = 0;
        for file in files {
            let name = file.name.as_deref().filter(|_| file.is_file).unwrap_or_default();
            let item = |suffix| name.strip_suffix(suffix).and_then(ItemId::parse);
            match (item(FRESH), item(OFFERED)) {
                (Some(id), _) => {
                    present.entry(id).or_insert((false, file));
                }
                (_, Some(id)) => {
                    present.insert(id, (true, file));
                }
                _ if is_unfinished(name) => {}
                _ => foreign += 1,
            }
        }
        let lent: Vec<ItemId> = lent.iter().filter_map(|file| file.name.as_deref().and_then(ItemId::parse)).collect();
        self.foreign = foreign;
        self.items.retain(|id, known| known.claimed || present.contains_key(id));
        for (id, (offered, file)) in present {
            if self.adding.contains_key(&id) || self.doomed.contains_key(&id) {
                continue;
            }
            let is_new = !self.items.contains_key(&id);
            let known = self.items.entry(id).or_insert_with(|| Known::found(file, offered));
            if known.claimed {
                continue;
            }
            if known.offered != offered {
                *known = Known { attempts: known.attempts, ..Known::found(file, offered) };
            }
            known.bytes = file.bytes;
            if is_new && lent.contains(&id) {
                (known.hold, known.due) = (Some(State::Lent), Some(lent_until));
            }
        }
    }

    /// The oldest item that is due, or how long until one is.
    pub(super) fn pick(&self, now: Duration) -> Pick {
        let free = || self.items.iter().filter(|(_, known)| !known.claimed);
        let due = free().filter(|(_, known)| known.due.is_some_and(|due| due <= now));
        if let Some((id, _)) = due.min_by_key(|(id, known)| (known.age, **id)) {
            return Pick::Due(*id);
        }
        free()
            .filter_map(|(_, known)| known.due)
            .min()
            .map_or(Pick::Nothing, |due| Pick::Later(due.saturating_sub(now)))
    }
}

pub(super) enum Pick {
    Due(ItemId),
    Later(Duration),
    Nothing,
}
