//! What the outbox tells about itself.

use super::item::{Confirmation, ItemId, State};

/// Hears of every change. Called in the thread that made it, with no lock held: it may call the outbox. What it does with the event cannot
/// stop the change.
pub trait OutboxObserver: Send + Sync {
    /// Something changed, or is about to (see [`Change`]).
    fn on_event(&self, event: &OutboxEvent);
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxEvent {
    /// Of which item; `None` for the outbox as a whole.
    pub item: Option<ItemId>,
    /// What.
    pub change: Change,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Sealed and durable: the photo may be deleted elsewhere.
    Captured {
        /// Length of the sealed file.
        bytes: u64,
    },
    /// It stands elsewhere now.
    State(State),
    /// Another object, of the same photo, takes its place.
    Replaced,
    /// The archive has it: **about to** be erased here. Told again when that fails, or is cut short.
    Stored(Confirmation),
    /// A person decided to erase it although no archive has it: **about to** be erased. Told again when that fails.
    Removed,
    /// A person took a copy of the sealed file.
    Exported,
    /// A person or program wants it tried again.
    Retried,
    /// A new key of the device is in use.
    KeyMade,
    /// The device's key was lost: what only it opens is for the institution now.
    KeyLost,
    /// The device's key cannot be had now; items are sealed to the institutions alone, if there are any.
    KeyUnavailable,
    /// What additions that were cut short left behind was erased.
    Swept {
        /// How many files.
        files: u64,
    },
    /// Files in the outbox's folders that are not its own. They are left alone.
    Foreign {
        /// How many.
        files: u64,
    },
}

impl Change {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Captured { .. } => "captured",
            Self::State(state) => state.code(),
            Self::Replaced => "replaced",
            Self::Stored(_) => "stored",
            Self::Removed => "removed",
            Self::Exported => "exported",
            Self::Retried => "retried",
            Self::KeyMade => "key-made",
            Self::KeyLost => "key-lost",
            Self::KeyUnavailable => "key-unavailable",
            Self::Swept { .. } => "swept",
            Self::Foreign { .. } => "foreign",
        }
    }
}
