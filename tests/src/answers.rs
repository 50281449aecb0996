//! `tests/scenarios/answers.json`: what archives and gateways answer, and what must follow. Data, so that every language runs the same.
//!
//! A scenario begins with one captured item. Each request of the uploader gets the next answer; after the last one, where the item stands is
//! compared. An answer has
//!
//! | field | means |
//! |---|---|
//! | `to` | the step that it answers: `store`, `query`, `retrieve`, `commit`, `commit-result`; any other step is a failure |
//! | `status`, `headers`, `body` | the answer; in the body, `{SOPInstanceUID}`, `{SOPClassUID}`, `{StudyInstanceUID}`, `{SeriesInstanceUID}`, `{PatientID}`, `{IssuerOfPatientID}` are those of the object that was stored last (or captured), `{item}` is the SHA-256 of the sealed bytes |
//! | `repeat` | a text and how often it is put behind the body |
//! | `dicom` | the body is the object in `multipart/related`: `same`, `other-meta` (another File Meta Information), `altered` (one byte of the data set), `cut` |
//! | `fault` | instead of an answer: `ambiguous` (all was received, then the connection ends), `unreachable`, `name`, `tls` (nothing leaves) |
//! | `not_before`, `not_after` | seconds since the answer before it |
//!
//! A token that was refused is replaced by a new one. Every scenario runs three times: as it is; after a restart while the item was on its way
//! (`direct`: two queries say "absent" first, the second after the quarantine; `sealed`: the quarantine passes first); and with a network
//! that is gone at the first attempt of the first and of the last request. In all of them time passes when the uploader waits.

use std::collections::BTreeMap;

use moulage::upload::{Identity, NotReadable, Objects, Uids};
use serde::Deserialize;

/// The file.
const ANSWERS: &str = include_str!("../scenarios/answers.json");
/// Of everything in the scenarios.
pub const PATIENT_ID: &str = "CANARY-0815";
/// The same.
pub const ISSUER_OF_PATIENT_ID: &str = "CANARY-HOSPITAL";

/// One scenario.
#[derive(Deserialize)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// `direct` or `sealed`.
    pub policy: String,
    /// `listed`, `found`, `compared` or `committed`.
    pub confirm: String,
    /// In the order of the requests.
    pub answers: Vec<Answer>,
    /// What must follow.
    pub expected: Expected,
}

/// One answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Step.
    pub to: String,
    /// HTTP status; 0 for a fault.
    #[serde(default)]
    pub status: u16,
    /// Headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    repeat: Option<Repeat>,
    dicom: Option<String>,
    /// Instead of an answer.
    pub fault: Option<String>,
    /// Seconds.
    pub not_before: Option<u64>,
    /// Seconds.
    pub not_after: Option<u64>,
}

#[derive(Deserialize)]
struct Repeat {
    text: String,
    times: usize,
}

/// What must follow.
#[derive(Deserialize)]
pub struct Expected {
    /// The steps that were asked for.
    pub requests: Vec<String>,
    /// `stored`, or the code of the item's state.
    pub state: String,
    /// How surely it is stored, why it is poison, or what blocks it.
    pub reason: Option<String>,
}

/// All scenarios.
///
/// # Panics
/// When the file is not what it should be.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    #[derive(Deserialize)]
    struct File {
        scenarios: Vec<Scenario>,
    }
    serde_json::from_str::<File>(ANSWERS).expect("tests/scenarios/answers.json").scenarios
}

impl Answer {
    /// Headers and body of the answer about `object`, which was sealed as `item`.
    #[must_use]
    pub fn response(&self, object: &[u8], item: &str) -> (Vec<(String, String)>, Vec<u8>) {
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(kind) = &self.dicom {
            headers
                .push(("Content-Type".into(), "multipart/related; type=\"application/dicom\"; boundary=\"b\"".into()));
            return (headers, self.read_back(kind, object));
        }
        let [class, study, series, instance] = uids(object);
        let body = [
            ("SOPClassUID", class),
            ("StudyInstanceUID", study),
            ("SeriesInstanceUID", series),
            ("SOPInstanceUID", instance),
            ("PatientID", PATIENT_ID),
            ("IssuerOfPatientID", ISSUER_OF_PATIENT_ID),
            ("item", item),
        ]
        .iter()
        .fold(self.body.clone(), |body, (name, value)| body.replace(&format!("{{{name}}}"), value));
        let tail = self.repeat.as_ref().map_or(String::new(), |repeat| repeat.text.repeat(repeat.times));
        (headers, (body + &tail).into_bytes())
    }

    fn read_back(&self, kind: &str, object: &[u8]) -> Vec<u8> {
        let mut object = object.to_vec();
        match kind {
            "other-meta" => object = [b"\x01".repeat(128), object.split_off(128)].concat(),
            "altered" => *object.last_mut().expect("an object") ^= 1,
            _ => {}
        }
        let end: &[u8] = if kind == "cut" { b"" } else { b"\r\n--b--\r\n" };
        [b"--b\r\nContent-Type: application/dicom\r\n\r\n", &object[..], end].concat()
    }
}

/// Objects as small as can be: a File Meta Information that only tells its own length and the transfer syntax, and one line for a data set.
pub struct LineObjects;

/// The line: class, study, series, instance.
fn uids(object: &[u8]) -> [&str; 4] {
    let line = object.get(META + 132..).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let mut words = line.split(' ');
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

/// Length of the File Meta Information.
const META: usize = 12 + 8 + 18;

/// An object.
#[must_use]
pub fn object(sop_class_uid: &str, transfer_syntax_uid: &str, sop_instance_uid: &str) -> Vec<u8> {
    let mut object = vec![0; 128];
    object.extend(b"DICM\x02\0\0\0UL\x04\0\x1a\0\0\0\x02\0\x10\0UI\x12\0");
    object.extend(format!("{transfer_syntax_uid:\0<18}{sop_class_uid} 1.2.5 1.2.6 {sop_instance_uid}").bytes());
    object
}

/// What the scenarios begin with: VL Photographic Image, JPEG Baseline.
#[must_use]
pub fn first_object() -> Vec<u8> {
    object("1.2.840.10008.5.1.4.1.1.77.1.4", JPEG, "2.25.7777777")
}

const JPEG: &str = "1.2.3.50";
const EXPLICIT: &str = "1.2.3.1";
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

impl Objects for LineObjects {
    fn identify(&self, object: &[u8]) -> Result<Identity, NotReadable> {
        let [sop_class_uid, study_instance_uid, series_instance_uid, sop_instance_uid] = uids(object);
        let uids = Uids { sop_class_uid, study_instance_uid, series_instance_uid, sop_instance_uid };
        Identity::new(&uids, PATIENT_ID, Some(ISSUER_OF_PATIENT_ID))
    }

    fn as_secondary_capture(&self, from: &[u8]) -> Option<Vec<u8>> {
        let [class, .., uid] = uids(from);
        (class != SECONDARY_CAPTURE).then(|| object(SECONDARY_CAPTURE, JPEG, &format!("{uid}.7")))
    }

    fn in_explicit_vr(&self, from: &[u8]) -> Option<Vec<u8>> {
        let [class, .., uid] = uids(from);
        let is_jpeg = memchr::memmem::find(from, JPEG.as_bytes()).is_some();
        is_jpeg.then(|| object(class, EXPLICIT, &format!("{uid}.1")))
    }
}
