//! The fallback for an archive that reads no JPEG: the same photo with decoded pixels (PS3.5 A.2).

use dicom_dictionary_std::tags;

use super::dataset::Value;
use super::rewrite::Rewrite;
use super::{TransferSyntax, image_pixel};
use crate::error::DicomError;
use crate::photo::Colour;

/// An object of ours in Explicit VR Little Endian: pixels are decoded, colour becomes RGB, and SOPInstanceUID is derived from
/// the old one. The same object always gives the same bytes, as long as the JPEG decoder rounds as it does.
///
/// All else stays byte for byte; LossyImageCompression stays 01, its ratio and method tell how the pixels once were stored.
/// `largest` is in bytes of decoded pixels, and checked before any memory is taken for them.
///
/// # Errors
/// [`DicomError::Unreadable`] for what is no Part 10 file of ours; [`DicomError::Unwritable`] when its pixels are no JPEG, would
/// take more than `largest`, or cannot be decoded; [`DicomError::Broken`] when the outcome breaks its IOD.
pub fn in_explicit_vr(object: &[u8], largest: u64) -> Result<Vec<u8>, DicomError> {
    const UNWRITABLE: DicomError = DicomError::Unwritable("PixelData");
    let mut plain = Rewrite::of(object)?;
    let data = &plain.source.data;
    let Some(Value::Fragments(items)) = data.get(tags::PIXEL_DATA).map(|element| &element.value) else {
        return Err(UNWRITABLE);
    };
    let fragments = items.get(1..).unwrap_or_default();
    let [rows, columns] = [tags::ROWS, tags::COLUMNS].map(|tag| data.short(tag).unwrap_or_default());
    let colour = if data.short(tags::SAMPLES_PER_PIXEL) == Some(1) { Colour::Grey } else { Colour::YCbCr };
    let size = image_pixel::decoded_bytes(rows, columns, colour);
    if fragments.len() as u64 * size > largest {
        return Err(UNWRITABLE);
    }
    let mut pixels = Vec::new();
    for fragment in fragments {
        image_pixel::decode(fragment, (rows, columns), colour, &mut pixels)?;
    }
    plain.put(tags::TRANSFER_SYNTAX_UID, TransferSyntax::ExplicitVrLittleEndian.uid().as_bytes())?;
    plain.put(tags::PHOTOMETRIC_INTERPRETATION, image_pixel::decoded_interpretation(colour).as_bytes())?;
    plain.put(tags::PIXEL_DATA, &pixels)?;
    drop(pixels);
    plain.derive(tags::SOP_INSTANCE_UID, "in-explicit-vr")?;
    plain.finish()
}
