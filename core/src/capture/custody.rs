//! From the shutter to the archive's word: session, outbox and audit log in one hand.

use std::sync::Arc;

use super::{AuditLog, Session, View};
use crate::audit::Event;
use crate::clock::{Clock, Randomness};
use crate::dicom::{Device, SopClass};
use crate::error::{CaptureError, OutboxError};
use crate::outbox::{ItemId, Limits, Outbox, OutboxEvent, OutboxObserver, Parts};
use crate::patient::{Encounter, Patient};
use crate::photo::PreparedPhoto;

/// An outbox whose every change is recorded in an audit log beside its items. Clones share both.
///
/// ```
/// # use std::sync::Arc;
/// # use moulage::capture::{Custody, CustodySession};
/// # use moulage::outbox::{FileStorage, ItemId, Limits, Outbox, Parts};
/// # use moulage::patient::{AnatomicSite, Encounter, Patient};
/// # use moulage::{CaptureError, Device, View, clock::{Clock, SystemRandomness}, photo::PreparedPhoto, seal::Keystore};
/// # fn keep(keystore: Arc<dyn Keystore>, clock: Arc<dyn Clock>, patient: Patient, photo: &PreparedPhoto, heel: AnatomicSite)
/// #     -> Result<ItemId, CaptureError> {
/// # let folder = std::path::Path::new("outbox");
/// let storage = Arc::new(FileStorage::new(folder).map_err(moulage::error::OutboxError::from)?);
/// let randomness = Arc::new(SystemRandomness);
/// let (institutions, keystore) = (Vec::new(), Some(keystore));
/// let parts = Parts { storage, keystore, institutions, signer: None, clock, randomness, observer: None };
/// let custody = Custody::open(parts, Limits::default())?;
/// let mut session = custody.session(patient, Encounter::default(), Device::default())?;
/// session.ready()?; // before the shutter
/// let captured = session.capture(photo, &View::of(heel))?; // sealed and durable: the photo may be erased
/// # Ok(captured.item)
/// # }
/// ```
#[derive(Clone)]
pub struct Custody {
    outbox: Arc<Outbox>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Custody {
    /// Opens the outbox, and the log in its folder `audit`. The observer of the parts hears of every change after the log.
    ///
    /// # Errors
    /// As [`Outbox::open`]. A log that cannot be written is no error: see [`AuditLog::unwritten`].
    pub fn open(parts: Parts, limits: Limits) -> Result<Self, OutboxError> {
        let (clock, randomness) = (Arc::clone(&parts.clock), Arc::clone(&parts.randomness));
        let audit = Arc::new(AuditLog::new(&parts));
        audit.record(Event::Started, None, "");
        let observer = Some(Arc::new(Both(Arc::clone(&audit), parts.observer)) as Arc<dyn OutboxObserver>);
        let outbox = Arc::new(Outbox::open(Parts { observer, ..parts }, limits)?);
        Ok(Self { outbox, audit, clock, randomness })
    }

    /// The items that wait; what [`crate::upload::Uploader`] takes.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// The log, for what only the host knows: a failed login, an item that somebody opened.
    #[must_use]
    pub fn audit(&self) -> &Arc<AuditLog> {
        &self.audit
    }

    /// Begins a session whose objects go to this outbox.
    ///
    /// # Errors
    /// As [`Session::begin`].
    pub fn session(
        &self,
        patient: Patient,
        encounter: Encounter,
        device: Device,
    ) -> Result<CustodySession, CaptureError> {
        let (clock, randomness) = (Arc::clone(&self.clock), Arc::clone(&self.randomness));
        let session = Session::begin(patient, encounter, device, clock, randomness)?;
        Ok(CustodySession { session, outbox: Arc::clone(&self.outbox) })
    }
}

struct Both(Arc<AuditLog>, Option<Arc<dyn OutboxObserver>>);

impl OutboxObserver for Both {
    fn on_event(&self, event: &OutboxEvent) {
        self.0.on_event(event);
        if let Some(other) = &self.1 {
            other.on_event(event);
        }
    }
}

/// Patient and encounter, frozen, and the outbox that everything goes to. Cannot be printed.
pub struct CustodySession {
    session: Session,
    outbox: Arc<Outbox>,
}

/// An object that is sealed and durable: its photo may be erased, the program may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Its name in the outbox.
    pub item: ItemId,
    /// What kind of object it is.
    pub sop_class: SopClass,
    /// SOPInstanceUID (0008,0018).
    pub sop_instance_uid: String,
    /// SeriesInstanceUID (0020,000E).
    pub series_instance_uid: String,
    /// StudyInstanceUID (0020,000D).
    pub study_instance_uid: String,
}

impl CustodySession {
    /// Could a photo be captured now? Asked before the shutter.
    ///
    /// # Errors
    /// As [`Outbox::ready`].
    pub fn ready(&self) -> Result<(), OutboxError> {
        self.outbox.ready()
    }

    /// One photo, one object, sealed and durable in the outbox.
    ///
    /// # Errors
    /// As [`Session::capture`]; [`CaptureError::Outbox`] as [`Outbox::add`] tells. Nothing is counted then; keep the photo.
    pub fn capture(&mut self, photo: &PreparedPhoto, view: &View) -> Result<Captured, CaptureError> {
        self.capture_frames(std::slice::from_ref(photo), view)
    }

    /// Several exposures as one object, see [`Session::capture_frames`].
    ///
    /// # Errors
    /// As [`CustodySession::capture`].
    pub fn capture_frames(&mut self, photos: &[PreparedPhoto], view: &View) -> Result<Captured, CaptureError> {
        let counted = self.session.series.clone();
        let instance = self.session.capture_frames(photos, view)?;
        let item = self.outbox.add(instance.bytes()).inspect_err(|error| {
            // An addition that is not undone may be there later, with its number.
            if *error != OutboxError::NotUndone {
                self.session.series = counted;
            }
        })?;
        Ok(Captured {
            item,
            sop_class: instance.sop_class(),
            sop_instance_uid: instance.sop_instance_uid().to_owned(),
            series_instance_uid: instance.series_instance_uid().to_owned(),
            study_instance_uid: instance.study_instance_uid().to_owned(),
        })
    }
}
