//! What the scenarios of `tests/scenarios/answers.json` do not show: several items at once, erasing, background transfers, tokens, days.

use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use super::simulation::{TinyObjects, tiny};
use super::*;
use crate::clock::Clock;
use crate::error::{KeystoreError, UploadError};
use crate::outbox::simulated::{Machine, World};
use crate::outbox::{Block, ItemId, Outbox, Reason, State};

static_assertions::assert_not_impl_any!(UploadRequest: Debug, Display, serde::Serialize);
static_assertions::assert_not_impl_any!(UploadTask: Debug, Display, serde::Serialize);
static_assertions::assert_not_impl_any!(UploadResult: Debug, Display, serde::Serialize);
static_assertions::assert_not_impl_any!(Url: Debug, Display, serde::Serialize);
static_assertions::assert_not_impl_any!(Header: Debug, Display, serde::Serialize);
static_assertions::assert_not_impl_any!(AccessToken: Debug, Display, serde::Serialize);
static_assertions::assert_not_impl_any!(Body: Debug, Display, serde::Serialize);
static_assertions::assert_not_impl_any!(Identity: Debug, Display, serde::Serialize);

struct Ward {
    machine: Machine,
    world: World,
    outbox: Arc<Outbox>,
    uploader: Uploader,
}

impl Ward {
    fn new(policy: Policy, confirm: Confirm) -> Self {
        let institutions = if policy == Policy::Sealed { vec![World::institution()] } else { Vec::new() };
        let (machine, world) = (Machine::new(None), World { institutions, ..World::new(1) });
        let outbox = Arc::new(world.open(&machine, None).unwrap());
        let destination = Destination::new("https://archive.example/rs", policy).unwrap().confirm(confirm);
        let uploader = Uploader::new(Arc::clone(&outbox), destination, Arc::new(TinyObjects));
        Self { machine, world, outbox, uploader }
    }

    fn add(&self, photo: u64) -> ItemId {
        self.outbox.add(&tiny(photo, "vl", &format!("2.25.{photo}"))).unwrap()
    }

    /// The process ends, and another starts.
    fn restart(&mut self) {
        self.machine.kill_all();
        self.outbox = Arc::new(self.world.open(&self.machine, None).unwrap());
        let destination = self.uploader.destination().clone();
        self.uploader = Uploader::new(Arc::clone(&self.outbox), destination, Arc::new(TinyObjects));
    }

    /// The next request; time passes until there is one, `None`: there is nothing to do.
    fn next(&self) -> Option<UploadRequest> {
        for _ in 0..1000 {
            match self.uploader.next_upload(None).unwrap() {
                UploadTask::Send(request) => return Some(request),
                UploadTask::Wait(wait) => self.world.clock.pass(wait),
                UploadTask::Done => return None,
            }
        }
        panic!("waits for ever");
    }

    fn answer(&self, request: &UploadRequest, status: u16, body: &str) -> Outcome {
        let result = UploadResult::Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        self.uploader.finish_upload(request.id, result).unwrap()
    }

    fn state(&self, id: ItemId) -> Option<State> {
        self.outbox.items().unwrap().iter().find(|item| item.id == id).map(|item| item.state)
    }
}

fn listed(photo: u64) -> String {
    format!(r#"{{"00081199":{{"Value":[{{"00081155":{{"Value":["2.25.{photo}"]}}}}]}}}}"#)
}

fn found(photo: u64) -> String {
    format!(r#"[{{"00080018":{{"Value":["2.25.{photo}"]}},"00100020":{{"Value":["0815"]}}}}]"#)
}

#[test]
fn i4_nothing_is_erased_before_it_is_confirmed_as_surely_as_demanded() {
    let object = String::from_utf8(tiny(1, "vl", "2.25.1")).unwrap();
    let steps =
        [(Step::Store, listed(1)), (Step::Query, found(1)), (Step::Retrieve, object), (Step::Commit, listed(1))];
    for (confirm, needed) in [
        (Confirm::Listed, &[Step::Store][..]),
        (Confirm::Found, &[Step::Store, Step::Query]),
        (Confirm::Compared, &[Step::Store, Step::Query, Step::Retrieve]),
        (Confirm::Committed, &[Step::Store, Step::Query, Step::Commit]),
    ] {
        let ward = Ward::new(Policy::Direct, confirm);
        let id = ward.add(1);
        for (at, step) in needed.iter().enumerate() {
            assert!(ward.state(id).is_some(), "{confirm:?}: erased before {}", step.code());
            let request = ward.next().unwrap();
            assert!(request.step == *step, "{confirm:?}: {} instead of {}", request.step.code(), step.code());
            let (_, body) = steps.iter().find(|(of, _)| of == step).unwrap();
            let headers = vec![("content-type".into(), "application/dicom".into())];
            let result = UploadResult::Response { status: 200, headers, body: body.clone().into_bytes() };
            let outcome = ward.uploader.finish_upload(request.id, result).unwrap();
            let last = at + 1 == needed.len();
            assert_eq!(outcome, if last { Outcome::Stored } else { Outcome::Continues });
        }
        assert_eq!(ward.state(id), None);
        assert!(!ward.machine.files().iter().any(|(path, _)| path.starts_with("items/")));
    }
}

#[test]
fn i7_everything_leaves_though_no_byte_is_free_and_the_clock_is_set() {
    let ward = Ward::new(Policy::Direct, Confirm::Found);
    (1..=20).for_each(|photo| drop(ward.add(photo).to_string()));
    ward.machine.set_room(Some(ward.machine.used()));
    let mut requests = 0;
    while let Some(request) = ward.next() {
        requests += 1;
        assert!(requests < 500, "no progress");
        ward.world.clock.set_ahead(chrono::TimeDelta::days([-366, 366, -20_000][requests % 3]));
        let mut body = Vec::new();
        request.body.write_to(&mut body).unwrap();
        let photo = match request.step {
            Step::Store => {
                String::from_utf8(body).unwrap().split("2.25.").nth(1).unwrap().split('\r').next().unwrap().to_owned()
            }
            _ => request.url.expose().split("2.25.").nth(1).unwrap().split('&').next().unwrap().to_owned(),
        };
        let photo = photo.parse().unwrap();
        match (requests % 3, request.step) {
            (0, _) => ward.answer(&request, 503, ""),
            (_, Step::Store) => ward.answer(&request, 200, &listed(photo)),
            // A photo whose answer was lost is not there before it was listed; it may be found all the same.
            _ => ward.answer(&request, 200, &found(photo)),
        };
    }
    assert!(ward.outbox.items().unwrap().is_empty());
}

#[test]
fn i8_poison_holds_nobody_up_and_is_kept_with_its_reason() {
    let ward = Ward::new(Policy::Direct, Confirm::Found);
    let ids = [1, 2, 3].map(|photo| ward.add(photo));
    let mut stored = 0;
    while let Some(request) = ward.next() {
        let photo = ids.iter().position(|id| *id == request.item).unwrap() as u64 + 1;
        let outcome = match (photo, request.step) {
            (1, Step::Store) => ward.answer(&request, 413, ""),
            (1, _) => ward.answer(&request, 204, ""),
            (_, Step::Store) => ward.answer(&request, 200, &listed(photo)),
            _ => ward.answer(&request, 200, &found(photo)),
        };
        stored += u64::from(outcome == Outcome::Stored);
    }
    assert_eq!(stored, 2);
    assert_eq!(ward.state(ids[0]), Some(State::Poison(Reason::TooLarge)));
    // A person wants it tried again: the archive is asked first.
    ward.outbox.retry(&ids[0]).unwrap();
    assert!(ward.next().unwrap().step == Step::Query);
}

#[test]
fn promises_that_are_broken_end_in_poison() {
    let ward = Ward::new(Policy::Direct, Confirm::Found);
    let id = ward.add(1);
    let mut stores = 0;
    while let Some(request) = ward.next() {
        if request.step == Step::Store {
            stores += 1;
            ward.answer(&request, 200, &listed(1));
        } else {
            ward.answer(&request, 204, "");
        }
    }
    assert_eq!((stores, ward.state(id)), (3, Some(State::Poison(Reason::Unconfirmed))));
}

#[test]
fn what_fails_for_a_day_is_named() {
    let ward = Ward::new(Policy::Direct, Confirm::Found);
    let id = ward.add(1);
    let mut waits = Vec::new();
    while ward.world.clock.elapsed() < Duration::from_secs(25 * 3600) {
        assert_eq!(ward.uploader.attention().is_empty(), ward.world.clock.elapsed() < Duration::from_secs(24 * 3600));
        let request = ward.next().unwrap();
        match ward.uploader.finish_upload(request.id, UploadResult::NotSent(NotSent::Unreachable)).unwrap() {
            Outcome::Waits(wait) => waits.push(wait),
            other => panic!("{other:?}"),
        }
        if let UploadTask::Wait(wait) = ward.uploader.next_upload(None).unwrap() {
            ward.world.clock.pass(wait);
        }
    }
    assert_eq!(ward.uploader.attention(), [id]);
    assert!(waits.len() < 70, "{} attempts", waits.len());
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(3600)));
    assert!(waits[0] >= Duration::from_secs(1) && waits[0] <= Duration::from_secs(2));
}

#[test]
fn a_token_that_was_refused_is_not_sent_again() {
    let ward = Ward::new(Policy::Direct, Confirm::Found);
    let ids = [ward.add(1), ward.add(2)];
    let token = |text: &str| AccessToken::new(text).unwrap();
    let send = |text| match ward.uploader.next_upload(Some(&token(text))) {
        Ok(UploadTask::Send(request)) => request,
        _ => panic!("nothing to send"),
    };
    let (first, second) = (send("old"), send("old"));
    assert_eq!(ward.answer(&first, 401, ""), Outcome::Blocked(Block::Auth));
    assert_eq!(ward.state(first.item), Some(State::Blocked(Block::Auth)));
    assert!(matches!(ward.uploader.next_upload(Some(&token("old"))), Err(UploadError::Unauthorized)));
    // The other one was on its way with the old token when a new one came.
    let third = send("new");
    assert!(third.item == first.item && third.step == Step::Query);
    assert_eq!(ward.answer(&second, 401, ""), Outcome::Continues);
    assert!(send("new").item == second.item);
    assert!(ids.contains(&first.item));
    for text in ["", "a b", "a\n", "ä", &"x".repeat(16 * 1024 + 1)] {
        assert!(matches!(AccessToken::new(text), Err(UploadError::Token)));
    }
}

#[test]
fn only_a_sealed_item_is_lent_and_another_process_may_tell_how_it_went() {
    let direct = Ward::new(Policy::Direct, Confirm::Found);
    direct.add(1);
    assert!(matches!(direct.uploader.next_background_upload(None), Err(UploadError::PlaintextInFile)));

    let ward = Ward::new(Policy::Sealed, Confirm::Found);
    let id = ward.add(1);
    let UploadTask::Send(request) = ward.uploader.next_background_upload(None).unwrap() else { panic!() };
    let path = request.body.path().unwrap().to_str().unwrap().to_owned();
    let (_, lent) = ward.machine.files().into_iter().find(|(of, _)| *of == path).unwrap();
    assert_eq!(lent.len() as u64, request.body.len());
    assert!(memchr::memmem::find(&lent, b"2.25.1").is_none());
    assert_eq!(ward.state(id), Some(State::Lent));
    let result = |body: String| UploadResult::Response { status: 200, headers: Vec::new(), body: body.into_bytes() };
    assert_eq!(ward.uploader.finish_upload(request.id, result(String::new())), Err(UploadError::UnknownUpload));

    let outbox = Arc::new(ward.world.open(&ward.machine, None).unwrap());
    let next = Uploader::new(outbox, ward.uploader.destination().clone(), Arc::new(TinyObjects));
    let answer = format!(r#"{{"item":"{}","stored":true}}"#, hexadecimal(&sha256(&lent)));
    assert_eq!(next.finish_background_upload(&id, result(answer.clone())), Ok(Outcome::Stored));
    assert_eq!(next.finish_background_upload(&id, result(answer)), Err(UploadError::UnknownUpload));
    assert!(ward.machine.files().iter().all(|(path, _)| path.starts_with("keys/")));
}

#[test]
fn a_key_that_is_lost_loses_no_photo_and_stops_no_sealed_upload() {
    for (trouble, state) in [
        (KeystoreError::Locked, State::Blocked(Block::Key)),
        (KeystoreError::Unavailable, State::Blocked(Block::Key)),
        (KeystoreError::Invalidated, State::Poison(Reason::Unopenable)),
    ] {
        let mut before = Ward::new(Policy::Direct, Confirm::Found);
        before.world.institutions = vec![World::institution()];
        before.restart();
        let id = before.add(1);
        before.world.keystore.as_ref().unwrap().set(Some(trouble));
        before.machine.kill_all();
        let outbox = Arc::new(before.world.open(&before.machine, None).unwrap());
        let to = |policy| Destination::new("https://archive.example/rs", policy).unwrap();
        let uploader = Uploader::new(Arc::clone(&outbox), to(Policy::Direct), Arc::new(TinyObjects));
        assert!(!matches!(uploader.next_upload(None).unwrap(), UploadTask::Send(_)), "{trouble:?}");
        assert_eq!(outbox.items().unwrap()[0].state, state);
        outbox.retry(&id).unwrap();
        let uploader = Uploader::new(Arc::clone(&outbox), to(Policy::Sealed), Arc::new(TinyObjects));
        assert!(matches!(uploader.next_upload(None).unwrap(), UploadTask::Send(_)), "{trouble:?}");
    }
}

/// A ward whose only certificate has expired, and a photo that was captured nevertheless.
fn after_the_last_day() -> (Ward, ItemId) {
    let mut ward = Ward::new(Policy::Sealed, Confirm::Found);
    ward.world.institutions = vec![World::expired_institution()];
    ward.restart();
    let id = ward.add(1);
    (ward, id)
}

fn photo_file(ward: &Ward) -> (String, Vec<u8>) {
    ward.machine.files().into_iter().find(|(path, _)| path.starts_with("items/")).unwrap()
}

#[test]
fn what_was_captured_while_no_certificate_was_valid_is_sealed_anew_and_stored_once() {
    let (mut ward, id) = after_the_last_day();
    let before = photo_file(&ward);
    assert!(ward.world.open_as_institution(&ward.machine, &before.1).is_none());
    // Nobody is asked to open what nobody can.
    for _ in 0..5 {
        let UploadTask::Wait(wait) = ward.uploader.next_upload(None).unwrap() else { panic!() };
        assert_eq!(ward.state(id), Some(State::Blocked(Block::Key)));
        ward.world.clock.pass(wait);
    }
    assert!(photo_file(&ward) == before);

    ward.world.institutions = vec![World::expired_institution(), World::institution()];
    ward.restart();
    let mut stored = Vec::new();
    let mut requests = 0;
    while let Some(request) = ward.next() {
        requests += 1;
        let mut body = Vec::new();
        request.body.write_to(&mut body).unwrap();
        // The bytes are those on disk: they are the same ones at every attempt.
        assert!(photo_file(&ward).1 == body);
        let object = ward.world.open_as_institution(&ward.machine, &body).unwrap();
        assert!(object.as_slice() == tiny(1, "vl", "2.25.1"));
        if !stored.contains(&object) {
            stored.push(object);
        }
        match requests {
            // It is stored, and the answer is lost; then the process ends, too.
            1 => drop(ward.uploader.finish_upload(request.id, UploadResult::Ambiguous)),
            2 => ward.restart(),
            _ => {
                let said = format!(r#"{{"item":"{}","stored":true}}"#, hexadecimal(&sha256(&body)));
                assert_eq!(ward.answer(&request, 200, &said), Outcome::Stored);
            }
        }
    }
    assert_eq!((requests, stored.len(), ward.state(id)), (3, 1, None));
    assert!(ward.machine.files().iter().all(|(path, _)| path.starts_with("keys/")));
}

#[test]
fn what_cannot_be_sealed_anew_waits_or_is_kept_as_what_nobody_opens() {
    for (trouble, state) in [
        (Some(KeystoreError::Locked), State::Blocked(Block::Key)),
        (Some(KeystoreError::Unavailable), State::Blocked(Block::Key)),
        (Some(KeystoreError::Invalidated), State::Poison(Reason::Unopenable)),
        (None, State::Blocked(Block::Disk)),
    ] {
        let (mut ward, id) = after_the_last_day();
        let before = photo_file(&ward);
        ward.world.institutions = vec![World::institution()];
        ward.world.keystore.as_ref().unwrap().set(trouble);
        ward.machine.set_room(Some(ward.machine.used()));
        ward.restart();
        assert!(!matches!(ward.uploader.next_upload(None).unwrap(), UploadTask::Send(_)), "{trouble:?}");
        assert_eq!(ward.state(id), Some(state));
        assert!(photo_file(&ward) == before);
        // Nothing is lost by it.
        ward.world.keystore.as_ref().unwrap().set(None);
        ward.machine.set_room(None);
        ward.restart();
        assert!(ward.next().is_some());
    }
}

#[test]
fn requests_are_what_the_standard_asks_for() {
    let ward = Ward::new(Policy::Direct, Confirm::Committed);
    ward.add(1);
    let header = |request: &UploadRequest, name: &str| {
        request.headers.iter().find(|header| header.name == name).map(|header| header.expose().to_owned())
    };
    let store = ward.next().unwrap();
    assert_eq!((store.method, store.url.expose()), ("POST", "https://archive.example/rs/studies"));
    assert_eq!(header(&store, "accept").unwrap(), "application/dicom+json");
    let (mut written, mut read) = (Vec::new(), Vec::new());
    store.body.write_to(&mut written).unwrap();
    std::io::Read::read_to_end(&mut store.body.reader().unwrap(), &mut read).unwrap();
    assert!(written == read && written.len() as u64 == store.body.len());
    let boundary = header(&store, "content-type").unwrap();
    let boundary = boundary.strip_prefix("multipart/related; type=\"application/dicom\"; boundary=").unwrap();
    let object = String::from_utf8(tiny(1, "vl", "2.25.1")).unwrap();
    let expected = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n{object}\r\n--{boundary}--\r\n");
    assert!(written == expected.as_bytes());
    ward.answer(&store, 200, &listed(1));
    let query = ward.next().unwrap();
    let url = "https://archive.example/rs/studies/1.5/series/1.6/instances?SOPInstanceUID=2.25.1&includefield=00100020,00100021";
    assert_eq!((query.method, query.url.expose()), ("GET", url));
    assert!(query.body.is_empty());
    ward.answer(&query, 200, &found(1));
    let commit = ward.next().unwrap();
    let transaction = commit.url.expose().strip_prefix("https://archive.example/rs/commitment-requests/2.25.").unwrap();
    assert!(transaction.parse::<u128>().is_ok() && commit.method == "POST");
    let mut body = Vec::new();
    commit.body.write_to(&mut body).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(said["00081199"]["Value"][0]["00081155"]["Value"][0], "2.25.1");
    let missing = UploadResult::Response { status: 404, headers: Vec::new(), body: Vec::new() };
    assert_eq!(ward.uploader.finish_upload(commit.id, missing), Err(UploadError::CommitmentUnsupported));
    assert_eq!(ward.uploader.finish_upload(commit.id, UploadResult::Ambiguous), Err(UploadError::UnknownUpload));
}

#[test]
fn base64_is_that_of_rfc_4648() {
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(super::base64(bytes.as_bytes()), text);
    }
}
