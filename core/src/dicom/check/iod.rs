//! Type 1 and 2 by the table, and the conditions that the table does not tell (PS3.3 A.8, A.32, C.7, C.8).

use std::sync::LazyLock;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::super::dataset::{Dataset, File};
use super::{Findings, Object, SopClass};

const CONVERSION_TYPES: [&str; 8] = ["DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN"];
const READABLE: [&str; 3] = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"];

/// One line of `iods.tsv`.
struct Row {
    iods: &'static str,
    /// The sequence whose items it is about.
    path: Option<Tag>,
    tag: Tag,
    keyword: &'static str,
    needs_value: bool,
}

static ROWS: LazyLock<Vec<Row>> =
    LazyLock::new(|| include_str!("../iods.tsv").lines().skip(2).filter_map(row).collect());

fn row(line: &'static str) -> Option<Row> {
    let [iods, _module, _usage, path, tag, keyword, kind] = line.split('\t').collect::<Vec<_>>()[..] else {
        return None;
    };
    let path = if path.is_empty() { None } else { Some(super::super::value::by_keyword(path)?) };
    Some(Row { iods, path, tag: tag.parse().ok()?, keyword, needs_value: kind == "1" })
}

fn column(class: SopClass) -> &'static str {
    match class {
        SopClass::VlPhotographic => "VL",
        SopClass::Dermoscopic => "DMS",
        SopClass::SecondaryCapture => "SC",
        SopClass::MultiFrameTrueColorSc => "MFTC",
    }
}

pub(super) fn check_meta(file: &File<'_>, findings: &mut Findings) {
    if file.preamble.iter().any(|b| *b != 0) {
        findings.add("preamble", "File", "has something in its preamble");
    }
    if file.meta.text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID) != file.data.text(tags::SOP_INSTANCE_UID) {
        findings.add("meta-uid", "MediaStorageSOPInstanceUID", "differs from SOPInstanceUID");
    }
    if file.meta.text(tags::MEDIA_STORAGE_SOP_CLASS_UID) != file.data.text(tags::SOP_CLASS_UID) {
        findings.add("meta-class", "MediaStorageSOPClassUID", "differs from SOPClassUID");
    }
    if !READABLE.contains(&file.transfer_syntax) {
        findings.add("transfer-syntax", "TransferSyntaxUID", "is not one that photos are stored in");
    }
    if !file.meta.has(tags::IMPLEMENTATION_CLASS_UID) {
        findings.add("meta", "ImplementationClassUID", "is missing");
    }
    if file.meta.bytes(tags::FILE_META_INFORMATION_VERSION) != [0, 1] {
        findings.add("meta", "FileMetaInformationVersion", "is not 1");
    }
    if file.meta.get(tags::PRIVATE_INFORMATION).is_some() {
        findings.add("private", "PrivateInformation", "is present");
    }
}

pub(super) fn check(object: &Object<'_>, findings: &mut Findings) {
    for row in ROWS.iter().filter(|row| row.iods.split(',').any(|iod| iod == column(object.class))) {
        let holders = row.path.map_or(std::slice::from_ref(&object.data), |path| object.data.items(path));
        for holder in holders {
            check_row(row, holder, findings);
        }
    }
    check_series(object, findings);
    check_image(object, findings);
    check_identity(object, findings);
}

fn check_row(row: &Row, holder: &Dataset<'_>, findings: &mut Findings) {
    match (row.needs_value, holder.get(row.tag).is_some()) {
        (true, false) => findings.add("type1", row.keyword, "is missing (Type 1)"),
        (true, true) if !holder.has(row.tag) => findings.add("type1", row.keyword, "is empty (Type 1)"),
        (false, false) => findings.add("type2", row.keyword, "is missing (Type 2)"),
        _ => {}
    }
}

fn check_series(object: &Object<'_>, findings: &mut Findings) {
    let data = &object.data;
    let modality = data.text(tags::MODALITY);
    let allowed: &[&str] = if object.class.is_visible_light() { &[object.class.modality()] } else { &["XC", "DMS"] };
    if !allowed.contains(&modality) {
        findings.add("modality", "Modality", "is not that of the class");
    }
    let conversion = data.text(tags::CONVERSION_TYPE);
    if object.class.is_visible_light() && data.get(tags::CONVERSION_TYPE).is_some() {
        findings.add("conversion-type", "ConversionType", "has no place in this class");
    }
    if !object.class.is_visible_light() && !conversion.is_empty() && !CONVERSION_TYPES.contains(&conversion) {
        findings.add("conversion-type", "ConversionType", "is no defined term");
    }
    let side = data.text(tags::IMAGE_LATERALITY);
    match (data.get(tags::IMAGE_LATERALITY).is_some(), data.get(tags::LATERALITY).is_some()) {
        (true, true) => findings.add("laterality", "Laterality", "excludes ImageLaterality"),
        (false, false) => findings.add("laterality", "ImageLaterality", "is missing"),
        _ => {}
    }
    if data.get(tags::IMAGE_LATERALITY).is_some() && !["R", "L", "U", "B"].contains(&side) {
        findings.add("laterality", "ImageLaterality", "is none of R, L, U and B");
    }
}

fn check_image(object: &Object<'_>, findings: &mut Findings) {
    let data = &object.data;
    if data.get(tags::PATIENT_ORIENTATION).is_none() {
        findings.add("patient-orientation", "PatientOrientation", "is missing: it is empty when not known");
    }
    for (tag, keyword) in [
        (tags::BURNED_IN_ANNOTATION, "BurnedInAnnotation"),
        (tags::RECOGNIZABLE_VISUAL_FEATURES, "RecognizableVisualFeatures"),
    ] {
        if data.has(tag) && !["YES", "NO"].contains(&data.text(tag)) {
            findings.add("flag", keyword, "is neither YES nor NO");
        }
    }
    match data.texts(tags::IMAGE_TYPE)[..] {
        ["ORIGINAL", "PRIMARY", ..] => {}
        ["DERIVED", "PRIMARY", ..] => {
            if !data.has(tags::DERIVATION_DESCRIPTION) || !data.has(tags::DERIVATION_CODE_SEQUENCE) {
                findings.add("image-type", "DerivationCodeSequence", "or DerivationDescription is missing");
            }
        }
        _ => findings.add("image-type", "ImageType", "is neither ORIGINAL\\PRIMARY nor DERIVED\\PRIMARY"),
    }
    if data.get(tags::TRACKING_ID).is_some() != data.get(tags::TRACKING_UID).is_some() {
        findings.add("tracking", "TrackingUID", "goes with TrackingID, and neither alone");
    }
    if object.class == SopClass::Dermoscopic {
        check_dermatoscope(data, findings);
    }
    if object.class == SopClass::MultiFrameTrueColorSc {
        check_vector(data, findings);
    }
}

fn check_dermatoscope(data: &Dataset<'_>, findings: &mut Findings) {
    let contact = data.text(tags::CONTACT_METHOD);
    if contact == "CONTACT" && !data.has(tags::IMMERSION_MEDIA) {
        findings.add("immersion", "ImmersionMedia", "is missing with CONTACT");
    }
    let terms = ["", "CONTACT", "NON_CONTACT"];
    if !terms.contains(&contact) {
        findings.add("contact", "ContactMethod", "is no defined term");
    }
    if !["", "POLARIZED", "NON_POLARIZED"].contains(&data.text(tags::LIGHT_SOURCE_POLARIZATION)) {
        findings.add("polarization", "LightSourcePolarization", "is no defined term");
    }
}

/// PS3.3 C.7.6.6, C.8.6.3, C.8.6.4: of several frames the pointer names the vector, which has a label a frame.
fn check_vector(data: &Dataset<'_>, findings: &mut Findings) {
    let Tag(group, element) = tags::FRAME_LABEL_VECTOR;
    let pointer = data.bytes(tags::FRAME_INCREMENT_POINTER);
    let frames = super::picture::frames(data);
    if frames == 1 && data.get(tags::FRAME_INCREMENT_POINTER).is_some() {
        findings.add("frames", "FrameIncrementPointer", "is present with one frame");
    }
    if frames > 1 && pointer != [group.to_le_bytes(), element.to_le_bytes()].concat() {
        findings.add("frames", "FrameIncrementPointer", "does not name FrameLabelVector");
    }
    if frames > 1 && data.texts(tags::FRAME_LABEL_VECTOR).len() as u64 != u64::from(frames) {
        findings.add("frames", "FrameLabelVector", "has not one label a frame");
    }
}

/// Whether a de-identified object says how; not whether the profile was kept.
fn check_identity(object: &Object<'_>, findings: &mut Findings) {
    let removed = object.data.text(tags::PATIENT_IDENTITY_REMOVED) == "YES";
    let told =
        object.data.has(tags::DEIDENTIFICATION_METHOD) || object.data.has(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
    if removed != told {
        findings.add(
            "deid",
            "DeidentificationMethodCodeSequence",
            "goes with PatientIdentityRemoved YES, and neither alone",
        );
    }
}
