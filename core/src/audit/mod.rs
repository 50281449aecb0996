//! What happened to whose photo is not told here, but that it happened, and when: a chain of records that shows every change.
//!
//! A record is a line of JSON: version, number, moment with its offset, [`Event`], the opaque id of the item, the code of the
//! outcome, the code of the record before it, and its own code, HMAC-SHA-256 under the chain's [`AuditKey`]. A [`Chain`] gives
//! the lines that are appended to a log and a head, which says how many they are and how they end. [`verify`] finds every record that was
//! altered, moved, put in or taken out; the last ones, too, unless an older head was put back together with the older log.
//!
//! No record holds patient data: for [`dicom_message`] and [`fhir_event`] the caller joins it, where it may be.
//!
//! ```
//! # use moulage::audit::{AuditKey, Chain, Entry, Event, verify};
//! # use moulage::clock::{RandomnessUnavailable, SystemRandomness};
//! # fn main() -> Result<(), RandomnessUnavailable> {
//! let secret = AuditKey::draw(&SystemRandomness)?;
//! let mut chain = Chain::begin(AuditKey::new(&secret));
//! # let moment = chrono::DateTime::parse_from_rfc3339("2026-03-14T09:26:53+01:00").unwrap();
//! let mut log = chain.append(&Entry { moment, event: Event::Captured, item: Some([7; 16]), code: "", count: 0 });
//! log += &chain.append(&Entry { moment, event: Event::Stored, item: Some([7; 16]), code: "found", count: 0 });
//! let head = chain.head();
//! assert!(verify(&AuditKey::new(&secret), log.as_bytes(), head.as_bytes()).is_ok());
//! assert!(verify(&AuditKey::new(&secret), log.replace("found", "lost").as_bytes(), head.as_bytes()).is_err());
//! # Ok(())
//! # }
//! ```

mod chain;
mod dicom_message;
mod fhir;
mod vocabulary;

use chrono::{DateTime, FixedOffset};

pub use crate::error::AuditError;
pub use chain::{AuditKey, Chain, LONGEST_LINE, verify};
pub use dicom_message::dicom_message;
pub use fhir::fhir_event;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The program opened its outbox.
    Started,
    /// A photo became an object of a patient.
    Captured,
    /// The object was sealed and is durable.
    Sealed,
    /// The archive confirmed that it has the object; the item is erased here.
    Stored,
    /// An archive refused the item, for the reason that the code tells.
    Refused,
    /// Somebody removed the item before it was stored.
    Removed,
    /// Somebody took the sealed item out of the outbox.
    Exported,
    /// The item was opened with a key.
    Unsealed,
    /// An archive did not take the credentials.
    AuthenticationFailed,
    /// Records are missing here, as many as the count says: the log could not be written, or the chain before cannot go on.
    Gap,
    /// The item is on its way to an archive.
    Sent,
    /// The device has a new key.
    KeyMade,
    /// The device's key is lost, or cannot be had.
    KeyTrouble,
    /// Something else about the item or the outbox, that the code tells: it waits, it is tried again. Not exported, for the standards have no
    /// event for it.
    Noted,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Started,
        Self::Captured,
        Self::Sealed,
        Self::Stored,
        Self::Refused,
        Self::Removed,
        Self::Exported,
        Self::Unsealed,
        Self::AuthenticationFailed,
        Self::Gap,
        Self::Sent,
        Self::KeyMade,
        Self::KeyTrouble,
        Self::Noted,
    ];
}

/// What is to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub moment: DateTime<FixedOffset>,
    /// What.
    pub event: Event,
    /// The item of the outbox: random, and opaque.
    pub item: Option<[u8; 16]>,
    /// The outcome's stable word; empty when there is nothing to say.
    pub code: &'static str,
    /// How many: records of a [`Event::Gap`], files; 0 when there is nothing to count.
    pub count: u64,
}

/// What was recorded, as [`verify`] found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number in the chain, from 0.
    pub sequence: u64,
    /// When, to the millisecond.
    pub moment: DateTime<FixedOffset>,
    /// What.
    pub event: Event,
    /// The item of the outbox.
    pub item: Option<[u8; 16]>,
    /// The outcome's stable word, or empty.
    pub code: String,
    /// How many: records of a [`Event::Gap`], files; 0 when there is nothing to count.
    pub count: u64,
}

/// Who reports events: what exports say beside the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source<'a> {
    /// AuditSourceID: the installation.
    pub id: &'a str,
    /// AuditEnterpriseSiteID: the hospital; empty when it is not told.
    pub enterprise_site: &'a str,
    /// The program.
    pub application: &'a str,
    /// Who used it; empty when that is not told, and for what the program does by itself.
    pub user: &'a str,
    /// The archive or gateway; empty when it is not told.
    pub destination: &'a str,
}

/// Whose object an item is. Joined by the caller, never recorded. Cannot be printed.
#[derive(Clone)]
pub struct Subject {
    /// PatientID (0010,0020).
    pub patient_id: String,
    /// StudyInstanceUID (0020,000D).
    pub study_instance_uid: String,
    /// SOPClassUID (0008,0016).
    pub sop_class_uid: String,
    /// SOPInstanceUID (0008,0018).
    pub sop_instance_uid: String,
}
