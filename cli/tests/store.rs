//! From a photo to an archive with the command alone: sealed in between, stored once, nothing readable left behind.

mod support;

use std::time::Duration;

use moulage_tests::dicomweb::Kind;
use moulage_tests::fault_server::{Act, End, FaultServer};
use moulage_tests::leaks::{self, Sentinel};
use support::{Place, Ran, files, jpeg};

const TOKEN: &str = "canary-token-77aa";

fn captured(place: &Place, photos: usize) {
    for number in 0..photos {
        place.write(&format!("{number}.jpg"), &jpeg());
    }
    let names: Vec<String> = (0..photos).map(|number| format!("{number}.jpg")).collect();
    let mut args = vec!["capture", "--outbox", "outbox", "--patient-id", "CANARY-MRN-1", "--issuer", "DEMO"];
    args.extend(["--site", "heel", "--laterality", "L"]);
    args.extend(names.iter().map(String::as_str));
    let ran = place.run(args);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for name in &names {
        std::fs::remove_file(place.path(name)).expect("captured: it may go");
    }
}

fn store(place: &Place, args: &[&str]) -> Ran {
    std::fs::create_dir_all(place.path("tmp")).expect("a temporary folder");
    let all = [&["store", "--outbox", "outbox"], args].concat();
    let output = place
        .command(all)
        .env("MOULAGE_TOKEN", TOKEN)
        .env("TMPDIR", place.path("tmp"))
        .env("HOME", place.path("tmp"))
        .output()
        .expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code().expect("an exit code"), out: text(output.stdout), err: text(output.stderr) }
}

fn canaries() -> [Sentinel; 4] {
    [
        Sentinel::from("CANARY-MRN-1"),
        Sentinel::from(TOKEN),
        Sentinel::Bytes(b"\xFF\xD8\xFF\xDB\0\x43".to_vec()),
        Sentinel::Bytes(b"\0\0\0\0DICM\x02\0\0\0UL".to_vec()),
    ]
}

fn assert_nothing_readable(place: &Place, said: &[&Ran]) {
    let canaries = canaries();
    for path in files(&place.path("")) {
        assert_eq!(leaks::find(path.to_string_lossy().as_bytes(), &canaries), [""; 0]);
        assert_eq!(
            leaks::find(&std::fs::read(&path).expect("a file of ours"), &canaries),
            [""; 0],
            "{}",
            path.display()
        );
    }
    for ran in said {
        assert_eq!(leaks::find(format!("{}{}", ran.out, ran.err).as_bytes(), &canaries), [""; 0]);
    }
}

#[test]
fn photos_come_to_the_archive_once_though_it_hangs_up() {
    let place = Place::new();
    captured(&place, 3);
    let cut = Act { commit: Some(Duration::ZERO), cut_answer: Some(0), end: End::Reset, ..Act::archive(Kind::Store) };
    let server = FaultServer::start([cut]);
    let ran = store(&place, &["--archive", &server.url(), "--wait", "60", "--json"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(ran.lines().iter().filter(|line| line["outcome"] == "stored").count(), 3);
    let mut stored: Vec<_> = server.stored().into_iter().map(|stored| stored.sop_instance_uid).collect();
    stored.sort();
    stored.dedup();
    assert_eq!((stored.len(), server.stored().len()), (3, 3));
    // What is looked for is in the objects, so it would be found.
    let found = leaks::find(&server.stored()[0].bytes, &canaries());
    assert!([0, 2, 3].iter().all(|k| found.iter().any(|hit| hit.starts_with(&format!("sentinel {k} ")))), "{found:?}");
    assert_nothing_readable(&place, &[&ran]);
    let listed = place.run(["outbox", "list", "--outbox", "outbox"]);
    assert_eq!((listed.code, listed.out.as_str()), (0, ""));
}

#[test]
fn a_gateway_gets_sealed_items_and_nothing_readable_is_left() {
    let place = Place::new();
    captured(&place, 2);
    let refuses = Act::reply(Kind::Store, moulage_tests::dicomweb::Reply::empty(401));
    let server = FaultServer::start([refuses]);
    let to_gateway = ["--gateway", &server.url(), "--wait", "0", "--concurrency", "1"];
    // Sealed to this computer alone they are of no use to a gateway.
    let kept = store(&place, &to_gateway);
    assert_ne!(kept.code, 0, "{}{}", kept.out, kept.err);
    assert_eq!(server.left(), 1);
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/seal/golden/p256.crt");
    let refused = store(&place, &[&to_gateway[..], &["--recipient", certificate]].concat());
    assert_eq!(refused.code, 3, "{}{}", refused.out, refused.err);
    assert_eq!(server.left(), 0);
    assert_nothing_readable(&place, &[&kept, &refused]);
    let listed = place.run(["outbox", "list", "--outbox", "outbox", "--json"]);
    let items: Vec<String> =
        listed.lines().iter().map(|line| line["item"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(items.len(), 2);
    let exported = place.run(["outbox", "export", "--outbox", "outbox", "--to", "copies", &items[0]]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let removed = place.run(["outbox", "remove", "--outbox", "outbox", "--for-good", &items[1]]);
    assert_eq!(removed.code, 0, "{}", removed.err);
    assert_eq!(place.run(["outbox", "remove", "--outbox", "outbox", &items[0]]).code, 2);
    let retried = place.run(["outbox", "retry", "--outbox", "outbox", &items[0]]);
    assert_eq!(retried.code, 0, "{}", retried.err);
    let copy = std::fs::read(place.path(&format!("copies/{}.cms", items[0]))).expect("a copy");
    assert!(copy.starts_with(b"\x30"));
    assert_nothing_readable(&place, &[&listed, &exported, &removed, &retried]);
}

#[test]
fn what_cannot_be_safe_is_refused_before_anything_is_opened() {
    let place = Place::new();
    for (args, code) in [
        (&["--archive", "http://pacs.example/rs"][..], "plain-http"),
        (&["--archive", "https://pacs.example", "--pin", "AAAA", "--pins-until", "2030-01-01"], "http-pin"),
        (&["--archive", "https://pacs.example"], "no-outbox"),
    ] {
        let ran = store(&place, args);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(code), "{code}: {}", ran.err);
    }
    assert!(!place.path("outbox").exists());
}
