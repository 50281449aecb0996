//! Every value in its VR; UIDs, texts and times as this library writes them; nothing that has no place in a photo.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::super::dataset::{Dataset, Element, Value, trimmed};
use super::{Findings, Object};
use crate::dicom::value::{fits, is_offset, keyword, vr};

pub(super) fn check(object: &Object<'_>, findings: &mut Findings) {
    object.data.visit(&mut |element| {
        check_place(element, findings);
        check_vr(element, findings);
    });
    if object.data.text(tags::SPECIFIC_CHARACTER_SET) != "ISO_IR 192" {
        findings.add("charset", "SpecificCharacterSet", "is not ISO_IR 192");
    }
    check_uids(&object.data, findings);
    check_times(&object.data, findings);
    check_spacing(object, findings);
}

/// Where somebody was, who owns the camera, what a maker hid, and private elements: never.
fn check_place(element: &Element<'_>, findings: &mut Findings) {
    let name = keyword(element.tag);
    match (element.tag.0, element.tag.1) {
        (group, _) if group % 2 == 1 => findings.add("private", "File", "has a private element"),
        (0x0016, 0x0070..=0x008E) => findings.add("gps", name, "is a position"),
        (0x0016, 0x002B | 0x004B | 0x004D | 0x0051) => {
            findings.add("exif", name, "is a serial, an owner or a maker's note")
        }
        (0x0010, 0x1000) => findings.add("retired", name, "is retired"),
        (0xFFFC, _) => findings.add("file", "File", "has trailing padding"),
        _ if name.is_empty() => findings.add("unknown", "File", "has an element that the dictionary does not know"),
        _ => {}
    }
}

fn check_vr(element: &Element<'_>, findings: &mut Findings) {
    let name = keyword(element.tag);
    if vr(element.tag).is_some_and(|standard| standard != element.vr) {
        findings.add("vr", name, "has another VR than in the dictionary");
    }
    let code = match element.vr {
        VR::UI => "uid",
        VR::DA | VR::TM | VR::DT => "time",
        VR::AE
        | VR::AS
        | VR::CS
        | VR::DS
        | VR::IS
        | VR::LO
        | VR::LT
        | VR::PN
        | VR::SH
        | VR::ST
        | VR::UC
        | VR::UR
        | VR::UT => "text",
        _ => return,
    };
    let Value::Bytes(bytes) = element.value else { return };
    let Ok(text) = std::str::from_utf8(trimmed(bytes)) else {
        return findings.add("text", name, "is not UTF-8");
    };
    let one = matches!(element.vr, VR::LT | VR::ST | VR::UT | VR::UR);
    let mut values = text.split(|c| c == '\\' && !one).map(|value| value.trim_matches([' ', '\0']));
    if !text.is_empty()
        && values.any(|value| !value.is_empty() && !fits(element.vr, value) || value.contains('\u{FFFD}'))
    {
        findings.add(code, name, "does not fit its VR");
    }
}

fn check_uids(data: &Dataset<'_>, findings: &mut Findings) {
    data.visit(&mut |element| {
        let Value::Bytes(bytes) = element.value else { return };
        let text = std::str::from_utf8(trimmed(bytes)).unwrap_or_default();
        for uid in text.split('\\').filter(|_| element.vr == VR::UI) {
            if uid == "2.999" || uid.starts_with("2.999.") {
                findings.add("uid", keyword(element.tag), "has a root that is for examples only");
            }
            // A UUID of fewer than 64 significant bits was never drawn.
            let uuid = uid.strip_prefix("2.25.").map(str::parse::<u128>);
            if uuid.is_some_and(|uuid| uuid.is_err() || uuid.is_ok_and(|uuid| uuid >> 64 == 0)) {
                findings.add("uid", keyword(element.tag), "has no UUID after 2.25");
            }
        }
    });
    let [study, series, instance] =
        [tags::STUDY_INSTANCE_UID, tags::SERIES_INSTANCE_UID, tags::SOP_INSTANCE_UID].map(|tag| data.text(tag));
    for (uid, name) in [(series, "SeriesInstanceUID"), (instance, "SOPInstanceUID")] {
        if !uid.is_empty() && !uid.starts_with("2.25.") {
            findings.add("uid-form", name, "is not 2.25 and a UUID");
        }
    }
    if study == series || series == instance || study == instance {
        findings.add("uid", "SOPInstanceUID", "is not its own: study, series and instance share one");
    }
}

/// PS3.3 C.12.1.1.8: what carries an offset carries that of TimezoneOffsetFromUTC.
fn check_times(data: &Dataset<'_>, findings: &mut Findings) {
    let zone = data.text(tags::TIMEZONE_OFFSET_FROM_UTC);
    if !zone.is_empty() && !is_offset(zone) {
        findings.add("timezone", "TimezoneOffsetFromUTC", "is no offset of the form &ZZXX");
    }
    data.visit(&mut |element| {
        let Value::Bytes(bytes) = element.value else { return };
        let text = std::str::from_utf8(trimmed(bytes)).unwrap_or_default();
        for moment in text.split('\\').filter(|_| element.vr == VR::DT) {
            if moment.find(['+', '-']).is_some_and(|at| !zone.is_empty() && moment[at..] != *zone) {
                findings.add("utc-offset", keyword(element.tag), "has another offset than TimezoneOffsetFromUTC");
            }
        }
    });
    for (tag, name) in [(tags::CONTENT_DATE, "ContentDate"), (tags::CONTENT_TIME, "ContentTime")] {
        if !data.has(tag) {
            findings.add("time", name, "is missing or empty");
        }
    }
    let acquired = data.text(tags::ACQUISITION_DATE_TIME);
    if acquired.is_empty() {
        return;
    }
    let (local, offset) = acquired.split_at(acquired.find(['+', '-']).unwrap_or(acquired.len()));
    if offset.is_empty() != zone.is_empty() {
        findings.add("utc-offset", "AcquisitionDateTime", "or TimezoneOffsetFromUTC has the offset, and the other not");
    }
    let (date, time) = local.split_at_checked(8).unwrap_or((local, ""));
    let content = data.text(tags::CONTENT_TIME);
    if date != data.text(tags::CONTENT_DATE) || !time.is_empty() && time.get(..6) != content.get(..6) {
        findings.add("time", "ContentDate", "or ContentTime is not the local time of AcquisitionDateTime");
    }
}

/// A photo knows no millimetres but from a scale in the picture (PS3.3 10.7).
fn check_spacing(object: &Object<'_>, findings: &mut Findings) {
    let data = &object.data;
    let calibration = data.text(tags::PIXEL_SPACING_CALIBRATION_TYPE);
    for tag in [tags::NOMINAL_SCANNED_PIXEL_SPACING, tags::IMAGER_PIXEL_SPACING, tags::PIXEL_ASPECT_RATIO] {
        if data.get(tag).is_some() {
            findings.add("spacing", keyword(tag), "has no place in a photo");
        }
    }
    if !["", "GEOMETRY", "FIDUCIAL"].contains(&calibration) {
        findings.add("spacing", "PixelSpacingCalibrationType", "is no enumerated value");
    }
    if !calibration.is_empty() && !data.has(tags::PIXEL_SPACING_CALIBRATION_DESCRIPTION) {
        findings.add("spacing", "PixelSpacingCalibrationDescription", "is missing");
    }
    if !data.has(tags::PIXEL_SPACING) {
        return;
    }
    if calibration.is_empty() && !object.class.is_visible_light() {
        findings.add("spacing", "PixelSpacing", "has no calibration");
    }
    let resolutions = [72.0, 96.0, 150.0, 180.0, 240.0, 300.0, 350.0, 600.0, 25.4];
    let spacing: Vec<f64> = data.texts(tags::PIXEL_SPACING).iter().filter_map(|value| value.parse().ok()).collect();
    match spacing[..] {
        [row, column] if row > 0.0 && column > 0.0 => {
            let near = |dpi: f64| [row, column].iter().all(|v| (v * dpi / 25.4 - 1.0).abs() < 1e-3);
            if resolutions.into_iter().any(near) {
                findings.add("spacing", "PixelSpacing", "is a printer's resolution, not a measurement");
            }
        }
        _ => findings.add("spacing", "PixelSpacing", "is not two numbers above zero"),
    }
}
