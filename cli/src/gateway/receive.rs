//! One item: received, opened, checked, stored, answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use moulage::dicom;
use moulage::seal::{self, SealError, TrustedSigners, Unsealer};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::access::{Tokens, sha256};
use super::answer::Answer;
use super::archive::Archive;
use super::journal::{Handled, Journal};
use super::metrics::{self, Metrics};
use super::room::{Memory, Turns};
use super::serve::Answered;

/// How long a request waits for memory before it is turned away.
const QUEUE: Duration = Duration::from_secs(2);
/// A phone's connection may stall that long.
const STALL: Duration = Duration::from_secs(15);

/// Everything that requests share. Nothing in it outlives the process, and nothing needs to.
pub(super) struct Gateway {
    /// None: whoever reaches us may hand in items.
    pub(super) tokens: Option<Tokens>,
    pub(super) keys: Vec<Box<dyn Unsealer>>,
    /// None: unsigned items are taken, too.
    pub(super) trusted: Option<TrustedSigners>,
    pub(super) archive: Archive,
    /// Bytes of a sealed item.
    pub(super) largest: u64,
    pub(super) memory: Memory,
    pub(super) turns: Turns,
    /// Within that time an item must have come in.
    pub(super) receive_within: Duration,
    pub(super) stopping: AtomicBool,
    pub(super) metrics: Arc<Metrics>,
    pub(super) journal: Journal,
}

/// How far a request got.
#[derive(Default)]
struct Progress {
    bytes: Option<u64>,
    item: Option<String>,
}

impl Gateway {
    /// Requests of phones, and a load balancer's question after our health.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answered {
        match (request.method(), request.uri().path()) {
            // What has begun is finished, even when the phone hangs up: it will ask again, and the archive will have it.
            (&Method::POST, "/sealed-items") => match tokio::spawn(self.item(request)).await {
                Ok(answer) => answer,
                Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, ""),
            },
            (_, "/sealed-items") => {
                let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "");
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                answer
            }
            _ => self.health(&request),
        }
    }

    /// The same health, and counts, at an address of their own.
    pub(super) async fn answer_inside(self: Arc<Self>, request: Request<Incoming>) -> Answered {
        if (request.method(), request.uri().path()) != (&Method::GET, "/metrics") {
            return self.health(&request);
        }
        let mut answer = plain(StatusCode::OK, &self.metrics.text());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
        answer
    }

    fn health(&self, request: &Request<Incoming>) -> Answered {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/health/live") => plain(StatusCode::OK, "alive\n"),
            (&Method::GET, "/health/ready") if self.stopping.load(Ordering::Relaxed) => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
            }
            (&Method::GET, "/health/ready") => plain(StatusCode::OK, "ready\n"),
            _ => plain(StatusCode::NOT_FOUND, ""),
        }
    }

    async fn item(self: Arc<Self>, request: Request<Incoming>) -> Answered {
        let begun = Instant::now();
        self.metrics.in_progress.inc();
        let mut progress = Progress::default();
        let answer = Arc::clone(&self).take(request, &mut progress).await.unwrap_or_else(|refused| refused);
        self.metrics.in_progress.dec();
        let Progress { bytes, item } = &progress;
        self.journal.handled(&Handled { answer, item: item.as_deref(), bytes: *bytes, duration: begun.elapsed() });
        let mut response = plain(answer.status(), &answer.body(item.as_deref()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = answer.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if answer == Answer::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    async fn take(self: Arc<Self>, request: Request<Incoming>, progress: &mut Progress) -> Result<Answer, Answer> {
        let (head, mut body) = request.into_parts();
        // Of a body that does not say how long it is, only its limit is known.
        let length = body.size_hint().exact();
        let admitted = self.tokens.as_ref().is_none_or(|tokens| tokens.admit(&head.headers));
        let refusal = match length {
            _ if !admitted => Some(Answer::Unauthorized),
            Some(length) if length > self.largest => Some(Answer::TooLarge),
            _ => None,
        };
        let room = match refusal {
            None => self.memory.reserve(length.unwrap_or(self.largest), QUEUE).await.ok_or(Answer::Busy),
            Some(refusal) => Err(refusal),
        };
        let room = match room {
            Ok(room) => room,
            Err(refusal) => {
                // An answer in the middle of a body would be lost with the connection.
                let _ = timeout(STALL, discard(&mut body, self.largest)).await;
                return Err(refusal);
            }
        };
        let receiving = receive(&mut body, length.unwrap_or(0), self.largest);
        let sealed = timeout(self.receive_within, receiving).await.map_err(|_| Answer::Incomplete)??;
        progress.bytes = Some(sealed.len() as u64);
        let digest = sha256(&sealed);
        progress.item = Some(hexadecimal(&digest));
        if !digest_fits(&head.headers, &digest) {
            return Err(Answer::Damaged);
        }
        let stored = self.store(sealed).await;
        drop(room);
        stored
    }

    async fn store(self: Arc<Self>, sealed: Vec<u8>) -> Result<Answer, Answer> {
        let gateway = Arc::clone(&self);
        let object = spawn_blocking(move || gateway.open(&sealed)).await.map_err(|_| Answer::Internal)??;
        let begun = Instant::now();
        let stored = self.archive.store(object, &self.turns).await;
        self.metrics.archive_seconds.observe(begun.elapsed().as_secs_f64());
        stored.map(|()| Answer::Stored)
    }

    /// The object in the item, checked to be one of ours and a clean one.
    fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Answer> {
        let opened = self
            .keys
            .iter()
            .map(|key| seal::unseal(sealed, &**key, self.trusted.as_ref()))
            .find(|opened| !matches!(opened, Err(SealError::WrongKey)));
        let object = opened.unwrap_or(Err(SealError::WrongKey)).map_err(refusal)?.object;
        dicom::check(&object).map(drop).map_err(|_| Answer::NotDicom)?;
        Ok(object)
    }
}

fn refusal(error: SealError) -> Answer {
    match error {
        SealError::WrongKey => Answer::WrongKey,
        SealError::UnknownVersion => Answer::UnknownVersion,
        SealError::TooLarge { .. } => Answer::TooLarge,
        SealError::SignerUntrusted | SealError::Unsigned => Answer::UntrustedSigner,
        // The key is somewhere else, and that is not there at the moment.
        SealError::Keystore(_) => Answer::Busy,
        _ => Answer::Damaged,
    }
}

/// The whole body, as long as it keeps coming.
async fn receive(body: &mut Incoming, length: u64, largest: u64) -> Result<Vec<u8>, Answer> {
    let mut sealed = Vec::with_capacity(length.min(largest) as usize);
    while let Some(frame) = timeout(STALL, body.frame()).await.map_err(|_| Answer::Incomplete)? {
        let Ok(data) = frame.map_err(|_| Answer::Incomplete)?.into_data() else { continue };
        if (sealed.len() + data.len()) as u64 > largest {
            discard(body, largest).await;
            return Err(Answer::TooLarge);
        }
        sealed.extend_from_slice(&data);
    }
    Ok(sealed)
}

async fn discard(body: &mut Incoming, most: u64) {
    let mut left = most;
    while let Ok(Some(Ok(frame))) = timeout(STALL, body.frame()).await {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}

/// Does the `Digest` header (RFC 3230, with the algorithm of RFC 5843) say the same?
fn digest_fits(headers: &HeaderMap, digest: &[u8; 32]) -> bool {
    let Some(told) = headers.get("digest").and_then(|value| value.to_str().ok()) else { return false };
    let algorithm = |one: &&str| one.trim().get(..8).is_some_and(|name| name.eq_ignore_ascii_case("sha-256="));
    told.split(',').find(algorithm).is_some_and(|one| one.trim().get(8..) == Some(&STANDARD.encode(digest)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn plain(status: StatusCode, text: &str) -> Answered {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_written() {
        // NIST's digest of nothing.
        let digest = sha256(b"");
        let fits = |value: &str| {
            let headers = [("digest".parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            digest_fits(&headers, &digest)
        };
        assert!(fits("sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
        assert!(fits("MD5=x, SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
        for wrong in ["", "sha-256=", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "sha-256=47DEQpj8"] {
            assert!(!fits(wrong), "{wrong}");
        }
        assert!(!digest_fits(&HeaderMap::new(), &digest));
    }
}
