//! Image Pixel module (PS3.3 C.7.6.3): the clean stream as it is, or decoded.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom_dictionary_std::tags;
use image::codecs::jpeg::JpegDecoder;
use image::{ColorType, ImageDecoder};

use super::TransferSyntax;
use super::value::Attributes;
use crate::error::DicomError;
use crate::photo::{Colour, PreparedPhoto};

const UNWRITABLE: DicomError = DicomError::Unwritable("PixelData");

/// Gives the bytes that the pixels take.
pub(super) fn write(
    object: &mut Attributes,
    photos: &[PreparedPhoto],
    transfer_syntax: TransferSyntax,
) -> Result<usize, DicomError> {
    let first = photos.first().ok_or(UNWRITABLE)?;
    // PS3.3 C.8.12.1.1.1 wants YBR_FULL_422 over lossy JPEG, whatever the subsampling: the stream tells its own.
    let (samples, interpretation) = match (first.colour(), transfer_syntax) {
        (Colour::Grey, _) => (1, "MONOCHROME2"),
        (Colour::YCbCr, TransferSyntax::JpegBaseline) => (3, "YBR_FULL_422"),
        (colour, TransferSyntax::ExplicitVrLittleEndian) => (3, decoded_interpretation(colour)),
    };
    object.integer(tags::SAMPLES_PER_PIXEL, samples)?;
    object.text(tags::PHOTOMETRIC_INTERPRETATION, interpretation)?;
    if samples > 1 {
        object.integer(tags::PLANAR_CONFIGURATION, 0)?;
    }
    object.integer(tags::ROWS, first.rows().into())?;
    object.integer(tags::COLUMNS, first.columns().into())?;
    object.integer(tags::BITS_ALLOCATED, 8)?;
    object.integer(tags::BITS_STORED, 8)?;
    object.integer(tags::HIGH_BIT, 7)?;
    object.integer(tags::PIXEL_REPRESENTATION, 0)?;
    match transfer_syntax {
        TransferSyntax::JpegBaseline => encapsulate(object, photos),
        TransferSyntax::ExplicitVrLittleEndian => {
            let mut pixels = Vec::new();
            for photo in photos {
                decode(photo.jpeg(), (photo.rows(), photo.columns()), photo.colour(), &mut pixels)?;
            }
            let size = pixels.len();
            object.native_pixels(pixels);
            Ok(size)
        }
    }
}

/// PhotometricInterpretation of decoded pixels.
pub(super) fn decoded_interpretation(colour: Colour) -> &'static str {
    match colour {
        Colour::Grey => "MONOCHROME2",
        Colour::YCbCr => "RGB",
    }
}

/// Bytes of a picture without compression.
pub(super) fn decoded_bytes(rows: u16, columns: u16, colour: Colour) -> u64 {
    let samples = if colour == Colour::Grey { 1 } else { 3 };
    u64::from(rows) * u64::from(columns) * samples
}

/// Bytes of the picture's fragment, padding included.
pub(super) fn fragment_bytes(photo: &PreparedPhoto) -> u64 {
    photo.jpeg().len().next_multiple_of(2) as u64
}

/// One fragment a frame; the Basic Offset Table is empty for one frame, which starts at 0 anyway.
fn encapsulate(object: &mut Attributes, photos: &[PreparedPhoto]) -> Result<usize, DicomError> {
    let (mut offsets, mut fragments, mut at) = (Vec::new(), Vec::new(), 0u64);
    for photo in photos {
        offsets.push(u32::try_from(at).map_err(|_| UNWRITABLE)?);
        at += 8 + fragment_bytes(photo);
        let mut fragment = Vec::with_capacity(photo.jpeg().len() + 1);
        fragment.extend_from_slice(photo.jpeg());
        fragment.resize(fragment.len().next_multiple_of(2), 0);
        fragments.push(fragment);
    }
    if let [_] = offsets[..] {
        offsets.clear();
    }
    let size = fragments.iter().map(Vec::len).sum();
    object.encapsulated_pixels(offsets, fragments);
    Ok(size)
}

/// Appends the samples. The decoder is not ours, and known to panic on hostile streams.
pub(super) fn decode(
    jpeg: &[u8],
    (rows, columns): (u16, u16),
    colour: Colour,
    pixels: &mut Vec<u8>,
) -> Result<(), DicomError> {
    let size = usize::try_from(decoded_bytes(rows, columns, colour)).map_err(|_| UNWRITABLE)?;
    let coded = if colour == Colour::Grey { ColorType::L8 } else { ColorType::Rgb8 };
    let start = pixels.len();
    pixels.try_reserve_exact(size).map_err(|_| UNWRITABLE)?;
    pixels.resize(start + size, 0);
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let decoder = JpegDecoder::new(Cursor::new(jpeg)).ok()?;
        let matches = decoder.dimensions() == (columns.into(), rows.into()) && decoder.color_type() == coded;
        matches.then(|| decoder.read_image(&mut pixels[start..]).ok())?
    }));
    decoded.ok().flatten().ok_or(UNWRITABLE)
}
