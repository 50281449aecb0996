//! What an archive gives back of a photo: a line that is the content type, then any bytes.
#![no_main]

use judge::archive::Archive;
use libfuzzer_sys::fuzz_target;
use moulage::upload::{Confirm, Step, UploadResult};
use moulage_tests::answers::first_object;

thread_local!(static ARCHIVE: Archive = Archive::new());

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, body) = data.split_at(end);
    let content_type = String::from_utf8_lossy(line).into_owned();
    let erased = ARCHIVE.with(|archive| {
        archive.erases(Confirm::Compared, |step| {
            let headers = vec![("content-type".to_owned(), content_type.clone())];
            (step == Step::Retrieve).then(|| UploadResult::Response { status: 200, headers, body: body.to_vec() })
        })
    });
    let object = first_object();
    let data_set = object.rsplit(|byte| *byte == 0).next().expect("a part");
    assert!(!erased || body.windows(data_set.len()).any(|part| part == data_set), "erased, though it is another");
});
