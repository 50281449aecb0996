//! The request of each step.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::destination::Policy;
use super::objects::Identity;
use super::task::{AccessToken, Body, Header, Step, UploadId, UploadRequest, Url};
use super::uploader::{Held, Lookup, NO_RANDOMNESS, Phase, Progress, Setback, Uploader, setback};
use super::{base64, multipart, sha256};
use crate::outbox::State;

/// Most bytes of an answer that is data sets.
const LONGEST_ANSWER: u64 = 256 << 10;
/// Most bytes around an object that is read back.
const RETRIEVE_EXTRA: u64 = 64 << 10;

const DICOM_JSON: &str = "application/dicom+json";

impl Uploader {
    /// The request of the item's next step.
    pub(super) fn request(&self, held: &mut Held, token: Option<&AccessToken>) -> Result<UploadRequest, Setback> {
        let mut request = match self.destination.policy() {
            Policy::Sealed => self.sealed_request(held),
            Policy::Direct => self.direct_request(held),
        }?;
        request.headers.extend(token.map(AccessToken::header));
        if request.step == Step::Store {
            held.claim.offer().map_err(setback)?;
        }
        Ok(request)
    }

    fn sealed_request(&self, held: &mut Held) -> Result<UploadRequest, Setback> {
        self.out_of_quarantine(&held.progress)?;
        // Captured while no certificate was valid, it is of no use to any gateway.
        held.claim.seal_to_institutions().map_err(setback)?;
        let sealed = held.claim.sealed().map_err(setback)?;
        let digest = format!("sha-256={}", base64(&sha256(&sealed)));
        let headers = vec![
            Header::new("content-type", "application/pkcs7-mime; smime-type=authEnveloped-data"),
            Header::new("digest", digest),
            Header::new("accept", "application/json"),
        ];
        let url = format!("{}/sealed-items", self.destination.base_url());
        Ok(UploadRequest {
            headers,
            body: Body::of(Zeroizing::new(sealed)),
            ..self.to_get(held, Step::Store, url).into_post()
        })
    }

    fn direct_request(&self, held: &mut Held) -> Result<UploadRequest, Setback> {
        let identity = self.identity(&held.claim, &mut held.progress)?;
        let base = self.destination.base_url();
        let (study, series) = (&identity.study_instance_uid, &identity.series_instance_uid);
        let (instances, uid) =
            (format!("{base}/studies/{study}/series/{series}/instances"), &identity.sop_instance_uid);
        let fields = "includefield=00100020,00100021";
        match held.progress.phase {
            Phase::Store => {
                self.out_of_quarantine(&held.progress)?;
                let object = Arc::new(held.claim.object().map_err(setback)?);
                let frame = multipart::frame(&object, self.outbox.randomness()).map_err(|_| NO_RANDOMNESS)?;
                let mut request = self.to_get(held, Step::Store, format!("{base}/studies")).into_post();
                request.headers.push(Header::new("content-type", frame.content_type));
                Ok(UploadRequest { body: Body::framed(frame.head, object, frame.tail), ..request })
            }
            Phase::Query(lookup) => {
                let url = match lookup {
                    Lookup::InSeries => format!("{instances}?SOPInstanceUID={uid}&{fields}"),
                    Lookup::Anywhere => format!("{base}/instances?SOPInstanceUID={uid}&{fields}"),
                    Lookup::Metadata => format!("{instances}/{uid}/metadata"),
                };
                Ok(self.to_get(held, Step::Query, url))
            }
            Phase::Retrieve => {
                let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
                let response_limit = held.claim.object().map_err(setback)?.len() as u64 + RETRIEVE_EXTRA;
                let request = self.to_get(held, Step::Retrieve, format!("{instances}/{uid}"));
                Ok(UploadRequest { headers: vec![Header::new("accept", accept)], response_limit, ..request })
            }
            Phase::Commit => {
                let transaction = self.mint()?;
                let url = format!("{base}/commitment-requests/{transaction}");
                held.progress.transaction = transaction;
                let mut request = self.to_get(held, Step::Commit, url).into_post();
                request.headers.push(Header::new("content-type", DICOM_JSON));
                let body = Body::of(Zeroizing::new(commitment_request(&identity).into_bytes()));
                Ok(UploadRequest { body, ..request })
            }
            Phase::CommitResult => {
                let url = format!("{base}/commitment-requests/{}", held.progress.transaction);
                Ok(self.to_get(held, Step::CommitResult, url))
            }
        }
    }

    fn to_get(&self, held: &Held, step: Step, url: String) -> UploadRequest {
        UploadRequest {
            id: self.next_id(),
            item: held.claim.id(),
            step,
            method: "GET",
            url: Url(url),
            headers: vec![Header::new("accept", DICOM_JSON)],
            body: Body::empty(),
            response_limit: LONGEST_ANSWER,
        }
    }

    fn next_id(&self) -> UploadId {
        let mut inner = self.inner();
        inner.last_id += 1;
        UploadId(inner.last_id)
    }

    fn out_of_quarantine(&self, progress: &Progress) -> Result<(), Setback> {
        let left = progress.quarantined_until.saturating_sub(self.now());
        if left.is_zero() { Ok(()) } else { Err(Setback(State::Unknown, left)) }
    }

    /// A new UID under 2.25 (PS3.5 B.2).
    fn mint(&self) -> Result<String, Setback> {
        let mut random = [0; 16];
        self.outbox.randomness().fill(&mut random).map_err(|_| NO_RANDOMNESS)?;
        Ok(format!("2.25.{}", uuid::Builder::from_random_bytes(random).as_uuid().as_u128()))
    }
}

/// Storage Commitment Request Module (PS3.4 J.3.2), in DICOM JSON; the Transaction UID is in the URL (PS3.18 13.4.1).
fn commitment_request(of: &Identity) -> String {
    let value = |uid: &str| serde_json::json!({"vr": "UI", "Value": [uid]});
    let item = serde_json::json!({"00081150": value(&of.sop_class_uid), "00081155": value(&of.sop_instance_uid)});
    serde_json::json!({"00081199": {"vr": "SQ", "Value": [item]}}).to_string()
}
