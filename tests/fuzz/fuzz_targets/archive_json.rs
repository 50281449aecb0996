//! Answers of an archive to storing and to queries: a status, then any bytes.
#![no_main]

use judge::archive::Archive;
use libfuzzer_sys::fuzz_target;
use moulage::upload::{Confirm, UploadResult};

thread_local!(static ARCHIVE: Archive = Archive::new());

fuzz_target!(|data: &[u8]| {
    let Some(([status], body)) = data.split_first_chunk::<1>() else { return };
    let status = [200, 202, 204, 400, 409, 415, 422, 503][usize::from(status % 8)];
    let erased = ARCHIVE.with(|archive| {
        archive.erases(Confirm::Found, |_| {
            Some(UploadResult::Response { status, headers: Vec::new(), body: body.to_vec() })
        })
    });
    // An escape may spell a tag otherwise.
    let tells_the_patient = body.contains(&b'\\') || body.windows(8).any(|tag| tag == b"00100020");
    assert!(!erased || tells_the_patient, "erased, though nobody said whose it is");
});
