//! What waits in the outbox, and where each of it stands.

use std::fmt;
use std::time::Duration;

use crate::clock::{Randomness, RandomnessUnavailable};

/// Names an item: 128 random bits, that tell nothing of what is in it. Safe in logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId([u8; 16]);

impl ItemId {
    pub(super) fn random(randomness: &dyn Randomness) -> Result<Self, RandomnessUnavailable> {
        let mut id = [0; 16];
        randomness.fill(&mut id)?;
        Ok(Self(id))
    }

    /// From 32 lower-case hexadecimal digits, as [`fmt::Display`] writes them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut id = [0; 16];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != id.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in id.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One item, as [`super::Outbox::items`] lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub id: ItemId,
    /// Length of the sealed file.
    pub bytes: u64,
    /// Where it stands.
    pub state: State,
    /// How long until it is due; `None` when it waits for somebody.
    pub due_in: Option<Duration>,
    /// Times that this process offered it.
    pub attempts: u32,
    /// Only the institution can open it: the device's key for it is lost, or there was none when it was sealed.
    pub sealed_only: bool,
}

/// Where an item stands. Nothing of this is kept on disk: there an item is present or not, and was offered to an archive perhaps, or surely not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Never offered to an archive: may be sent without asking.
    Fresh,
    /// An archive may have it: ask before sending.
    Unknown,
    /// On its way.
    Sending,
    /// An archive said that it took it; not yet confirmed.
    Confirming,
    /// Waits before the next attempt.
    Backoff,
    /// Waits until something outside is put right, see [`super::Outbox::unblock`].
    Blocked(Block),
    /// The operating system sends a copy of it.
    Lent,
    /// Will not be stored as it is; a person must decide.
    Poison(Reason),
}

impl State {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Unknown => "unknown",
            Self::Sending => "sending",
            Self::Confirming => "confirming",
            Self::Backoff => "backoff",
            Self::Blocked(_) => "blocked",
            Self::Lent => "lent",
            Self::Poison(_) => "poison",
        }
    }
}

/// What must be put right outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// The access token.
    Auth,
    /// The archive's certificate, or ours.
    Tls,
    /// The device's storage.
    Disk,
    /// The device's key is locked or cannot be reached, or no institution's certificate is valid.
    Key,
    /// The archive cannot be reached under its name, or is not what it should be.
    Host,
}

impl Block {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Tls => "tls",
            Self::Disk => "disk",
            Self::Key => "key",
            Self::Host => "host",
        }
    }
}

/// Why an item is poison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The archive takes no objects of this SOP class.
    SopClassRefused,
    /// The archive takes no objects of this transfer syntax.
    TransferSyntaxRefused,
    /// The archive finds fault with the object's attributes.
    DatasetRefused,
    /// The archive says that it cannot understand the object.
    NotUnderstood,
    /// Too large for the archive.
    TooLarge,
    /// The archive has other bytes under this SOP Instance UID.
    Conflict,
    /// The archive filed it under another patient.
    OtherPatient,
    /// The archive lets this user not store it.
    AccessDenied,
    /// The archive said several times that it stored it, and then did not have it.
    Unconfirmed,
    /// The archive refuses it for another reason.
    Refused,
    /// The file was altered or cut.
    Damaged,
    /// Sealed by a later version of this library.
    UnknownVersion,
    /// The device cannot open it, and the destination takes no sealed items.
    Unopenable,
    /// What was opened is no object that can be stored.
    NotReadable,
    /// The institution's gateway cannot open it: it is sealed to another key.
    WrongKey,
    /// The institution's gateway does not trust who signed it.
    UntrustedSigner,
}

impl Reason {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SopClassRefused => "sop-class-refused",
            Self::TransferSyntaxRefused => "transfer-syntax-refused",
            Self::DatasetRefused => "dataset-refused",
            Self::NotUnderstood => "not-understood",
            Self::TooLarge => "too-large",
            Self::Conflict => "conflict",
            Self::OtherPatient => "other-patient",
            Self::AccessDenied => "access-denied",
            Self::Unconfirmed => "unconfirmed",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
            Self::UnknownVersion => "unknown-version",
            Self::Unopenable => "unopenable",
            Self::NotReadable => "not-readable",
            Self::WrongKey => "wrong-key",
            Self::UntrustedSigner => "untrusted-signer",
        }
    }
}

/// How surely an archive has the object, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confirmation {
    /// The answer to storing listed its SOP Instance UID among the stored (PS3.18 10.5.3).
    Listed,
    /// A query found it.
    Found,
    /// It was read back and is the same.
    Compared,
    /// The archive committed itself to keep it (PS3.18 13.4).
    Committed,
    /// The institution's gateway said that its archive has it.
    Gateway,
}

impl Confirmation {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Found => "found",
            Self::Compared => "compared",
            Self::Committed => "committed",
            Self::Gateway => "gateway",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_its_text_says() {
        let id = ItemId::random(&crate::clock::SystemRandomness).unwrap();
        assert_eq!(ItemId::parse(&id.to_string()), Some(id));
        for text in ["", "0", "zz", &"0".repeat(31), &"0".repeat(33), &"A".repeat(32), &"ä".repeat(16)] {
            assert_eq!(ItemId::parse(text), None, "{text}");
        }
    }
}
