//! VL Photographic Equipment and Acquisition modules (PS3.3 C.8.12.11, C.8.12.12; PS3.17 NNNN): what EXIF says of the
//! exposure. The geolocation module beside them is never written, nor what names an owner, a lens or a camera.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::value::{Attributes, decimal_string, fits, vr};
use crate::error::DicomError;
use crate::photo::{Fact, FactValue, PhotoFacts};

const FLASH: u16 = 0x9209;

/// EXIF tag, attribute, number of values.
const TABLE: [(u16, Tag, usize); 39] = [
    (0x829A, tags::EXPOSURE_TIME_IN_SECONDS, 1),
    (0x829D, tags::F_NUMBER, 1),
    (0x8822, tags::EXPOSURE_PROGRAM, 1),
    (0x8827, tags::PHOTOGRAPHIC_SENSITIVITY, 1),
    (0x8830, tags::SENSITIVITY_TYPE, 1),
    (0x8831, tags::STANDARD_OUTPUT_SENSITIVITY, 1),
    (0x8832, tags::RECOMMENDED_EXPOSURE_INDEX, 1),
    (0x8833, tags::ISO_SPEED, 1),
    (0x8834, tags::ISO_SPEED_LATITUDEYYY, 1),
    (0x8835, tags::ISO_SPEED_LATITUDEZZZ, 1),
    (0x9000, tags::EXIF_VERSION, 1),
    (0x9201, tags::SHUTTER_SPEED_VALUE, 1),
    (0x9202, tags::APERTURE_VALUE, 1),
    (0x9203, tags::BRIGHTNESS_VALUE, 1),
    (0x9204, tags::EXPOSURE_BIAS_VALUE, 1),
    (0x9205, tags::MAX_APERTURE_VALUE, 1),
    (0x9206, tags::SUBJECT_DISTANCE, 1),
    (0x9207, tags::METERING_MODE, 1),
    (0x9208, tags::LIGHT_SOURCE, 1),
    (0x920A, tags::FOCAL_LENGTH, 1),
    (0xA20B, tags::FLASH_ENERGY, 1),
    (0xA215, tags::PHOTOGRAPHIC_EXPOSURE_INDEX, 1),
    (0xA217, tags::SENSING_METHOD, 1),
    (0xA300, tags::FILE_SOURCE, 1),
    (0xA301, tags::SCENE_TYPE, 1),
    (0xA401, tags::CUSTOM_RENDERED, 1),
    (0xA402, tags::EXPOSURE_MODE, 1),
    (0xA403, tags::WHITE_BALANCE, 1),
    (0xA404, tags::DIGITAL_ZOOM_RATIO, 1),
    (0xA405, tags::FOCAL_LENGTH_IN35MM_FILM, 1),
    (0xA406, tags::SCENE_CAPTURE_TYPE, 1),
    (0xA407, tags::GAIN_CONTROL, 1),
    (0xA408, tags::CONTRAST, 1),
    (0xA409, tags::SATURATION, 1),
    (0xA40A, tags::SHARPNESS, 1),
    (0xA40C, tags::SUBJECT_DISTANCE_RANGE, 1),
    (0xA432, tags::LENS_SPECIFICATION, 4),
    (0xA433, tags::LENS_MAKE, 1),
    (0xA434, tags::LENS_MODEL, 1),
];

/// Writes each fact that has a valid form as its attribute; EXIF never fails a photo.
pub(super) fn write(object: &mut Attributes, facts: &PhotoFacts) -> Result<(), DicomError> {
    for Fact { tag, value } in &facts.facts {
        if let (FLASH, FactValue::Integer(flash)) = (*tag, value) {
            write_flash(object, *flash)?;
        }
        let Some((_, attribute, count)) = TABLE.iter().find(|(exif, ..)| exif == tag) else { continue };
        match (vr(*attribute), value) {
            (Some(VR::US), FactValue::Integer(n)) if u16::try_from(*n).is_ok() => object.integer(*attribute, *n)?,
            (Some(VR::IS), FactValue::Integer(n)) if i32::try_from(*n).is_ok() => object.integer(*attribute, *n)?,
            (Some(VR::DS), FactValue::Integer(n)) if *count == 1 => object.decimals(*attribute, &[(*n).into()])?,
            (Some(VR::DS), FactValue::Decimal(v)) if *count == 1 && writable(*v) => {
                object.decimals(*attribute, &[*v])?
            }
            (Some(VR::DS), FactValue::Decimals(v)) if *count == v.len() && v.iter().copied().all(writable) => {
                object.decimals(*attribute, v)?;
            }
            (Some(VR::UT), FactValue::Text(text)) if fits(VR::UT, text) => object.text(*attribute, text)?,
            _ => {}
        }
    }
    Ok(())
}

fn writable(value: f64) -> bool {
    decimal_string(value).is_some()
}

/// Flash (0x9209) is a set of bits; FlashFunctionPresent counts the other way round: 0 is present.
fn write_flash(object: &mut Attributes, flash: u32) -> Result<(), DicomError> {
    object.integer(tags::FLASH_FIRING_STATUS, flash & 1)?;
    object.integer(tags::FLASH_RETURN_STATUS, flash >> 1 & 3)?;
    object.integer(tags::FLASH_MODE, flash >> 3 & 3)?;
    object.integer(tags::FLASH_FUNCTION_PRESENT, flash >> 5 & 1)?;
    object.integer(tags::FLASH_RED_EYE_MODE, flash >> 6 & 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_object::InMemDicomObject;

    fn written(facts: &[(u16, FactValue)]) -> InMemDicomObject {
        let facts = facts.iter().map(|(tag, value)| Fact { tag: *tag, value: value.clone() }).collect();
        let mut object = Attributes::new();
        write(&mut object, &PhotoFacts { facts, ..PhotoFacts::default() }).unwrap();
        object.into_object()
    }

    fn text(object: &InMemDicomObject, tag: Tag) -> String {
        object.element(tag).unwrap().to_str().unwrap().into_owned()
    }

    #[test]
    fn facts_become_attributes_in_their_vr() {
        let object = written(&[
            (0x829A, FactValue::Decimal(1.0 / 120.0)),
            (0x8827, FactValue::Integer(64)),
            (0x9000, FactValue::Text("0232".into())),
            (0xA432, FactValue::Decimals(vec![1.54, 6.0, 1.8, 2.4])),
        ]);
        assert_eq!(text(&object, tags::EXPOSURE_TIME_IN_SECONDS), "0.00833333333333");
        assert_eq!(text(&object, tags::PHOTOGRAPHIC_SENSITIVITY), "64");
        assert_eq!(text(&object, tags::EXIF_VERSION), "0232");
        assert_eq!(text(&object, tags::LENS_SPECIFICATION), r"1.54\6\1.8\2.4");
    }

    #[test]
    fn flash_is_split_in_five() {
        // 0x59 = 101 1001: fired, mode auto (3), function present, red eye reduction.
        let object = written(&[(FLASH, FactValue::Integer(0x59))]);
        let value = |tag| object.element(tag).unwrap().to_int::<u16>().unwrap();
        let all = [
            tags::FLASH_FIRING_STATUS,
            tags::FLASH_RETURN_STATUS,
            tags::FLASH_MODE,
            tags::FLASH_FUNCTION_PRESENT,
            tags::FLASH_RED_EYE_MODE,
        ];
        assert_eq!(all.map(value), [1, 0, 3, 0, 1]);
    }

    #[test]
    fn what_has_no_valid_form_is_left_out() {
        let facts = [
            (0x8827, FactValue::Integer(u32::MAX)),
            (0x8822, FactValue::Integer(70_000)),
            (0x829A, FactValue::Text("1/120".into())),
            (0xA432, FactValue::Decimals(vec![1.54, 6.0])),
            (0x920A, FactValue::Decimal(f64::INFINITY)),
            (0x9999, FactValue::Integer(1)),
        ];
        assert_eq!(written(&facts).iter().count(), 0);
    }

    #[test]
    fn the_table_holds_no_forbidden_attribute_and_no_tag_twice() {
        for (at, (exif, attribute, _)) in TABLE.iter().enumerate() {
            assert!(attribute.0 == 0x0016 && attribute.1 < 0x0051 && ![0x2B, 0x4B, 0x4D].contains(&attribute.1));
            assert!(TABLE[..at].iter().all(|(earlier, ..)| earlier < exif));
        }
    }
}
