//! The scenarios of `tests/scenarios/answers.json` once more, through real sockets and the HTTP driver. Left out are those in which nothing
//! leaves the device: `tls.rs` has them.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and says what it counted")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moulage::error::{HttpError, UploadError};
use moulage::outbox::{Change, OutboxEvent, OutboxObserver, State};
use moulage::seal::Institution;
use moulage::upload::http::{HttpDriver, HttpOptions, TokenSource, Tokens};
use moulage::upload::{AccessToken, Confirm, Destination, Policy, Uploader};
use moulage_tests::answers::{self, Answer, LineObjects, Scenario};
use moulage_tests::authority::Authority;
use moulage_tests::dicomweb::{Kind, Reply, contents, sha256};
use moulage_tests::fault_server::{Act, End, FaultServer, Say};
use moulage_tests::ward::Ward;

#[derive(Default)]
struct LastWord(Mutex<Option<&'static str>>);

impl OutboxObserver for LastWord {
    fn on_event(&self, event: &OutboxEvent) {
        if let Change::Stored(confirmation) = event.change {
            *self.0.lock().unwrap() = Some(confirmation.code());
        }
    }
}

struct Another(AtomicUsize);

impl TokenSource for Another {
    fn fetch(&self) -> Result<AccessToken, HttpError> {
        Ok(AccessToken::new(format!("token-{}", self.0.fetch_add(1, Ordering::SeqCst)))?)
    }
}

/// Object and item that the answers are about.
type About = Arc<Mutex<(Vec<u8>, String)>>;

fn act(answer: &Arc<Vec<Answer>>, at: usize, about: &About) -> Act {
    let (answers, about) = (answer.clone(), about.clone());
    let on = match answers[at].to.as_str() {
        "store" => Kind::Store,
        "query" => Kind::Query,
        "retrieve" => Kind::Retrieve,
        _ => Kind::Commit,
    };
    let fault = answers[at].fault.is_some();
    let say = Say::Reply(Arc::new(move |request| {
        let mut about = about.lock().unwrap();
        if on == Kind::Store {
            let object = contents(request).into_iter().next().unwrap_or_default();
            *about = (object, sha256(&request.body));
        }
        let (headers, body) = answers[at].response(&about.0, &about.1);
        Reply { status: answers[at].status, headers, body }
    }));
    let plain = Act::say(on, say);
    if fault { Act { cut_answer: Some(0), end: End::Reset, ..plain } } else { plain }
}

fn play(scenario: Scenario, institution: &Institution) -> Option<String> {
    let (name, expected) = (scenario.name, scenario.expected);
    let answers = Arc::new(scenario.answers);
    let about: About = Arc::new(Mutex::new((answers::first_object(), String::new())));
    let server = FaultServer::start((0..answers.len()).map(|at| act(&answers, at, &about)));
    let mut ward = Ward::new();
    let word = Arc::new(LastWord::default());
    ward.observer = Some(word.clone());
    ward.institutions = vec![institution.clone()];
    let policy = if scenario.policy == "sealed" { Policy::Sealed } else { Policy::Direct };
    let confirm = match scenario.confirm.as_str() {
        "listed" => Confirm::Listed,
        "found" => Confirm::Found,
        "compared" => Confirm::Compared,
        _ => Confirm::Committed,
    };
    let destination = Destination::new(&server.url(), policy).unwrap().confirm(confirm);
    let outbox = ward.open();
    outbox.add(&answers::first_object()).unwrap();
    let uploader = Uploader::new(outbox.clone(), destination, Arc::new(LineObjects));
    let options = HttpOptions {
        idle_timeout: Duration::from_millis(500),
        longest_wait: Duration::ZERO,
        concurrency: 1,
        ..HttpOptions::default()
    };
    let driver = HttpDriver::new(options).unwrap();
    let source = Arc::new(Another(AtomicUsize::new(0)));
    let mut tokens = Tokens::new(source.clone());
    for _ in 0..100 {
        match driver.drain(&uploader, Some(&tokens), &()) {
            Err(HttpError::Upload(UploadError::Unauthorized)) if server.left() > 0 => {
                tokens = Tokens::new(source.clone())
            }
            Ok(()) | Err(HttpError::Upload(_)) => {
                if server.left() == 0 {
                    break;
                }
                let due = outbox.items().unwrap().first().and_then(|item| item.due_in);
                ward.clock.advance(due.unwrap_or_default().max(Duration::from_secs(1)));
            }
            Err(error) => panic!("{error}"),
        }
    }
    let (state, reason) = match outbox.items().unwrap().first().map(|item| item.state) {
        None => ("stored", *word.0.lock().unwrap()),
        Some(State::Poison(reason)) => ("poison", Some(reason.code())),
        Some(State::Blocked(block)) => ("blocked", Some(block.code())),
        Some(state) => (state.code(), None),
    };
    let steps: Vec<&str> = server
        .requests()
        .iter()
        .map(|(kind, target)| match kind {
            Kind::Store => "store",
            Kind::Query => "query",
            Kind::Retrieve => "retrieve",
            Kind::Commit if target.starts_with("POST") => "commit",
            _ => "commit-result",
        })
        .collect();
    let right = steps == expected.requests && state == expected.state && reason == expected.reason.as_deref();
    (!right).then(|| {
        format!(
            "{name}: {steps:?}, {state} {reason:?}; expected {:?}, {} {:?}",
            expected.requests, expected.state, expected.reason
        )
    })
}

#[test]
fn what_follows_from_an_answer_follows_over_sockets_too() {
    let authority = Authority::new();
    let institution = Institution::from_certificate(authority.institution().certificate.as_bytes()).unwrap();
    let mut scenarios = answers::scenarios();
    let all = scenarios.len();
    scenarios.retain(|scenario| {
        scenario.answers.iter().all(|answer| matches!(answer.fault.as_deref(), None | Some("ambiguous")))
    });
    let played = scenarios.len();
    assert!(played >= 45, "{played} of {all}");
    let queue = Mutex::new(scenarios);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(scenario) = queue.lock().unwrap().pop() else { break };
                    if let Some(what) = play(scenario, &institution) {
                        wrong.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {played}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{played} of {all} scenarios over sockets");
}
