//! The Part 10 file (PS3.10 7): by dicom-object, into memory.

use dicom_object::FileMetaTableBuilder;

use super::TransferSyntax;
use super::uid::IMPLEMENTATION_CLASS;
use super::value::Attributes;
use crate::error::DicomError;

/// ImplementationVersionName (0002,0013).
const IMPLEMENTATION_VERSION: &str = "MOULAGE_0_1_0";

/// More than an object takes without its pixels and its profile, as a rule.
const HEAD: usize = 1 << 14;

/// The file: zero preamble, File Meta Information, the object, whose pixels take `pixels` bytes.
pub(super) fn part10(
    object: Attributes,
    transfer_syntax: TransferSyntax,
    pixels: usize,
) -> Result<Vec<u8>, DicomError> {
    const UNWRITABLE: DicomError = DicomError::Unwritable("File");
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax.uid())
        .implementation_class_uid(IMPLEMENTATION_CLASS)
        .implementation_version_name(IMPLEMENTATION_VERSION);
    let file = object.into_object().with_meta(meta).map_err(|_| UNWRITABLE)?;
    let mut bytes = Vec::new();
    bytes.try_reserve(pixels.saturating_add(HEAD)).map_err(|_| UNWRITABLE)?;
    file.write_all(&mut bytes).map_err(|_| UNWRITABLE)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_name_follows_the_version() {
        assert_eq!(super::IMPLEMENTATION_VERSION, format!("MOULAGE_{}", super::super::VERSION.replace('.', "_")));
    }
}
