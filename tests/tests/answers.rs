//! Every answer of `tests/scenarios/answers.json`, without a network.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use moulage::clock::{Clock, SystemRandomness};
use moulage::error::UploadError;
use moulage::outbox::{Change, FileStorage, Limits, Outbox, OutboxEvent, OutboxObserver, Parts, State};
use moulage::seal::Institution;
use moulage::upload::{
    AccessToken, Confirm, Destination, NotSent, Policy, Step, UploadRequest, UploadResult, UploadTask, Uploader,
};
use moulage_tests::answers::{Answer, LineObjects, Scenario, first_object, scenarios};
use moulage_tests::desktop::OpenKeystore;
use moulage_tests::ward::HandClock;

const CERTIFICATE: &[u8] = include_bytes!("../../core/src/seal/golden/p256.crt");

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    Fresh,
    Restart,
    OfflineFlip,
}

#[test]
fn i4_every_answer_leads_where_it_should() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 45);
    for scenario in &scenarios {
        for variant in [Variant::Fresh, Variant::Restart, Variant::OfflineFlip] {
            let host = Host::new(scenario, variant);
            let (steps, state, reason) = host.run();
            let about = format!("{} ({variant:?})", scenario.name);
            let expected: Vec<&String> = scenario.expected.requests.iter().collect();
            assert_eq!(steps.iter().collect::<Vec<_>>(), expected, "{about}");
            assert_eq!(state, scenario.expected.state, "{about}");
            assert_eq!(reason, scenario.expected.reason, "{about}");
        }
    }
}

/// A host whose clock only moves when the uploader waits.
struct Host<'a> {
    scenario: &'a Scenario,
    variant: Variant,
    folder: tempfile::TempDir,
    clock: Arc<HandClock>,
    log: Arc<Log>,
    tokens: u32,
}

impl<'a> Host<'a> {
    fn new(scenario: &'a Scenario, variant: Variant) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = HandClock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap().fixed_offset());
        Self { scenario, variant, folder, clock: Arc::new(clock), log: Arc::default(), tokens: 0 }
    }

    fn start(&self) -> (Arc<Outbox>, Uploader) {
        let parts = Parts {
            storage: Arc::new(FileStorage::new(self.folder.path()).unwrap()),
            keystore: Some(Arc::new(OpenKeystore)),
            institutions: vec![Institution::from_certificate(CERTIFICATE).unwrap()],
            signer: None,
            clock: self.clock.clone(),
            randomness: Arc::new(SystemRandomness),
            observer: Some(self.log.clone()),
        };
        let outbox = Arc::new(Outbox::open(parts, Limits { free_bytes: 0, ..Limits::default() }).unwrap());
        let policy = if self.scenario.policy == "sealed" { Policy::Sealed } else { Policy::Direct };
        let confirm = match self.scenario.confirm.as_str() {
            "listed" => Confirm::Listed,
            "found" => Confirm::Found,
            "compared" => Confirm::Compared,
            "committed" => Confirm::Committed,
            other => panic!("{other}"),
        };
        let destination = Destination::new("https://archive.example/rs", policy).unwrap().confirm(confirm);
        (Arc::clone(&outbox), Uploader::new(outbox, destination, Arc::new(LineObjects)))
    }

    /// The steps that the scenario's answers were given to, where the item stands then, and why.
    fn run(mut self) -> (Vec<String>, String, Option<String>) {
        let (mut outbox, mut uploader) = self.start();
        outbox.add(&first_object()).unwrap();
        let mut current = first_object();
        if self.variant == Variant::Restart {
            drop(self.send(&uploader));
            drop((outbox, uploader));
            (outbox, uploader) = self.start();
            if self.scenario.policy == "direct" {
                for _ in 0..2 {
                    let request = self.send(&uploader);
                    assert!(request.step == Step::Query, "{}: sent without asking", self.scenario.name);
                    uploader.finish_upload(request.id, absent()).unwrap();
                }
            }
        }
        let mut steps = Vec::new();
        let last = self.scenario.answers.len() - 1;
        for (at, answer) in self.scenario.answers.iter().enumerate() {
            let before = self.clock.elapsed();
            let mut request = self.send(&uploader);
            let waited = self.clock.elapsed() - before;
            let seconds = Duration::from_secs;
            if self.variant != Variant::Restart || !steps.is_empty() {
                assert!(answer.not_before.is_none_or(|s| waited >= seconds(s)), "{}: {waited:?}", self.scenario.name);
                assert!(answer.not_after.is_none_or(|s| waited <= seconds(s)), "{}: {waited:?}", self.scenario.name);
            } else if self.scenario.policy == "sealed" {
                assert!(waited >= seconds(120), "{}: no quarantine after a restart", self.scenario.name);
            }
            if self.variant == Variant::OfflineFlip && (at == 0 || at == last) {
                uploader.finish_upload(request.id, UploadResult::NotSent(NotSent::Unreachable)).unwrap();
                let step = request.step;
                request = self.send(&uploader);
                assert!(request.step == step, "{}: another step after nothing was sent", self.scenario.name);
            }
            steps.push(request.step.code().to_owned());
            let (result, object) = respond(answer, &request, &current);
            current = object;
            match uploader.finish_upload(request.id, result) {
                Ok(_) => {}
                Err(e) => assert_eq!(e, UploadError::CommitmentUnsupported, "{}", self.scenario.name),
            }
        }
        let items = outbox.items().unwrap();
        let Some(item) = items.first() else {
            let events = self.log.0.lock().unwrap();
            let stored = events.iter().find_map(|event| match event.change {
                Change::Stored(confirmation) => Some(confirmation.code().to_owned()),
                _ => None,
            });
            return (steps, "stored".into(), stored);
        };
        let reason = match item.state {
            State::Poison(reason) => Some(reason.code().to_owned()),
            State::Blocked(block) => Some(block.code().to_owned()),
            _ => None,
        };
        (steps, item.state.code().to_owned(), reason)
    }

    /// The next request; time passes until there is one.
    fn send(&mut self, uploader: &Uploader) -> UploadRequest {
        for _ in 0..20 {
            let token = AccessToken::new(format!("token-{}", self.tokens)).unwrap();
            match uploader.next_upload(Some(&token)) {
                Ok(UploadTask::Send(request)) => return request,
                Ok(UploadTask::Wait(wait)) => self.clock.advance(wait),
                Ok(UploadTask::Done) => panic!("{}: nothing to send", self.scenario.name),
                Err(UploadError::Unauthorized) => self.tokens += 1,
                Err(e) => panic!("{}: {e}", self.scenario.name),
            }
        }
        panic!("{}: waits for ever", self.scenario.name)
    }
}

fn absent() -> UploadResult {
    UploadResult::Response { status: 204, headers: Vec::new(), body: Vec::new() }
}

/// The answer, and the object that it is about.
fn respond(answer: &Answer, request: &UploadRequest, current: &[u8]) -> (UploadResult, Vec<u8>) {
    assert_eq!(request.step.code(), answer.to);
    let mut sent = Vec::new();
    request.body.write_to(&mut sent).unwrap();
    assert_eq!(sent.len() as u64, request.body.len());
    let header = |name: &str| request.headers.iter().find(|header| header.name == name).map(|header| header.expose());
    assert!(header("authorization").is_some_and(|value| value.starts_with("Bearer token-")));
    let mut object = current.to_vec();
    if let Some(boundary) = header("content-type").and_then(|value| value.split_once("boundary=")) {
        let part = memchr::memmem::find(&sent, b"\r\n\r\n").unwrap() + 4;
        object = sent[part..memchr::memmem::rfind(&sent, format!("\r\n--{}", boundary.1).as_bytes()).unwrap()].to_vec();
    }
    let result = match answer.fault.as_deref() {
        Some("ambiguous") => UploadResult::Ambiguous,
        Some("unreachable") => UploadResult::NotSent(NotSent::Unreachable),
        Some("name") => UploadResult::NotSent(NotSent::Name),
        Some("tls") => UploadResult::NotSent(NotSent::Tls),
        Some(other) => panic!("{other}"),
        None => {
            let digest = ring::digest::digest(&ring::digest::SHA256, &sent);
            let item: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let (headers, mut body) = answer.response(&object, &item);
            if body.len() as u64 > request.response_limit {
                body.clear();
            }
            UploadResult::Response { status: answer.status, headers, body }
        }
    };
    (result, object)
}

#[derive(Default)]
struct Log(Mutex<Vec<OutboxEvent>>);

impl OutboxObserver for Log {
    fn on_event(&self, event: &OutboxEvent) {
        self.0.lock().unwrap().push(*event);
    }
}
