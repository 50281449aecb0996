//! PreparedPhoto + linkage -> [`Instance`]: one file a DICOM module (PS3.3 C), four IODs from one model.
//!
//! Objects of all four classes say the same about the patient, the place and the time. [`check`] reads what was written with a
//! reader of its own and refuses an object that breaks its IOD: nothing leaves unchecked.

mod acquisition_context;
mod check;
mod dataset;
mod dermoscopic_image;
mod explicit_vr;
mod general_anatomy;
mod general_equipment;
mod general_image;
mod general_series;
mod general_study;
mod head;
mod icc_profile;
mod image_pixel;
mod multi_frame;
mod patient;
mod patient_study;
mod rewrite;
mod sc_equipment;
mod secondary_capture;
mod sop_class;
mod sop_common;
mod time;
pub(crate) mod uid;
mod value;
mod view;
mod vl_photographic;
mod write;

use chrono::{DateTime, FixedOffset, NaiveDateTime};

pub use check::{Checked, Finding, MAX_FILE_BYTES, check};
pub use explicit_vr::in_explicit_vr;
pub use head::{Head, Moment};
pub use secondary_capture::as_secondary_capture;
pub use sop_class::{SopClass, TransferSyntax};
pub use uid::mint as mint_uid;
pub use view::{ContactMethod, Dermoscopy, Device, ImmersionMedia, Polarization, Provenance, View};

use crate::error::DicomError;
use crate::patient::{Encounter, Patient};
use crate::photo::{Colour, PreparedPhoto};
use time::Times;
use value::Attributes;

/// Manufacturer of what this library does.
const OURSELVES: &str = "Moulage";
/// Its version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One object, checked against its IOD. Made by [`crate::Session`] only. Holds patient data: it cannot be printed.
///
/// ```compile_fail,E0451
/// let forged = |bytes: Vec<u8>, one: moulage::dicom::Instance| moulage::dicom::Instance { bytes, ..one };
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    bytes: Vec<u8>,
    sop_class: SopClass,
    sop_instance_uid: String,
    series_instance_uid: String,
    study_instance_uid: String,
    content: NaiveDateTime,
}

impl Instance {
    /// The DICOM Part 10 file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The DICOM Part 10 file, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What kind of object it is.
    #[must_use]
    pub fn sop_class(&self) -> SopClass {
        self.sop_class
    }

    /// SOPInstanceUID (0008,0018). Storing again means these bytes with this UID.
    #[must_use]
    pub fn sop_instance_uid(&self) -> &str {
        &self.sop_instance_uid
    }

    /// SeriesInstanceUID (0020,000E).
    #[must_use]
    pub fn series_instance_uid(&self) -> &str {
        &self.series_instance_uid
    }

    /// StudyInstanceUID (0020,000D).
    #[must_use]
    pub fn study_instance_uid(&self) -> &str {
        &self.study_instance_uid
    }

    /// Content Date and Time (0008,0023 and 0033), local.
    #[must_use]
    pub fn content_date_time(&self) -> NaiveDateTime {
        self.content
    }
}

/// All that one object is made from.
pub(crate) struct Capture<'a> {
    pub(crate) patient: &'a Patient,
    pub(crate) encounter: &'a Encounter,
    pub(crate) device: &'a Device,
    pub(crate) view: &'a View,
    /// One, or the frames of a multi-frame object.
    pub(crate) photos: &'a [PreparedPhoto],
    pub(crate) study_instance_uid: &'a str,
    pub(crate) series_instance_uid: &'a str,
    pub(crate) series_number: u32,
    pub(crate) sop_instance_uid: String,
    pub(crate) instance_number: u32,
    /// Begin of the session.
    pub(crate) begun: DateTime<FixedOffset>,
    /// The shutter, or the import.
    pub(crate) now: DateTime<FixedOffset>,
}

impl Capture<'_> {
    /// The photo that speaks for all frames.
    fn first(&self) -> Result<&PreparedPhoto, DicomError> {
        self.photos.first().ok_or(DicomError::Frames("there is none"))
    }

    /// Frames of one object share their description (PS3.3 C.7.6.3).
    fn check_frames(&self) -> Result<(), DicomError> {
        let first = self.first()?;
        let multi_frame = self.view.sop_class == SopClass::MultiFrameTrueColorSc;
        if self.photos.len() > 1 && !multi_frame {
            return Err(DicomError::Frames("an object of this class holds one"));
        }
        // Allowed by PS3.3, but validators do not agree on Frame Increment Pointer then.
        if self.photos.len() == 1 && multi_frame {
            return Err(DicomError::Frames("one frame alone is a secondary capture"));
        }
        if self.photos.iter().any(|photo| (photo.rows(), photo.columns()) != (first.rows(), first.columns())) {
            return Err(DicomError::Frames("rows and columns differ"));
        }
        if multi_frame && self.photos.iter().any(|photo| photo.colour() == Colour::Grey) {
            return Err(DicomError::Frames("a true colour object holds no grey frame"));
        }
        Ok(())
    }
}

/// Writes one object and checks it.
pub(crate) fn build(capture: Capture<'_>) -> Result<Instance, DicomError> {
    capture.check_frames()?;
    let class = capture.view.sop_class;
    let taken = capture.first()?.facts().taken;
    let times = Times::of(capture.view.provenance, taken, capture.begun, capture.now);
    let mut object = Attributes::new();
    sop_common::write(&mut object, &capture, &times)?;
    patient::write(&mut object, capture.patient)?;
    general_study::write(&mut object, &capture, &times)?;
    patient_study::write(&mut object, capture.encounter)?;
    general_series::write(&mut object, &capture)?;
    general_equipment::write(&mut object, &capture)?;
    general_image::write(&mut object, &capture, &times)?;
    general_anatomy::write(&mut object, &capture.view.site)?;
    acquisition_context::write(&mut object, capture.view)?;
    if class.is_visible_light() {
        vl_photographic::write(&mut object, capture.first()?.facts())?;
    } else {
        sc_equipment::write(&mut object, capture.view.provenance)?;
    }
    match class {
        SopClass::Dermoscopic => dermoscopic_image::write(&mut object, &capture.view.dermoscopy)?,
        SopClass::MultiFrameTrueColorSc => multi_frame::write(&mut object, capture.photos.len())?,
        SopClass::VlPhotographic | SopClass::SecondaryCapture => {}
    }
    icc_profile::write(&mut object, capture.photos)?;
    let pixels = image_pixel::write(&mut object, capture.photos, capture.view.transfer_syntax)?;
    let bytes = write::part10(object, capture.view.transfer_syntax, pixels)?;
    check::own(&bytes)?;
    Ok(Instance {
        bytes,
        sop_class: class,
        sop_instance_uid: capture.sop_instance_uid,
        series_instance_uid: capture.series_instance_uid.to_owned(),
        study_instance_uid: capture.study_instance_uid.to_owned(),
        content: times.content,
    })
}
