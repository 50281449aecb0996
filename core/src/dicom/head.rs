//! What a stored object says of itself before its pixels begin.

use chrono::{FixedOffset, NaiveDateTime};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::SopClass;
use super::dataset::{Dataset, File};
use crate::error::DicomError;

/// Whose an object is, what it shows, and when. Read from the beginning of the file: all before its Rows. Holds patient data:
/// it cannot be printed.
#[derive(Clone, Default)]
pub struct Head {
    /// SOPClassUID (0008,0016): one of the four classes.
    pub sop_class: SopClass,
    /// SOPInstanceUID (0008,0018).
    pub sop_instance_uid: String,
    /// StudyInstanceUID (0020,000D).
    pub study_instance_uid: String,
    /// SeriesInstanceUID (0020,000E).
    pub series_instance_uid: String,
    /// PatientID (0010,0020).
    pub patient_id: String,
    /// IssuerOfPatientID (0010,0021); empty when it is not told.
    pub issuer_of_patient_id: String,
    /// CodeMeaning of the AnatomicRegionSequence (0008,2218).
    pub anatomic_region: String,
    /// ImageLaterality (0020,0062).
    pub image_laterality: String,
    /// InstanceNumber (0020,0013).
    pub instance_number: u32,
    /// NumberOfFrames (0028,0008), or one.
    pub frames: u32,
    /// When the photo was taken, or else when it came into the object.
    pub moment: Option<Moment>,
}

/// A moment as an object tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time on the wall, to the second.
    pub local: NaiveDateTime,
    /// TimezoneOffsetFromUTC (0008,0201).
    pub offset: Option<FixedOffset>,
    /// AcquisitionDateTime (0008,002A), the photo's own; else Content Date and Time, those of an import.
    pub taken: bool,
}

impl Head {
    /// How much of the beginning of a file is enough: an object of ours reaches its Rows within 4 kB, and free text of 10,000
    /// characters may come before them.
    pub const BYTES: usize = 64 << 10;

    /// Reads the beginning of a file, or all of it; looks at [`Head::BYTES`] at most.
    ///
    /// # Errors
    /// [`DicomError::Unreadable`] for what is no Part 10 file of one of the four classes, or is cut off too early.
    pub fn read(bytes: &[u8]) -> Result<Self, DicomError> {
        let bytes = bytes.get(..Self::BYTES).unwrap_or(bytes);
        let file = File::read_head(bytes, tags::NUMBER_OF_FRAMES).map_err(|_| DicomError::Unreadable)?;
        let data = file.data;
        let text = |tag: Tag| data.text(tag).to_owned();
        let region = data.items(tags::ANATOMIC_REGION_SEQUENCE).first();
        Ok(Self {
            sop_class: SopClass::from_uid(data.text(tags::SOP_CLASS_UID)).ok_or(DicomError::Unreadable)?,
            sop_instance_uid: text(tags::SOP_INSTANCE_UID),
            study_instance_uid: text(tags::STUDY_INSTANCE_UID),
            series_instance_uid: text(tags::SERIES_INSTANCE_UID),
            patient_id: text(tags::PATIENT_ID),
            issuer_of_patient_id: text(tags::ISSUER_OF_PATIENT_ID),
            anatomic_region: region.map_or("", |region| region.text(tags::CODE_MEANING)).to_owned(),
            image_laterality: text(tags::IMAGE_LATERALITY),
            instance_number: data.text(tags::INSTANCE_NUMBER).parse().unwrap_or_default(),
            frames: data.text(tags::NUMBER_OF_FRAMES).parse().unwrap_or(1),
            moment: moment(&data),
        })
    }
}

fn moment(data: &Dataset<'_>) -> Option<Moment> {
    let parse = |text: &str| NaiveDateTime::parse_from_str(text.get(..14)?, "%Y%m%d%H%M%S").ok();
    let offset = data.text(tags::TIMEZONE_OFFSET_FROM_UTC).parse().ok();
    let (local, taken) = match parse(data.text(tags::ACQUISITION_DATE_TIME)) {
        Some(local) => (local, true),
        None => (parse(&[tags::CONTENT_DATE, tags::CONTENT_TIME].map(|tag| data.text(tag)).concat())?, false),
    };
    Some(Moment { local, offset, taken })
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use static_assertions::assert_not_impl_any;

    use super::*;

    assert_not_impl_any!(Head: Debug, Display, serde::Serialize);

    fn element(tag: Tag, vr: &str, value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u32).to_le_bytes();
        let head = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        let length = if vr == "SQ" { [&[0, 0], &length[..]].concat() } else { length[..2].to_vec() };
        [&head, vr.as_bytes(), &length, value].concat()
    }

    fn file() -> Vec<u8> {
        let item =
            |content: Vec<u8>| [b"\xFE\xFF\x00\xE0", &(content.len() as u32).to_le_bytes()[..], &content].concat();
        let modifier = item(element(tags::CODE_MEANING, "LO", b"Upper "));
        let region = [
            element(tags::CODE_MEANING, "LO", b"Skin of heel"),
            element(tags::ANATOMIC_REGION_MODIFIER_SEQUENCE, "SQ", &modifier),
        ];
        [
            vec![0; 128],
            b"DICM".to_vec(),
            element(tags::TRANSFER_SYNTAX_UID, "UI", b"1.2.840.10008.1.2.4.50"),
            element(tags::SOP_CLASS_UID, "UI", b"1.2.840.10008.5.1.4.1.1.77.1.4"),
            element(tags::CONTENT_DATE, "DA", b"20260314"),
            element(tags::CONTENT_TIME, "TM", b"092653.5"),
            element(tags::TIMEZONE_OFFSET_FROM_UTC, "SH", b"-0330 "),
            element(tags::ANATOMIC_REGION_SEQUENCE, "SQ", &item(region.concat())),
            element(tags::PATIENT_ID, "LO", b"77"),
            element(tags::INSTANCE_NUMBER, "IS", b"12"),
            element(tags::IMAGE_LATERALITY, "CS", b"L "),
            element(tags::ROWS, "US", &[1, 0]),
        ]
        .concat()
    }

    #[test]
    fn what_comes_before_the_rows_is_enough() {
        let mut file = file();
        file.truncate(file.len() - 6);
        let head = Head::read(&file).unwrap();
        assert_eq!((head.patient_id.as_str(), head.issuer_of_patient_id.as_str()), ("77", ""));
        assert_eq!((head.anatomic_region.as_str(), head.image_laterality.as_str()), ("Skin of heel", "L"));
        assert_eq!((head.instance_number, head.frames, head.sop_class), (12, 1, SopClass::VlPhotographic));
        let moment = head.moment.unwrap();
        assert_eq!(moment.local.to_string(), "2026-03-14 09:26:53");
        assert_eq!(moment.offset.unwrap().local_minus_utc(), -(3 * 3600 + 1800));
        assert!(!moment.taken);
    }

    #[test]
    fn cut_and_changed_files_are_no_trouble() {
        let file = file();
        for end in 0..file.len() - 6 {
            assert!(Head::read(&file[..end]).is_err(), "{end}");
            let mut changed = file.clone();
            changed[end] ^= 0xFF;
            let _ = Head::read(&changed);
        }
    }
}
