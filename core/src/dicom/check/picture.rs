//! What is said of the pixels against the pixels themselves (PS3.3 C.7.6.1.1.5, C.7.6.3; PS3.5 8.2, A.4).

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::super::dataset::{Dataset, Value};
use super::jpeg::{self, Colour};
use super::{Findings, Object, SopClass};
use crate::dicom::value::keyword;

const METHODS: [&str; 9] = [
    "ISO_10918_1",
    "ISO_14495_1",
    "ISO_15444_1",
    "ISO_15444_2",
    "ISO_15444_15",
    "ISO_13818_2",
    "ISO_14496_10",
    "ISO_23008_2",
    "ISO_18181_1",
];

/// NumberOfFrames (0028,0008), or one.
pub(super) fn frames(data: &Dataset<'_>) -> u32 {
    data.text(tags::NUMBER_OF_FRAMES).parse().unwrap_or(1)
}

/// What the data set says of the picture.
struct Description<'a> {
    rows: u16,
    columns: u16,
    samples: u16,
    photometric: &'a str,
    frames: u32,
}

impl Description<'_> {
    fn decoded_bytes(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.columns) * u64::from(self.samples) * u64::from(self.frames)
    }
}

pub(super) fn check(object: &Object<'_>, findings: &mut Findings) {
    let data = &object.data;
    let short = |tag| data.short(tag).unwrap_or_default();
    let description = Description {
        rows: short(tags::ROWS),
        columns: short(tags::COLUMNS),
        samples: short(tags::SAMPLES_PER_PIXEL),
        photometric: data.text(tags::PHOTOMETRIC_INTERPRETATION),
        frames: frames(data),
    };
    check_description(object, &description, findings);
    match (data.get(tags::PIXEL_DATA).map(|element| (element.vr, &element.value)), object.encapsulated) {
        (Some((_, Value::Bytes(pixels))), false) => check_native(&description, pixels, findings),
        (Some((VR::OB, Value::Fragments(items))), true) => {
            if let [offsets, fragments @ ..] = &items[..] {
                check_fragments(&description, offsets, fragments, findings);
                check_ratio(data, &description, fragments, findings);
                for fragment in fragments {
                    check_stream(object, &description, fragment, findings);
                }
            } else {
                findings.add("encapsulation", "PixelData", "has no item");
            }
        }
        (None, _) => findings.add("pixels", "PixelData", "is missing"),
        _ => findings.add("encapsulation", "PixelData", "is not as its transfer syntax wants it"),
    }
    check_lossy(object, findings);
}

fn check_description(object: &Object<'_>, description: &Description<'_>, findings: &mut Findings) {
    let eight_bit =
        [(tags::BITS_ALLOCATED, 8), (tags::BITS_STORED, 8), (tags::HIGH_BIT, 7), (tags::PIXEL_REPRESENTATION, 0)];
    for (tag, value) in eight_bit {
        if object.data.short(tag) != Some(value) {
            findings.add("pixel-description", keyword(tag), "is not that of 8 unsigned bits");
        }
    }
    let planar = object.data.get(tags::PLANAR_CONFIGURATION).map(|_| object.data.short(tags::PLANAR_CONFIGURATION));
    match (description.samples, planar) {
        (3, Some(Some(0))) | (1, None) => {}
        (3, _) => findings.add("pixel-description", "PlanarConfiguration", "is not 0"),
        (1, _) => findings.add("pixel-description", "PlanarConfiguration", "is present with one sample"),
        _ => findings.add("pixel-description", "SamplesPerPixel", "is neither 1 nor 3"),
    }
    if object.class != SopClass::MultiFrameTrueColorSc
        && object.data.get(tags::NUMBER_OF_FRAMES).is_some()
        && description.frames != 1
    {
        findings.add("frames", "NumberOfFrames", "is more than one in a class of one frame");
    }
}

fn check_native(description: &Description<'_>, pixels: &[u8], findings: &mut Findings) {
    if pixels.len() as u64 != description.decoded_bytes().next_multiple_of(2) {
        findings.add("pixels", "PixelData", "has not the bytes of its rows, columns, samples and frames");
    }
    if description.photometric != if description.samples == 3 { "RGB" } else { "MONOCHROME2" } {
        findings.add("photometric", "PhotometricInterpretation", "is not that of decoded samples");
    }
}

/// One fragment a frame; the table is empty, or points at each.
fn check_fragments(description: &Description<'_>, table: &[u8], fragments: &[&[u8]], findings: &mut Findings) {
    if fragments.len() as u64 != u64::from(description.frames) {
        findings.add("encapsulation", "PixelData", "has not one fragment a frame");
    }
    if fragments.iter().any(|fragment| fragment.len() % 2 == 1) {
        findings.add("encapsulation", "PixelData", "has a fragment of odd length");
    }
    let mut at = 0u64;
    let mut offsets = Vec::new();
    for fragment in fragments {
        offsets.extend_from_slice(&(at as u32).to_le_bytes());
        at += 8 + fragment.len() as u64;
    }
    if !table.is_empty() && table != offsets {
        findings.add("encapsulation", "PixelData", "has an offset table that does not point at its fragments");
    }
}

fn check_lossy(object: &Object<'_>, findings: &mut Findings) {
    let data = &object.data;
    let flag = data.text(tags::LOSSY_IMAGE_COMPRESSION);
    let ratios = data.texts(tags::LOSSY_IMAGE_COMPRESSION_RATIO);
    let methods = data.texts(tags::LOSSY_IMAGE_COMPRESSION_METHOD);
    match flag {
        "01" => {
            if ratios.is_empty() || ratios.len() != methods.len() {
                findings.add("lossy", "LossyImageCompressionMethod", "has not one value a LossyImageCompressionRatio");
            }
            if methods.iter().any(|method| !METHODS.contains(method)) {
                findings.add("lossy", "LossyImageCompressionMethod", "is no defined term");
            }
            if methods.len() > 1 && data.texts(tags::IMAGE_TYPE).first() == Some(&"ORIGINAL") {
                findings.add("lossy", "ImageType", "is ORIGINAL after two lossy steps");
            }
        }
        "00" if !object.encapsulated => {
            if !ratios.is_empty() || !methods.is_empty() {
                findings.add("lossy", "LossyImageCompressionRatio", "is present with LossyImageCompression 00");
            }
        }
        _ => findings.add("lossy", "LossyImageCompression", "is not 01, and the pixels are JPEG"),
    }
    if object.encapsulated && methods.last().is_some_and(|method| *method != "ISO_10918_1") {
        findings.add("lossy", "LossyImageCompressionMethod", "ends with another than the stream's");
    }
}

fn check_ratio(data: &Dataset<'_>, description: &Description<'_>, fragments: &[&[u8]], findings: &mut Findings) {
    let ratios = data.texts(tags::LOSSY_IMAGE_COMPRESSION_RATIO);
    let stored: u64 = fragments.iter().map(|fragment| fragment.len() as u64).sum();
    let measured = description.decoded_bytes() as f64 / stored.max(1) as f64;
    let told: Option<f64> = ratios.last().and_then(|ratio| ratio.parse().ok());
    if told.is_some_and(|told| (told - measured).abs() > (measured * 0.01).max(0.005)) {
        findings.add("lossy-ratio", "LossyImageCompressionRatio", "is not that of the pixels");
    }
}

fn check_stream(object: &Object<'_>, description: &Description<'_>, fragment: &[u8], findings: &mut Findings) {
    let Some(frame) = jpeg::read(fragment, object.scans, findings) else { return };
    let process = if object.transfer_syntax.ends_with(".51") { 1 } else { 0 };
    if frame.process != process || frame.bits != 8 {
        findings.add("sof-ts", "TransferSyntaxUID", "is not that of the stream");
    }
    if (frame.rows, frame.columns) != (description.rows, description.columns) {
        findings.add("rows-cols", "Rows", "or Columns are not those of the stream");
    }
    if usize::from(description.samples) != frame.components.len() {
        findings.add("photometric", "SamplesPerPixel", "is not that of the stream");
    }
    let fitting = match frame.colour {
        Colour::Grey => "MONOCHROME2",
        Colour::YCbCr => "YBR_FULL_422",
        Colour::Rgb if !object.class.is_visible_light() => "RGB",
        Colour::Rgb | Colour::Other => "",
    };
    if description.photometric != fitting {
        findings.add("photometric", "PhotometricInterpretation", "is not that of the stream");
    }
}
