//! The Part 10 file (PS3.10 7): by dicom-object, into memory.

use dicom_object::FileMetaTableBuilder;

use super::TransferSyntax;
use super::uid::IMPLEMENTATION_CLASS;
use super::value::Attributes;
use crate::error::DicomError;

/// ImplementationVersionName (0002,0013).
const IMPLEMENTATION_VERSION: &str = "MOULAGE_0_1_0";

/// The file: zero preamble, File Meta Information, the object.
pub(super) fn part10(object: Attributes, transfer_syntax: TransferSyntax) -> Result<Vec<u8>, DicomError> {
    let unwritable = |_| DicomError::Unwritable("File");
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax.uid())
        .implementation_class_uid(IMPLEMENTATION_CLASS)
        .implementation_version_name(IMPLEMENTATION_VERSION);
    let file = object.into_object().with_meta(meta).map_err(|_| DicomError::Unwritable("File"))?;
    let mut bytes = Vec::new();
    file.write_all(&mut bytes).map_err(unwritable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_name_follows_the_version() {
        assert_eq!(super::IMPLEMENTATION_VERSION, format!("MOULAGE_{}", super::super::VERSION.replace('.', "_")));
    }
}
