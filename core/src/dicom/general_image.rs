//! General Image and VL Image modules (PS3.3 C.7.6.1, C.8.12.1): time, history and content of the picture.

use dicom_dictionary_std::tags;

use super::time::{Times, date, offset, time};
use super::value::{Attributes, Code};
use super::{Capture, SopClass, image_pixel};
use crate::error::DicomError;
use crate::photo::{Derivation, LossyStep, PreparedPhoto};

const LOSSY_COMPRESSION: Code = ("113040", "DCM", "Lossy Compression");
const SPATIAL_RESAMPLING: Code = ("113085", "DCM", "Spatial resampling");

pub(super) fn write(object: &mut Attributes, capture: &Capture<'_>, times: &Times) -> Result<(), DicomError> {
    let view = capture.view;
    object.integer(tags::INSTANCE_NUMBER, capture.instance_number)?;
    // Type 2C of a picture that no geometry places: present, not known.
    object.empty(tags::PATIENT_ORIENTATION)?;
    object.text(tags::CONTENT_DATE, &date(times.content))?;
    object.text(tags::CONTENT_TIME, &time(times.content))?;
    if let Some(moment) = times.acquisition {
        let suffix = times.offset.map_or(Ok(String::new()), offset)?;
        object.text(tags::ACQUISITION_DATE_TIME, &format!("{}{}{suffix}", date(moment), time(moment)))?;
    }
    object.text(tags::IMAGE_LATERALITY, view.site.image_laterality.expose().code())?;
    object.known(tags::IMAGE_COMMENTS, view.site.label.as_ref())?;
    flag(
        object,
        tags::BURNED_IN_ANNOTATION,
        view.burned_in_annotation,
        SopClass::MultiFrameTrueColorSc,
        view.sop_class,
    )?;
    flag(
        object,
        tags::RECOGNIZABLE_VISUAL_FEATURES,
        view.recognizable_visual_features,
        SopClass::Dermoscopic,
        view.sop_class,
    )?;
    derivation(object, capture.photos)?;
    lossy(object, capture.photos)
}

/// YES or NO as somebody saw it; the class that must have it says YES when nobody looked.
fn flag(
    object: &mut Attributes,
    tag: dicom_core::Tag,
    seen: Option<bool>,
    needing: SopClass,
    class: SopClass,
) -> Result<(), DicomError> {
    match seen.or((class == needing).then_some(true)) {
        Some(yes) => object.text(tag, if yes { "YES" } else { "NO" }),
        None => Ok(()),
    }
}

/// ImageType (C.7.6.1.1.2): what the sensor gave stays ORIGINAL as long as no pixel value is changed.
fn derivation(object: &mut Attributes, photos: &[PreparedPhoto]) -> Result<(), DicomError> {
    let mut steps: Vec<_> = photos.iter().filter_map(PreparedPhoto::derivation).collect();
    steps.dedup();
    object.texts(tags::IMAGE_TYPE, &[if steps.is_empty() { "ORIGINAL" } else { "DERIVED" }, "PRIMARY"])?;
    if steps.is_empty() {
        return Ok(());
    }
    let mut texts: Vec<_> = steps.iter().copied().map(description).collect();
    let mut codes: Vec<_> = steps.into_iter().map(code).collect();
    texts.sort();
    texts.dedup();
    codes.sort_unstable();
    codes.dedup();
    object.text(tags::DERIVATION_DESCRIPTION, &texts.join("; "))?;
    object.codes(tags::DERIVATION_CODE_SEQUENCE, &codes)
}

fn description(derivation: Derivation) -> String {
    match derivation {
        Derivation::Reencoded => "Decoded and encoded again as JPEG baseline".to_owned(),
        Derivation::Trimmed { columns, rows } => {
            format!("Cut off at the edges, to be turned without loss: {columns} columns, {rows} rows")
        }
    }
}

fn code(derivation: Derivation) -> Code {
    match derivation {
        Derivation::Reencoded => LOSSY_COMPRESSION,
        Derivation::Trimmed { .. } => SPATIAL_RESAMPLING,
    }
}

/// Once lossy, always lossy, also when stored decoded (C.7.6.1.1.5). One ratio and one method a step; frames tell the longest
/// history of theirs. The last ratio is measured here, over all frames.
fn lossy(object: &mut Attributes, photos: &[PreparedPhoto]) -> Result<(), DicomError> {
    let history = photos.iter().map(PreparedPhoto::lossy).max_by_key(|steps| steps.len()).unwrap_or_default();
    let (last, earlier) = history.split_last().ok_or(DicomError::Missing("LossyImageCompressionMethod"))?;
    let raw: u64 = photos.iter().map(|p| image_pixel::decoded_bytes(p.rows(), p.columns(), p.colour())).sum();
    let stored: u64 = photos.iter().map(image_pixel::fragment_bytes).sum();
    let last = LossyStep { ratio: raw as f64 / stored.max(1) as f64, ..*last };
    let steps: Vec<_> = earlier.iter().copied().chain([last]).collect();
    let ratios: Vec<_> = steps.iter().map(|step| (step.ratio * 1000.0).round() / 1000.0).collect();
    let methods: Vec<_> = steps.iter().map(|step| step.method).collect();
    object.text(tags::LOSSY_IMAGE_COMPRESSION, "01")?;
    object.decimals(tags::LOSSY_IMAGE_COMPRESSION_RATIO, &ratios)?;
    object.texts(tags::LOSSY_IMAGE_COMPRESSION_METHOD, &methods)
}
