//! Whatever an archive or what lies before it does: every object is stored once, or kept with a reason; nothing twice, nothing lost,
//! nothing readable on the disk.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and says what it counted")]

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use moulage::error::{HttpError, UploadError};
use moulage::outbox::{Block, Outbox, OutboxEvent, OutboxObserver, Reason, State};
use moulage::seal::Institution;
use moulage::upload::http::{HttpDriver, HttpOptions, TokenSource, Tokens};
use moulage::upload::{AccessToken, Destination, Policy, Uploader};
use moulage_tests::authority::Authority;
use moulage_tests::dicomweb::{Archive, Kind, Reply, Request, sha256, sop, store_reply};
use moulage_tests::fault_server::{Act, End, FaultServer, Say};
use moulage_tests::leaks::{self, Sentinel};
use moulage_tests::random::Random;
use moulage_tests::ward::{PATIENT, Ward, tiny_object, uid};
use serde_json::json;

/// Longer than this nothing moves.
const IDLE: Duration = Duration::from_millis(300);
/// Of the clock that the outbox goes by, and of the real one, between two drains.
const STEP: (Duration, Duration) = (Duration::from_secs(20), Duration::from_millis(20));
/// An act that never stops.
const ALWAYS: usize = 400;
const OBJECT_BYTES: usize = 5000;
const TOKEN: &str = "canary-token-5f3a";

/// How a scenario must end.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    /// Stored once, nothing is left.
    Stored,
    /// Kept, and poison for this reason; the archive has so many at most.
    Poison(Reason, usize),
    /// Kept, waiting for this.
    Blocked(Block),
}

struct Scenario {
    name: String,
    acts: Vec<Act>,
    ends: Ends,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Mode {
    /// One process, one go.
    Fresh,
    /// The process ends after the first drain, and another one begins.
    Restart,
    /// The network goes away before the first drain and after it.
    Offline,
}

/// What the archive answers to storing; `commit`: it stored the object.
fn answer(commit: bool, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Act {
    let commit = commit.then_some(Duration::ZERO);
    Act { commit, ..Act::say(Kind::Store, Say::Reply(Arc::new(reply))) }
}

fn status(commit: bool, status: u16, headers: &[(&str, &str)], body: &str) -> Act {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let reply = Reply { status, headers, body: body.as_bytes().to_vec() };
    answer(commit, move |_| reply.clone())
}

fn raw(commit: bool, bytes: impl Into<Vec<u8>>, end: End) -> Act {
    let commit = commit.then_some(Duration::ZERO);
    Act { commit, end, ..Act::say(Kind::Store, Say::Raw(bytes.into())) }
}

/// A failed sequence for our object (PS3.18 I.2.2).
fn failed(commit: bool, http: u16, reason: u16) -> Act {
    answer(commit, move |request| {
        let (class, instance) = sop(request);
        let failed = json!({
            "00081150": { "vr": "UI", "Value": [class] },
            "00081155": { "vr": "UI", "Value": [instance] },
            "00081197": { "vr": "US", "Value": [reason] },
        });
        Reply::json(http, &json!({ "00081198": { "vr": "SQ", "Value": [failed] } }))
    })
}

fn referenced(commit: bool, http: u16, change: fn(&mut serde_json::Value)) -> Act {
    answer(commit, move |request| {
        let mut body: serde_json::Value = serde_json::from_slice(&store_reply(request).body).unwrap();
        change(&mut body);
        Reply::json(http, &body)
    })
}

fn query(reply: Reply) -> Act {
    Act::reply(Kind::Query, reply)
}

const PORTAL: &str = "<html><body>Welcome! Please accept the terms of the guest network.</body></html>";

fn scenarios() -> Vec<Scenario> {
    use Ends::{Blocked, Poison, Stored};
    let html = [("content-type", "text/html")];
    let lost = || Act { cut_answer: Some(0), end: End::Reset, ..Act::archive(Kind::Store) };
    let mut all: Vec<Scenario> = Vec::new();
    let mut add = |name: &str, acts: Vec<Act>, ends| all.push(Scenario { name: name.into(), acts, ends });

    add("all is well", vec![], Stored);
    add("200, empty, stored", vec![status(true, 200, &[], "")], Stored);
    add("200, empty, not stored", vec![status(false, 200, &[], "")], Stored);
    add("200 without our UID, stored", vec![status(true, 200, &[], "{}")], Stored);
    add(
        "200 of another UID, not stored",
        vec![referenced(false, 200, |body| {
            body["00081199"]["Value"][0]["00081155"]["Value"][0] = json!("2.25.99");
        })],
        Stored,
    );
    add("200, but not there", vec![referenced(false, 200, |_| ())], Stored);
    add("200, never there", vec![referenced(false, 200, |_| ()); ALWAYS], Poison(Reason::Unconfirmed, 0));
    add("200 and failed 0110, not stored", vec![failed(false, 200, 0x0110)], Stored);
    add(
        "200, listed and failed, stored",
        vec![answer(true, |request| {
            let mut body: serde_json::Value = serde_json::from_slice(&store_reply(request).body).unwrap();
            body["00081198"] = body["00081199"].clone();
            Reply::json(200, &body)
        })],
        Stored,
    );
    add(
        "202, stored later",
        vec![Act { commit: Some(Duration::from_millis(60)), ..referenced(true, 202, |_| ()) }],
        Stored,
    );
    add(
        "202 with warning B000, stored",
        vec![referenced(true, 202, |body| {
            body["00081199"]["Value"][0]["00081196"] = json!({ "vr": "US", "Value": [0xB000] });
        })],
        Stored,
    );
    add(
        "200 with B006 and no URL, not stored",
        vec![referenced(false, 200, |body| {
            let item = body["00081199"]["Value"][0].as_object_mut().unwrap();
            item.remove("00081190");
            item.insert("00081196".into(), json!({ "vr": "US", "Value": [0xB006] }));
        })],
        Stored,
    );
    add("204, stored", vec![status(true, 204, &[], "")], Stored);
    add("204, not stored", vec![status(false, 204, &[], "")], Stored);
    add("400, stored", vec![status(true, 400, &[], "")], Stored);
    add("400, listed", vec![referenced(true, 400, |_| ())], Stored);
    add("400 once", vec![status(false, 400, &[], "")], Stored);
    add("400 always", vec![status(false, 400, &html, PORTAL); ALWAYS], Poison(Reason::Refused, 0));
    add("401 once", vec![status(false, 401, &[], "")], Stored);
    add("401 always", vec![status(false, 401, &[], ""); ALWAYS], Blocked(Block::Auth));
    add("403 always", vec![status(false, 403, &[], ""); ALWAYS], Blocked(Block::Auth));
    add("404 once", vec![status(false, 404, &[], "")], Stored);
    add("408, not stored", vec![status(false, 408, &[], "")], Stored);
    add("408, stored", vec![status(true, 408, &[], "")], Stored);
    add("409 already there (45070), stored", vec![failed(true, 409, 45070)], Stored);
    add("409 being made (45071)", vec![failed(false, 409, 45071)], Stored);
    add("409 without a word", vec![status(false, 409, &[], "")], Stored);
    add("413 always", vec![status(false, 413, &[], ""); ALWAYS], Poison(Reason::TooLarge, 0));
    add("415 always", vec![status(false, 415, &[], ""); ALWAYS], Poison(Reason::TransferSyntaxRefused, 0));
    add("422 always", vec![status(false, 422, &[], ""); ALWAYS], Poison(Reason::DatasetRefused, 0));
    add("0122 always", vec![failed(false, 409, 0x0122); ALWAYS], Poison(Reason::SopClassRefused, 0));
    add("C122 always", vec![failed(false, 409, 0xC122); ALWAYS], Poison(Reason::TransferSyntaxRefused, 0));
    add("A900 always", vec![failed(false, 409, 0xA900); ALWAYS], Poison(Reason::DatasetRefused, 0));
    add("C000 always", vec![failed(false, 409, 0xC000); ALWAYS], Poison(Reason::NotUnderstood, 0));
    add("0124 always", vec![failed(false, 409, 0x0124); ALWAYS], Poison(Reason::AccessDenied, 0));
    add("A700 twice", vec![failed(false, 409, 0xA700); 2], Stored);
    for wait in ["7", "Sat, 14 Mar 2026 08:27:53 GMT", "99999999999999999999999999999999999999999999", "-5", "soon"] {
        add(&format!("429, Retry-After {wait}"), vec![status(false, 429, &[("retry-after", wait)], "")], Stored);
    }
    add("429", vec![status(false, 429, &[], "")], Stored);
    add("503, Retry-After", vec![status(false, 503, &[("retry-after", "3")], "")], Stored);
    for code in [500, 502, 503, 504] {
        add(&format!("{code}, stored"), vec![status(true, code, &html, PORTAL)], Stored);
        add(&format!("{code} four times, not stored"), vec![status(false, code, &html, PORTAL); 4], Stored);
    }
    add("501", vec![status(false, 501, &[], "")], Stored);
    for code in [301, 302, 307, 308] {
        // Nobody listens at port 9; who followed it would say so by an ambiguous end, and the archive would see a GET.
        let to = [("location", "http://127.0.0.1:9/studies")];
        add(&format!("redirect {code}"), vec![status(false, code, &to, "")], Stored);
    }
    add("captive portal", vec![status(false, 200, &html, PORTAL); 3], Stored);
    add(
        "captive portal, also for the query",
        vec![status(false, 200, &html, PORTAL), query(portal()), query(portal())],
        Stored,
    );
    add("gzip bomb, stored", vec![bomb()], Stored);
    add(
        "1 GiB, stored",
        vec![endless(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec(), vec![b'['; 1 << 20], 1024)],
        Stored,
    );
    add(
        "endless chunks, stored",
        vec![endless(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            b"1\r\n \r\n".repeat(1000),
            10_000,
        )],
        Stored,
    );
    add(
        "endless headers, stored",
        vec![endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x-again: and again\r\n".repeat(1000), 10_000)],
        Stored,
    );
    add(
        "endless 100 Continue, stored",
        vec![Act {
            commit: Some(Duration::ZERO),
            end: End::Reset,
            ..Act::say(Kind::Store, Say::Repeat(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100), 1000))
        }],
        Stored,
    );
    for (what, garbage) in [
        ("garbage in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
        ("a huge chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n"),
        ("a last chunk that is missing", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"),
        ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} "),
        ("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}"),
        ("less than its length", "HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{}"),
        ("no length", "HTTP/1.1 200 OK\r\n\r\n{\"00081199\":"),
        ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n"),
        ("a status of six digits", "HTTP/1.1 200200 OK\r\n\r\n"),
        ("101", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a NUL in a header", "HTTP/1.1 200 OK\r\nx: \0\r\ncontent-length: 0\r\n\r\n"),
    ] {
        add(&format!("{what}, stored"), vec![raw(true, garbage, End::Close)], Stored);
        add(&format!("{what}, not stored"), vec![raw(false, garbage, End::Close)], Stored);
    }
    add("JSON nested 100,000 deep, stored", vec![status(true, 200, &[], &"[".repeat(100_000))], Stored);
    add(
        "JSON of other types, stored",
        vec![status(true, 200, &[], "{\"00081199\":{\"vr\":7,\"Value\":\"no\"}}")],
        Stored,
    );
    let slow = |commit| Act { pace: Some((1, IDLE / 2)), commit, ..Act::archive(Kind::Store) };
    add("one byte at a time, stored", vec![slow(Some(Duration::ZERO))], Stored);
    add("one byte at a time, not stored", vec![slow(None)], Stored);
    let silent = |commit| Act { commit, end: End::Close, ..Act::say(Kind::Store, Say::Nothing(IDLE * 4)) };
    add("silence, stored", vec![silent(Some(Duration::ZERO))], Stored);
    add("silence, not stored", vec![silent(None)], Stored);
    add("close after the body, stored", vec![Act { end: End::Close, ..lost() }], Stored);
    add("reset after the body, stored", vec![lost()], Stored);
    for k in [0, 1, 100, 4096, OBJECT_BYTES] {
        let cut = Act { cut_request: Some(k), end: End::Reset, ..Act::archive(Kind::Store) };
        add(&format!("reset at byte {k} of the body"), vec![cut.clone()], Stored);
        add(&format!("closed at byte {k} of the body, three times"), vec![Act { end: End::Close, ..cut }; 3], Stored);
    }
    for k in [1, 9, 15, 60, 100] {
        let cut = Act { cut_answer: Some(k), end: End::Reset, ..Act::archive(Kind::Store) };
        add(&format!("answer cut at byte {k}, stored"), vec![cut.clone()], Stored);
        add(&format!("answer cut at byte {k}, not stored"), vec![Act { commit: None, ..cut }], Stored);
    }
    for ms in [10, 50, 100] {
        let late = Act { commit: Some(Duration::from_millis(ms)), ..lost() };
        add(&format!("stored {ms} ms after a reset"), vec![late], Stored);
    }
    for (what, reply) in [
        ("500", Reply::empty(500)),
        ("404", Reply::empty(404)),
        ("400", Reply::empty(400)),
        ("an empty list", Reply::json(200, &json!([]))),
        ("an object", Reply::json(200, &json!({}))),
        ("a portal", portal()),
        ("503", Reply::empty(503)),
        ("another instance", Reply::json(200, &json!([{ "00080018": { "vr": "UI", "Value": ["2.25.99"] } }]))),
    ] {
        add(&format!("stored, query says {what}"), vec![query(reply.clone())], Stored);
        add(&format!("reset, stored, query says {what}"), vec![lost(), query(reply)], Stored);
    }
    let patient = |id: &str| {
        query(Reply::json(
            200,
            &json!([{
                "00080018": { "vr": "UI", "Value": [uid(0)] },
                "00100020": { "vr": "LO", "Value": [id] },
            }]),
        ))
    };
    add("stored, found under another patient", vec![patient("MRN-OTHER"); ALWAYS], Poison(Reason::OtherPatient, 1));
    let cut = Act { cut_answer: Some(30), end: End::Reset, ..Act::archive(Kind::Query) };
    add("stored, query cut", vec![cut; 3], Stored);
    all
}

/// What only a gateway answers.
fn gateway_scenarios() -> Vec<Scenario> {
    use Ends::{Blocked, Poison, Stored};
    let told = |commit, http, code: &'static str| {
        answer(commit, move |request| {
            Reply::json(http, &json!({ "item": sha256(&request.body), "stored": false, "code": code }))
        })
    };
    let mut all = Vec::new();
    let mut add = |name: &str, acts, ends| all.push(Scenario { name: name.into(), acts, ends });
    add("all is well", vec![], Stored);
    for (code, http, reason) in [
        ("damaged", 422, Reason::Damaged),
        ("wrong-key", 422, Reason::WrongKey),
        ("unknown-version", 422, Reason::UnknownVersion),
        ("too-large", 413, Reason::TooLarge),
        ("not-dicom", 422, Reason::NotReadable),
        ("untrusted-signer", 403, Reason::UntrustedSigner),
        ("archive-refused", 422, Reason::Refused),
    ] {
        add(code, vec![told(false, http, code); ALWAYS], Poison(reason, 0));
    }
    add("unauthorized, always", vec![told(false, 401, "unauthorized"); ALWAYS], Blocked(Block::Auth));
    add("unauthorized, once", vec![told(false, 401, "unauthorized")], Stored);
    add("busy", vec![told(false, 503, "busy"); 3], Stored);
    add("archive-unavailable", vec![told(false, 503, "archive-unavailable"); 3], Stored);
    add("archive-unavailable, stored", vec![told(true, 503, "archive-unavailable")], Stored);
    add("a word that nobody knows", vec![told(false, 500, "perhaps")], Stored);
    add("stored, another item", vec![status(false, 200, &[], "{\"item\":\"00\",\"stored\":true}")], Stored);
    let accepted = |request: &Request| Reply::json(202, &json!({ "item": sha256(&request.body), "stored": true }));
    add("stored, but 202", vec![answer(false, accepted)], Stored);
    all
}

fn portal() -> Reply {
    let headers = vec![("content-type".into(), "text/html".into())];
    Reply { status: 200, headers, body: PORTAL.as_bytes().to_vec() }
}

/// An answer that begins, and goes on for longer than anybody listens; the object is stored.
fn endless(begin: Vec<u8>, then: Vec<u8>, times: u64) -> Act {
    let say = Say::Repeat(begin, then, times);
    Act { commit: Some(Duration::ZERO), end: End::Close, ..Act::say(Kind::Store, say) }
}

/// A gzip member whose stored blocks would be 64 MiB: nobody here ever unpacks it.
fn bomb() -> Act {
    let headers =
        vec![("content-encoding".into(), "gzip".into()), ("content-type".into(), "application/dicom+json".into())];
    let mut body = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    body.extend(vec![0xED; 64 << 10]);
    answer(true, move |_| Reply { status: 200, headers: headers.clone(), body: body.clone() })
}

struct NumberedTokens(AtomicUsize);

impl TokenSource for NumberedTokens {
    fn fetch(&self) -> Result<AccessToken, HttpError> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        AccessToken::new(format!("{TOKEN}-{number}")).map_err(HttpError::from)
    }
}

/// Everything that the outbox and the driver say.
#[derive(Default)]
struct Said(Mutex<String>);

impl Said {
    fn add(&self, text: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += text;
    }
}

impl OutboxObserver for Said {
    fn on_event(&self, event: &OutboxEvent) {
        self.add(&format!("{event:?}\n"));
    }
}

struct Run<'a> {
    ward: &'a Ward,
    server: &'a FaultServer,
    destination: Destination,
    driver: HttpDriver,
    said: Arc<Said>,
    fetched: Arc<NumberedTokens>,
    rounds: u32,
}

impl<'a> Run<'a> {
    fn new(ward: &'a mut Ward, server: &'a FaultServer, policy: Policy) -> Self {
        let said = Arc::new(Said::default());
        ward.observer = Some(said.clone());
        let destination = Destination::new(&server.url(), policy).unwrap();
        let options = HttpOptions { idle_timeout: IDLE, longest_wait: Duration::ZERO, ..HttpOptions::default() };
        let driver = HttpDriver::new(options).unwrap();
        Self {
            ward,
            server,
            destination,
            driver,
            said,
            fetched: Arc::new(NumberedTokens(AtomicUsize::new(0))),
            rounds: 400,
        }
    }

    fn process(&self) -> (Arc<Outbox>, Uploader, Tokens) {
        let outbox = self.ward.open();
        let uploader = Ward::uploader(&outbox, self.destination.clone());
        (outbox, uploader, Tokens::new(self.fetched.clone()))
    }

    fn drain(&self, uploader: &Uploader, tokens: &Tokens) {
        match self.driver.drain(uploader, Some(tokens), &()) {
            Ok(()) | Err(HttpError::Upload(UploadError::Unauthorized)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Until nothing is left that could move by itself.
    fn settle(&self, outbox: &Outbox, uploader: &Uploader, tokens: &Tokens) {
        for _ in 0..self.rounds {
            self.drain(uploader, tokens);
            if outbox.items().unwrap().iter().all(|item| matches!(item.state, State::Poison(_))) {
                return;
            }
            self.ward.clock.advance(STEP.0);
            sleep(STEP.1);
        }
    }

    fn go(&self, mode: Mode) -> Arc<Outbox> {
        let (outbox, uploader, tokens) = self.process();
        match mode {
            Mode::Fresh => {
                self.settle(&outbox, &uploader, &tokens);
                outbox
            }
            Mode::Restart => {
                self.drain(&uploader, &tokens);
                drop((uploader, outbox));
                let (outbox, uploader, tokens) = self.process();
                self.settle(&outbox, &uploader, &tokens);
                outbox
            }
            Mode::Offline => {
                for offline in [true, false, true] {
                    self.server.set_offline(offline);
                    self.drain(&uploader, &tokens);
                    self.ward.clock.advance(STEP.0);
                    sleep(STEP.1);
                }
                self.server.set_offline(false);
                self.settle(&outbox, &uploader, &tokens);
                outbox
            }
        }
    }
}

/// What must not be found on the disk, in a file's name, or in what is said.
fn canaries() -> Vec<Sentinel> {
    let object = tiny_object(0, OBJECT_BYTES);
    let pixels = memchr::memmem::find(&object, b"\xFF\xD8\xFF\xDB").unwrap();
    vec![
        Sentinel::from(PATIENT),
        Sentinel::from(&*uid(0)),
        Sentinel::from(TOKEN),
        Sentinel::Bytes(b"\0\0\0\0DICM\x02\0\0\0UL".to_vec()),
        Sentinel::Bytes(object[pixels..pixels + 8].to_vec()),
    ]
}

fn leaks(ward: &Ward, said: &str) -> Vec<String> {
    let canaries = canaries();
    let mut found = leaks::find(said.as_bytes(), &canaries);
    let mut folders = vec![ward.folder().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.extend(leaks::find(path.to_str().unwrap().as_bytes(), &canaries));
            if path.is_dir() {
                folders.push(path)
            } else {
                found.extend(leaks::find(&std::fs::read(path).unwrap(), &canaries))
            }
        }
    }
    found
}

/// `None`, or what is wrong.
fn play(scenario: &Scenario, mode: Mode, policy: Policy, strict: bool, institution: &Institution) -> Option<String> {
    let server = FaultServer::start(scenario.acts.clone());
    let mut ward = Ward::new();
    ward.institutions = vec![institution.clone()];
    // A gateway does not say what an archive says: what is refused for ever in an archive's words is asked again, and kept.
    let strict = strict || scenario.ends == Ends::Stored;
    let mut run = Run::new(&mut ward, &server, policy);
    run.rounds = if strict { 400 } else { 80 };
    let object = tiny_object(0, OBJECT_BYTES);
    let outbox = run.ward.open();
    outbox.add(&object).unwrap();
    let sealed = outbox.export(&outbox.items().unwrap()[0].id).unwrap();
    drop(outbox);
    let outbox = run.go(mode);

    let items = outbox.items().unwrap();
    let stored = server.stored();
    let ours = if policy == Policy::Direct { &object } else { &sealed };
    let mut wrong = Vec::new();
    let mut check = |right: bool, what: String| {
        if !right {
            wrong.push(what)
        }
    };
    check(stored.iter().all(|stored| stored.bytes == *ours), "other bytes are stored".into());
    check(stored.len() <= 1, format!("stored {} times", stored.len()));
    check(!items.is_empty() || stored.len() == 1, "lost".into());
    let ends = match items.as_slice() {
        [] => Ends::Stored,
        [item] => match item.state {
            State::Poison(reason) => match scenario.ends {
                Ends::Poison(_, most) if stored.len() <= most => Ends::Poison(reason, most),
                _ => Ends::Poison(reason, stored.len()),
            },
            State::Blocked(block) => Ends::Blocked(block),
            state => {
                check(!strict, format!("stuck: {}", state.code()));
                scenario.ends
            }
        },
        _ => panic!("one item became several"),
    };
    check(!strict || ends == scenario.ends, format!("ends otherwise: {:?}", items.first().map(|item| item.state)));
    check(
        server.requests().iter().all(|(_, target)| !target.contains("studies") || policy == Policy::Direct),
        "plain".into(),
    );
    let fetched = run.fetched.0.load(Ordering::SeqCst);
    check(fetched <= 4, format!("{fetched} tokens fetched"));
    let said = run.said.0.lock().unwrap().clone();
    let leaks = leaks(run.ward, &said);
    check(leaks.is_empty(), format!("{leaks:?}"));
    (!wrong.is_empty()).then(|| format!("{} ({mode:?}): {}; {:?}", scenario.name, wrong.join("; "), server.requests()))
}

/// All scenarios in all modes; `strict`: they must end as they say, not only well.
fn play_all(policy: Policy, scenarios: &[Scenario], strict: bool) {
    let authority = Authority::new();
    let institution = Institution::from_certificate(authority.institution().certificate.as_bytes()).unwrap();
    let modes = [Mode::Fresh, Mode::Restart, Mode::Offline];
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    // Most of the time is spent waiting for what does not come.
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(scenario) = scenarios.get(number / modes.len()) else { break };
                    if let Some(what) = play(scenario, modes[number % modes.len()], policy, strict, &institution) {
                        wrong.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), scenarios.len() * modes.len(), wrong.join("\n"));
    println!("{policy:?}: {} answers x {} modes", scenarios.len(), modes.len());
}

#[test]
fn every_answer_leaves_every_object_stored_once_or_kept() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 45);
    play_all(Policy::Direct, &scenarios, true);
}

#[test]
fn nothing_readable_is_left_in_sealed_mode() {
    play_all(Policy::Sealed, &gateway_scenarios(), true);
    play_all(Policy::Sealed, &scenarios(), false);
}

#[test]
fn two_thousand_cuts_between_commit_and_acknowledgement() {
    let cuts: usize = std::env::var("MOULAGE_CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(2000);
    let mut random = Random::new(4);
    let script: Vec<Act> = (0..cuts)
        .map(|number| Act {
            commit: Some(Duration::from_millis(random.below(100) as u64)),
            cut_answer: Some(random.below(200)),
            end: if number % 2 == 0 { End::Reset } else { End::Close },
            ..Act::archive(Kind::Store)
        })
        .collect();
    let server = FaultServer::start(script);
    let mut ward = Ward::new();
    let run = Run::new(&mut ward, &server, Policy::Direct);
    let (mut outbox, mut uploader, mut tokens) = run.process();
    for number in 0..cuts {
        outbox.add(&tiny_object(number, 64)).unwrap();
    }
    let mut rounds = 0;
    while !outbox.items().unwrap().is_empty() {
        rounds += 1;
        assert!(rounds < 1000, "{} are stuck", outbox.items().unwrap().len());
        run.drain(&uploader, &tokens);
        // The process dies now and then.
        if rounds % 7 == 1 {
            drop((uploader, outbox));
            (outbox, uploader, tokens) = run.process();
        }
        ward_step(&run);
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    for stored in server.stored() {
        *times.entry(stored.sop_instance_uid).or_default() += 1;
    }
    let duplicated = times.values().filter(|&&times| times > 1).count();
    let lost = (0..cuts).filter(|&number| !times.contains_key(&uid(number))).count();
    println!("{cuts} cuts: {duplicated} duplicated, {lost} lost, {} acts left, {rounds} rounds", server.left());
    assert_eq!((duplicated, lost, server.left()), (0, 0, 0));
}

fn ward_step(run: &Run<'_>) {
    run.ward.clock.advance(STEP.0);
    sleep(STEP.1);
}

#[test]
fn the_archive_of_these_tests_does_not_mind_duplicates() {
    let object = tiny_object(0, 10);
    let request = Request {
        method: "POST".into(),
        target: "/studies".into(),
        headers: vec![("content-type".into(), "multipart/related; boundary=b".into())],
        body: [b"--b\r\n\r\n", &object[..], b"\r\n--b--"].concat(),
    };
    let mut archive = Archive::default();
    archive.commit(&request, std::time::Instant::now());
    archive.commit(&request, std::time::Instant::now());
    assert_eq!(archive.objects().len(), 2);
    assert_eq!(archive.objects()[0].sop_instance_uid, uid(0));
}
