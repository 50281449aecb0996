//! What an answer means. Judged by the SOP Instance UID that it names; the HTTP status only counts when it names none.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};

use super::dicom_json::{self, FoundInstance, Object, SopReference};
use super::multipart;
use super::objects::Identity;
use crate::outbox::Reason;

/// Longest time that an archive may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Warning Reason "elements discarded" (PS3.4 B.2.3).
const ELEMENTS_DISCARDED: u16 = 0xB006;

/// A whole answer.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
    /// When it came, for a Retry-After that is a date and an answer that has none.
    pub(super) now: DateTime<FixedOffset>,
}

/// To any request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The token.
    Unauthorized,
    /// This user.
    Forbidden,
    /// For now. Nothing was stored.
    Busy(Duration),
}

/// To storing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The archive says that it has it; `clean`: in the way it should.
    Listed { clean: bool },
    /// The gateway says that its archive has it for sure.
    Confirmed,
    /// The archive says that it does not want it.
    Not(Refusal),
    /// Nothing that counts: it may be stored, now or in a while.
    Unclear,
    /// See there.
    Refused(Refused),
}

/// An archive that does not want an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    /// In which other form it may want it.
    pub(super) fallback: Option<Fallback>,
    /// After how many refusals it is believed.
    pub(super) believed_after: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fallback {
    SecondaryCapture,
    ExplicitVr,
}

/// To a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is there, under its patient.
    Ours,
    /// It is there, under another patient.
    OtherPatient,
    /// It is there; under which patient is not told.
    PatientUntold,
    /// It is not there.
    Absent,
    /// Other instances than those that were asked for are.
    Others,
    /// There is nothing at this URL: a way of saying "absent", or a wrong URL.
    NoSuchResource,
    /// The archive does not answer this query.
    NotAnswered,
    /// Nothing that counts.
    Unclear,
    /// See there.
    Refused(Refused),
}

/// To reading it back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Same,
    Different,
    /// Nothing that counts.
    Unclear,
    /// See there.
    Refused(Refused),
}

/// To a storage commitment request, or to the question what became of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Committed {
    Yes,
    No,
    /// Ask again.
    NotYet(Duration),
    /// The archive knows no such request, or no requests of that kind at all.
    NoSuchResource,
    /// Nothing that counts.
    Unclear,
    /// See there.
    Refused(Refused),
}

impl Answer<'_> {
    /// PS3.18 10.5.3.
    pub(super) fn stored(&self, ours: &Identity) -> Stored {
        let Some(answer) = dicom_json::store_answer(self.body) else { return self.stored_by_status() };
        let is_ours = |sop: &&Object<SopReference>| sop.sop_instance_uid.text() == Some(&ours.sop_instance_uid);
        // What has no UID can only be ours: one object was sent.
        let nameless = |sop: &&Object<SopReference>| sop.sop_instance_uid.text().is_none();
        let stored = answer.referenced.values().iter().find(is_ours);
        let failed = answer.failed.values().iter();
        let failed = failed.clone().find(is_ours).or_else(|| failed.clone().find(nameless));
        match (stored, failed.or_else(|| answer.other_failures.values().iter().find(nameless))) {
            (Some(stored), None) => self.listed(stored, ours),
            (None, Some(failed)) => self.not_stored(failed.failure_reason.number()),
            (Some(_), Some(_)) => Stored::Unclear,
            (None, None) => self.stored_by_status(),
        }
    }

    fn listed(&self, stored: &SopReference, ours: &Identity) -> Stored {
        let warning = stored.warning_reason.number();
        let other_class = stored.sop_class_uid.text().is_some_and(|class| class != ours.sop_class_uid);
        if other_class || warning == Some(ELEMENTS_DISCARDED) && stored.retrieve_url.text().is_none() {
            return Stored::Unclear;
        }
        let no_warning = stored.warning_reason.values().is_empty();
        Stored::Listed { clean: no_warning && matches!(self.status, 200 | 202) }
    }

    /// Failure Reason: PS3.18 table I.2-2, PS3.4 table B.2-1, PS3.7 annex C, and two of a large vendor's own.
    fn not_stored(&self, failure_reason: Option<u16>) -> Stored {
        use Fallback::{ExplicitVr, SecondaryCapture};
        let not = |reason, fallback, believed_after| Stored::Not(Refusal { reason, fallback, believed_after });
        match failure_reason {
            Some(0xA700..=0xA7FF | 45071) => Stored::Refused(self.busy()),
            Some(0x0122) => not(Reason::SopClassRefused, Some(SecondaryCapture), 2),
            Some(0xC122) => not(Reason::TransferSyntaxRefused, Some(ExplicitVr), 2),
            Some(0xA900..=0xA9FF) => not(Reason::DatasetRefused, Some(SecondaryCapture), 2),
            Some(0xC000..=0xCFFF) => not(Reason::NotUnderstood, None, 2),
            Some(0x0124) => not(Reason::AccessDenied, None, 2),
            // It is there already, they say; the query will tell.
            Some(0x0111 | 45070) => not(Reason::Conflict, None, 2),
            Some(0x0110) => not(Reason::Refused, None, 4),
            _ => not(Reason::Refused, None, 2),
        }
    }

    fn stored_by_status(&self) -> Stored {
        let not = |reason, fallback, believed_after| Stored::Not(Refusal { reason, fallback, believed_after });
        match (self.refused(), self.status) {
            (Some(refused), _) => Stored::Refused(refused),
            (None, 413) => not(Reason::TooLarge, None, 1),
            (None, 415) => not(Reason::TransferSyntaxRefused, Some(Fallback::ExplicitVr), 2),
            (None, 422) => not(Reason::DatasetRefused, None, 2),
            (None, 400 | 409) => not(Reason::Refused, None, 2),
            _ => Stored::Unclear,
        }
    }

    /// The gateway's answer about sealed bytes with this SHA-256, in lower-case hexadecimal digits.
    pub(super) fn stored_by_gateway(&self, item: &str) -> Stored {
        #[derive(serde::Deserialize)]
        struct GatewayAnswer {
            item: String,
            stored: bool,
            #[serde(default)]
            code: String,
        }
        let answer = serde_json::from_slice::<GatewayAnswer>(self.body).ok().filter(|answer| answer.item == item);
        let Some(answer) = answer else {
            return match self.stored_by_status() {
                // Its own answers name the item: this one is of something in between.
                Stored::Not(refusal) if refusal.reason != Reason::TooLarge => Stored::Unclear,
                said => said,
            };
        };
        let not = |reason| Stored::Not(Refusal { reason, fallback: None, believed_after: 2 });
        match (answer.stored, answer.code.as_str()) {
            (true, _) if self.status == 200 => Stored::Confirmed,
            (false, "damaged") => not(Reason::Damaged),
            (false, "wrong-key") => not(Reason::WrongKey),
            (false, "unknown-version") => not(Reason::UnknownVersion),
            (false, "too-large") => not(Reason::TooLarge),
            (false, "not-dicom") => not(Reason::NotReadable),
            (false, "untrusted-signer") => not(Reason::UntrustedSigner),
            (false, "conflict") => not(Reason::Conflict),
            (false, "archive-refused") => not(Reason::Refused),
            (false, "unauthorized") => Stored::Refused(Refused::Unauthorized),
            (false, "busy") => Stored::Refused(self.busy()),
            // `archive-unavailable` among them: its archive may have got it.
            _ => Stored::Unclear,
        }
    }

    /// PS3.18 10.6.3. An error is never "absent".
    pub(super) fn found(&self, ours: &Identity) -> Found {
        match (self.refused(), self.status) {
            (Some(refused), _) => Found::Refused(refused),
            (None, 204) => Found::Absent,
            (None, 404 | 410) => Found::NoSuchResource,
            (None, 400 | 405 | 406 | 414 | 501) => Found::NotAnswered,
            (None, 200) => dicom_json::found_instances(self.body).map_or(Found::Unclear, |found| among(&found, ours)),
            _ => Found::Unclear,
        }
    }

    /// PS3.18 10.4.3, against the object that was stored.
    pub(super) fn compared(&self, object: &[u8]) -> Compared {
        if let Some(refused) = self.refused() {
            return Compared::Refused(refused);
        }
        let content_type = self.header("content-type").unwrap_or_default();
        match multipart::dicom_part(content_type, self.body).filter(|_| self.status == 200) {
            None => Compared::Unclear,
            Some(theirs) if theirs == object => Compared::Same,
            Some(theirs) => match (behind_meta(theirs), behind_meta(object)) {
                (Some(theirs), Some(ours)) if theirs == ours => Compared::Same,
                _ => Compared::Different,
            },
        }
    }

    /// PS3.18 13.4.3 and 13.5.3.
    pub(super) fn committed(&self, ours: &Identity) -> Committed {
        match (self.refused(), self.status) {
            (Some(refused), _) => return Committed::Refused(refused),
            (None, 202) => return Committed::NotYet(self.retry_after().unwrap_or_default()),
            (None, 400 | 404 | 405 | 406 | 410 | 415 | 501) => return Committed::NoSuchResource,
            (None, 200) => {}
            _ => return Committed::Unclear,
        }
        let Some(answer) = dicom_json::store_answer(self.body) else { return Committed::Unclear };
        let has = |of: &[Object<SopReference>]| {
            of.iter().any(|sop| sop.sop_instance_uid.text() == Some(&ours.sop_instance_uid))
        };
        match (has(answer.referenced.values()), has(answer.failed.values())) {
            (true, false) => Committed::Yes,
            (false, true) => Committed::No,
            _ => Committed::Unclear,
        }
    }

    fn refused(&self) -> Option<Refused> {
        match self.status {
            401 => Some(Refused::Unauthorized),
            403 => Some(Refused::Forbidden),
            429 => Some(self.busy()),
            // Only one that tells when to come back is surely the archive's: a proxy says 503 when it lost a connection, too.
            503 => self.header("retry-after").map(|_| self.busy()),
            _ => None,
        }
    }

    fn busy(&self) -> Refused {
        Refused::Busy(self.retry_after().unwrap_or_default())
    }

    /// Retry-After (RFC 9110 10.2.3), within an hour; `None` when there is none, or none that makes sense.
    fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        let seconds = match value.parse::<u128>() {
            Ok(seconds) => seconds.min(LONGEST_WAIT.as_secs().into()) as u64,
            Err(_) => {
                let date = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok();
                // By the archive's own clock, when it tells it.
                let now = self.header("date").and_then(date).unwrap_or(self.now);
                u64::try_from((date(value)? - now).num_seconds()).unwrap_or_default()
            }
        };
        Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn among(found: &[Object<FoundInstance>], ours: &Identity) -> Found {
    let mut of_ours = found.iter().filter(|it| it.sop_instance_uid.text() == Some(&ours.sop_instance_uid)).peekable();
    if of_ours.peek().is_none() {
        return if found.is_empty() { Found::Absent } else { Found::Others };
    }
    let judged = of_ours.map(|it| {
        let elsewhere = |told: Option<&str>, ours: &str| told.is_some_and(|told| told != ours);
        let issuer = ours.issuer_of_patient_id.as_deref();
        match it.patient_id.text() {
            None => Found::PatientUntold,
            Some(id) if id != ours.patient_id => Found::OtherPatient,
            Some(_) if issuer.is_some_and(|issuer| elsewhere(it.issuer_of_patient_id.text(), issuer)) => {
                Found::OtherPatient
            }
            Some(_)
                if elsewhere(it.study_instance_uid.text(), &ours.study_instance_uid)
                    || elsewhere(it.series_instance_uid.text(), &ours.series_instance_uid) =>
            {
                Found::Unclear
            }
            Some(_) => Found::Ours,
        }
    });
    // Told twice, it must be right twice; another patient weighs most.
    let weight = |found: &Found| match found {
        Found::OtherPatient => 3,
        Found::Unclear => 2,
        Found::PatientUntold => 1,
        _ => 0,
    };
    judged.max_by_key(weight).unwrap_or(Found::Unclear)
}

/// What follows the File Meta Information (PS3.10 7.1) of a DICOM file: its Transfer Syntax UID and its data set.
fn behind_meta(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let meta = file.get(128..)?.strip_prefix(b"DICM\x02\0\0\0UL\x04\0")?;
    let (length, meta) = meta.split_first_chunk::<4>()?;
    let (meta, data_set) = meta.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let (_, syntax) = meta.split_at(memchr::memmem::find(meta, b"\x02\0\x10\0UI")? + 6);
    let (length, syntax) = syntax.split_first_chunk::<2>()?;
    Some((syntax.get(..u16::from_le_bytes(*length).into())?, data_set))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::objects::Uids;
    use super::*;

    fn ours() -> Identity {
        let uids = Uids {
            sop_class_uid: "1.2.1",
            study_instance_uid: "1.2.2",
            series_instance_uid: "1.2.3",
            sop_instance_uid: "1.2.4",
        };
        Identity::new(&uids, "0815", None).unwrap()
    }

    fn answer<'a>(status: u16, headers: &'a [(String, String)], body: &'a [u8]) -> Answer<'a> {
        Answer { status, headers, body, now: DateTime::UNIX_EPOCH.fixed_offset() }
    }

    /// What archives answer with, put together in any way.
    fn words() -> impl Strategy<Value = Vec<u8>> {
        const WORDS: &[&str] = &[
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"00081199\"",
            "\"00081198\"",
            "\"00081155\"",
            "\"00081197\"",
            "\"00080018\"",
            "\"00100020\"",
            "\"Value\"",
            "\"1.2.4\"",
            "\"0815\"",
            "45070",
            "null",
            "{\"Value\":[",
            "]}",
        ];
        proptest::collection::vec(proptest::sample::select(WORDS), 0..24).prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_none_is_believed_without_our_uid(
            status in prop_oneof![100u16..600, Just(200)],
            body in prop_oneof![words(), proptest::collection::vec(any::<u8>(), 0..200)],
            header in "[ -~]{0,40}",
        ) {
            let headers = [("Retry-After".to_owned(), header.clone()), ("content-type".to_owned(), header)];
            let answer = answer(status, &headers, &body);
            let named = memchr::memmem::find(&body, b"1.2.4").is_some();
            let is_listed = matches!(answer.stored(&ours()), Stored::Listed { .. });
            prop_assert!(named || !is_listed);
            prop_assert!(named || answer.found(&ours()) != Found::Ours);
            prop_assert!(named || answer.committed(&ours()) != Committed::Yes);
            prop_assert!(answer.stored_by_gateway("1.2.4") != Stored::Confirmed || named);
            let _ = answer.compared(b"1.2.4");
            for told in [answer.stored(&ours()), answer.stored_by_gateway("")] {
                let within = !matches!(told, Stored::Refused(Refused::Busy(wait)) if wait > LONGEST_WAIT);
                prop_assert!(within);
            }
        }

        #[test]
        fn only_what_is_behind_the_meta_information_is_compared(ours in any::<[u8; 16]>(), flip in 0usize..16) {
            let file = |preamble: u8, version: &str, data_set: &[u8]| {
                let meta = format!("\x02\0\x10\0UI\x04\x001.2\0\x02\0\x13\0SH{}\0{version}", char::from(version.len() as u8));
                let head = [&[preamble; 128], &b"DICM\x02\0\0\0UL\x04\0"[..], &(meta.len() as u32).to_le_bytes()].concat();
                [&head, meta.as_bytes(), data_set].concat()
            };
            let headers = [("content-type".to_owned(), "application/dicom".to_owned())];
            let theirs = file(1, "OTHER ARCHIVE ", &ours);
            let object = file(0, "MOULAGE", &ours);
            prop_assert_eq!(answer(200, &headers, &theirs).compared(&object), Compared::Same);
            let mut altered = ours;
            altered[flip] ^= 1;
            let theirs = file(0, "MOULAGE", &altered);
            prop_assert_eq!(answer(200, &headers, &theirs).compared(&object), Compared::Different);
        }
    }
}
