//! Files with keys, tokens and certificates. A secret is read only when nobody but its owner can.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Keys and tokens are small.
const LARGEST: u64 = 1 << 20;

/// Reads one. On Unix it must be a file that only its owner, or root, may open.
pub(super) fn read(path: &Path, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_as(path, what, true)
}

/// Reads one that others may read, too.
pub(super) fn read_public(path: &Path, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_as(path, what, false)
}

fn read_as(path: &Path, what: &'static str, secret: bool) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = File::open(path).map_err(|error| unreadable(what, error.kind()))?;
    // Of the file that was opened, not of a name that may have been changed since.
    let metadata = file.metadata().map_err(|error| unreadable(what, error.kind()))?;
    if !metadata.is_file() {
        return Err(Failure::usage("gateway-file", format!("{what} is no file")));
    }
    #[cfg(unix)]
    if secret && std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0 {
        let text = format!("{what} is open to others than its owner");
        return Err(Failure::usage("gateway-file-open", text).help("`chmod 600` closes it"));
    }
    // Growing would leave copies of the secret behind.
    let mut content = Zeroizing::new(Vec::with_capacity(metadata.len().min(LARGEST) as usize + 1));
    let read = file.take(LARGEST + 1).read_to_end(&mut content).map_err(|error| unreadable(what, error.kind()))?;
    if read as u64 > LARGEST {
        return Err(Failure::usage("gateway-file", format!("{what} is too large")));
    }
    Ok(content)
}

fn unreadable(what: &str, kind: ErrorKind) -> Failure {
    let why = match kind {
        ErrorKind::NotFound => "it is not there",
        ErrorKind::PermissionDenied => "no permission",
        _ => "the system refused",
    };
    Failure::usage("gateway-file", format!("{what} cannot be read: {why}"))
}
