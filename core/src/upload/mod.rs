//! Empties the outbox into an archive, without doing any networking: [`Uploader::next_upload`] says what to send,
//! [`Uploader::finish_upload`] is told how it went.
//!
//! ```text
//! captured --> [query, unless never offered] --absent--> store (STOW-RS, one instance a request) --listed--> query --found-->
//!    [retrieve and compare] --> [commitment] --> stored: erased here
//! ```
//!
//! - An answer is judged by what it says of the SOP Instance UID, never by its HTTP status alone.
//! - Nothing that may have arrived is sent again before the archive was asked, and said "absent" when it could not be storing it any more:
//!   that is the quarantine.
//! - Nothing is erased before the archive confirmed it as surely as [`Confirm`] demands.

mod answer;
mod destination;
mod dicom_json;
#[cfg(feature = "http")]
pub mod http;
mod multipart;
mod objects;
mod request;
#[cfg(test)]
mod simulation;
mod task;
#[cfg(test)]
mod tests;
mod uploader;

pub use destination::{Confirm, Destination, Policy};
pub use objects::{Identity, NotReadable, Objects, Uids};
pub use task::{
    AccessToken, Body, Header, NotSent, Outcome, Step, UploadId, UploadRequest, UploadResult, UploadTask, Url,
};
pub use uploader::Uploader;

use base64ct::{Base64, Encoding};

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest.as_ref());
    sha256
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 4648 4.
fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}
