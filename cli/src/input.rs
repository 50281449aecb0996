//! Files that are read: regular ones only, and no larger than their limit.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use moulage::PhotoError;
use moulage::photo::Limits;
use moulage::seal::{LARGEST_SEALED, SealError};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// A FHIR resource; the core's own limit is the same.
const RESOURCE_BYTES: u64 = 1 << 20;

/// Keys and lists of certificates.
const CREDENTIAL_BYTES: u64 = 1 << 20;

/// The bytes of a photo.
pub(crate) fn photo(path: &Path, limits: &Limits) -> Result<Vec<u8>, Failure> {
    read(path, Exit::Refused, |bytes| limits.check_file(bytes).map_err(Failure::from))
}

/// The bytes of an object.
pub(crate) fn object(path: &Path) -> Result<Vec<u8>, Failure> {
    let limits = Limits { file_bytes: moulage::dicom::MAX_FILE_BYTES as u64, ..Limits::default() };
    photo(path, &limits)
}

/// The bytes of a FHIR resource in JSON.
pub(crate) fn resource(path: &Path) -> Result<Vec<u8>, Failure> {
    read(path, Exit::Usage, |bytes| match bytes {
        0..=RESOURCE_BYTES => Ok(()),
        _ => Err(Failure::usage("too-long", "a resource is larger than 1 MiB")),
    })
}

/// The bytes of a sealed item.
pub(crate) fn sealed_item(path: &Path) -> Result<Vec<u8>, Failure> {
    let maximum = LARGEST_SEALED as u64;
    read(path, Exit::Refused, |bytes| match bytes {
        bytes if bytes <= maximum => Ok(()),
        _ => Err(SealError::TooLarge { maximum }.into()),
    })
}

/// One or several certificates, or a private key, which only its owner may read.
pub(crate) fn credential(path: &Path, private: bool) -> Result<Zeroizing<Vec<u8>>, Failure> {
    #[cfg(unix)]
    if private
        && let Ok(metadata) = fs::metadata(path)
        && std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0
    {
        return Err(Failure::usage("key-not-private", "the private key can be read by others").help("chmod 600"));
    }
    let bytes = read(path, Exit::Usage, |bytes| match bytes {
        0..=CREDENTIAL_BYTES => Ok(()),
        _ => Err(Failure::usage("too-long", "a key or certificate is larger than 1 MiB")),
    });
    Ok(Zeroizing::new(bytes?))
}

/// What the phone's decoder made of a HEIC, as PNG.
pub(crate) fn pixels(path: &Path, limits: &Limits) -> Result<DecodedPng, Failure> {
    let bytes = photo(path, limits)?;
    let undecodable = |_| Failure::from(PhotoError::Undecodable);
    let mut reader = image::ImageReader::with_format(std::io::Cursor::new(&bytes), image::ImageFormat::Png);
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(limits.side);
    bounds.max_image_height = Some(limits.side);
    bounds.max_alloc = Some(limits.decoded_bytes);
    reader.limits(bounds);
    // Another library's decoder: should it panic, the photo is refused and the others go on.
    let decoded = catch_unwind(AssertUnwindSafe(|| reader.decode())).map_err(|_| PhotoError::Undecodable)?;
    let picture = match decoded.map_err(undecodable)? {
        image::DynamicImage::ImageRgb8(rgb) => rgb,
        // Decoders add an opaque channel; one that is not opaque is not what a camera made.
        image::DynamicImage::ImageRgba8(rgba) if rgba.pixels().all(|pixel| pixel.0[3] == 255) => {
            image::DynamicImage::from(rgba).into_rgb8()
        }
        _ => return Err(PhotoError::PixelsMismatch.into()),
    };
    Ok(DecodedPng { width: picture.width(), height: picture.height(), rgb: picture.into_raw() })
}

/// RGB, 8 bit, no padding between rows.
pub(crate) struct DecodedPng {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgb: Vec<u8>,
}

fn read(path: &Path, exit: Exit, check: impl Fn(u64) -> Result<(), Failure>) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| {
        let (code, text) = match error.kind() {
            ErrorKind::NotFound => ("not-found", "there is no such file"),
            ErrorKind::PermissionDenied => ("permission-denied", "the file may not be read"),
            _ => ("unreadable", "the file cannot be read"),
        };
        Failure::new(exit, code, text)
    };
    // Before it is opened: opening a pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Failure::new(exit, "not-a-file", "not a regular file"));
    }
    check(metadata.len())?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // One byte more than announced tells that the file grows under our hands.
    let opened = File::open(path).map_err(unreadable)?;
    opened.take(metadata.len() + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 != metadata.len() {
        return Err(Failure::new(exit, "unreadable", "the file changes while it is read"));
    }
    Ok(bytes)
}
