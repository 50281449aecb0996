//! `moulage gateway` as a process: what it lets in, what it answers, and that nothing is lost whatever happens to it.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moulage::clock::SystemRandomness;
use moulage::seal::{self, Institution, Recipients};
use moulage::upload::{AccessToken, Destination, Policy};
use moulage_tests::authority::{Authority, Certified, secret};
use moulage_tests::cutting_proxy::CuttingProxy;
use moulage_tests::orthanc::{Orthanc, PASSWORD, USER, md5};
use moulage_tests::phone::{Phone, objects};
use moulage_tests::session::IDENTITY;
use reqwest::Certificate;
use reqwest::blocking::{Client, RequestBuilder};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use tempfile::TempDir;

const TOKEN: &str = "a-token-for-tests-0123456789abcdef";

/// Files that a gateway needs, and what it leaves.
struct Hospital {
    folder: TempDir,
    authority: Authority,
    institution: Certified,
}

impl Hospital {
    fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let institution = authority.institution();
        let _ = institution.write(folder.path(), "institution.pem");
        let _ = authority.server().write(folder.path(), "tls.pem");
        let _ = secret(folder.path(), "tokens", TOKEN);
        Self { folder, authority, institution }
    }

    fn institution(&self) -> Institution {
        Institution::from_certificate(self.institution.certificate.as_bytes()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moulage"));
        command.current_dir(self.folder.path()).arg("gateway").args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A gateway over TLS, with tokens, on a free port.
    fn start(&self, args: &[&str]) -> Gateway {
        let usual = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--tls", "tls.pem", "--tokens", "tokens"];
        let mut process = self.command(&[&usual[..], &["--key", "institution.pem"], args].concat()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let Ok(told) = serde_json::from_str::<Value>(&first) else {
            let mut error = String::new();
            process.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("{first}{error}");
        };
        let log = Arc::new(Mutex::new(first));
        let logging = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                logging.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let port = |key: &str| told[key].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        let root = Certificate::from_pem(self.authority.certificate().as_bytes()).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().tls_certs_only([root]).no_proxy().timeout(Duration::from_secs(30));
        let client = client.build().unwrap();
        Gateway { process, port: port("address"), inside: port("metrics"), client, log, reader: Some(reader) }
    }
}

struct Gateway {
    process: Child,
    port: u16,
    inside: u16,
    client: Client,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Gateway {
    fn request(&self, sealed: &[u8]) -> RequestBuilder {
        let digest = format!("sha-256={}", STANDARD.encode(digest(&SHA256, sealed)));
        let request = self.client.post(format!("https://localhost:{}/sealed-items", self.port));
        request.bearer_auth(TOKEN).header("digest", digest).body(sealed.to_vec())
    }

    fn get(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(format!("http://localhost:{}{path}", self.inside)).send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }

    /// Asks it to stop, and waits until it has.
    fn stop(mut self) -> (i32, String) {
        self.signal("-TERM");
        let status = self.process.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status.code().unwrap(), self.log())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Status, `stored`, code, and all of the text.
fn sent(request: RequestBuilder) -> (u16, bool, String, String) {
    let answer = request.send().unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let code = json["code"].as_str().unwrap_or_default().to_owned();
    (status, json["stored"] == true, code, text)
}

fn sealed(object: &[u8], institution: Institution) -> Vec<u8> {
    let recipients = Recipients { institutions: vec![institution], ..Recipients::default() };
    seal::seal(object, &recipients, chrono::Local::now().fixed_offset(), &SystemRandomness).unwrap()
}

/// What a folder archive holds: SOPInstanceUID -> MD5.
fn holdings(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => open.push(path),
                Some(extension) if extension == "dcm" => {
                    let uid = path.file_stem().unwrap().to_str().unwrap().to_owned();
                    let again = found.insert(uid, md5(&fs::read(&path).unwrap()));
                    assert!(again.is_none(), "stored twice");
                }
                // What a kill leaves of a file that never got its name.
                Some(extension) if extension == "partial" => {}
                _ => panic!("something else in the archive"),
            }
        }
    }
    found
}

#[test]
fn every_answer_is_told_apart_and_tells_nothing_else() {
    let hospital = Hospital::new();
    let gateway = hospital.start(&["--largest", "1", "--audit", "audit-log"]);
    let (uid, object) = objects(1, 64, 48).next().unwrap();
    let item = sealed(&object, hospital.institution());
    let mut texts = Vec::new();
    let mut expect = |request: RequestBuilder, status: u16, code: &str| {
        let (was, stored, told, text) = sent(request);
        assert_eq!((was, stored, told.as_str()), (status, code.is_empty(), code), "{text}");
        texts.push(text);
    };
    expect(gateway.request(&item), 200, "");
    // Again, in the same and in another envelope: it is there.
    expect(gateway.request(&item), 200, "");
    expect(gateway.request(&sealed(&object, hospital.institution())), 200, "");
    // Another object under the UID.
    let mut other = object.clone();
    let at = memchr::memmem::find(&other, b"installation-1").unwrap();
    other[at + 13] = b'2';
    expect(gateway.request(&sealed(&other, hospital.institution())), 409, "conflict");
    for length in [0, 1, item.len() / 2, item.len() - 1] {
        expect(gateway.request(&item[..length]), 400, "damaged");
    }
    let mut changed = item.clone();
    *changed.last_mut().unwrap() ^= 1;
    expect(gateway.request(&changed), 400, "damaged");
    expect(gateway.request(&changed).body(item.clone()), 400, "damaged");
    let url = format!("https://localhost:{}/sealed-items", gateway.port);
    expect(gateway.client.post(&url).bearer_auth(TOKEN).body(item.clone()), 400, "damaged");
    let stranger = Institution::from_certificate(hospital.authority.institution().certificate.as_bytes()).unwrap();
    expect(gateway.request(&sealed(&object, stranger)), 422, "wrong-key");
    expect(gateway.request(&sealed(b"no object", hospital.institution())), 422, "not-dicom");
    expect(gateway.request(&sealed(&object[..object.len() - 9], hospital.institution())), 422, "not-dicom");
    expect(gateway.request(&vec![0x30; (1 << 20) + 1]), 413, "too-large");
    let long = reqwest::blocking::Body::new(std::io::repeat(0x30).take(2 << 20));
    expect(gateway.request(&item).body(long), 413, "too-large");
    for token in ["", "another-token-for-tests-0123456789a"] {
        let request = gateway.client.post(&url).body(item.clone());
        expect(request.bearer_auth(token), 401, "unauthorized");
    }
    expect(gateway.client.post(&url).body(item.clone()), 401, "unauthorized");
    assert_eq!(gateway.client.get(&url).send().unwrap().status(), 405);
    assert_eq!(gateway.client.get(format!("https://localhost:{}/metrics", gateway.port)).send().unwrap().status(), 404);
    let (status, metrics) = gateway.get("/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("moulage_gateway_items_total{code=\"stored\"} 3\n"), "{metrics}");
    assert!(metrics.contains("moulage_gateway_items_total{code=\"unauthorized\"} 3\n"), "{metrics}");
    assert_eq!(gateway.get("/health/live").0, 200);
    assert_eq!(gateway.get("/health/ready").0, 200);
    assert_eq!(holdings(&hospital.path("archive")), BTreeMap::from([(uid.clone(), md5(&object))]));

    // A line of the log for each, and in none of all this anything that must not be there.
    texts.push(metrics);
    let answers = texts.len() - 1;
    let (code, log) = gateway.stop();
    assert_eq!(code, 0);
    assert_eq!(log.lines().filter(|line| line.contains("\"event\":\"item\"")).count(), answers);
    texts.push(log);

    // A record for each, one more for the six that were opened, and one for the start; the chain is sound.
    let audit = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moulage"));
        let ran = command.current_dir(hospital.folder.path()).arg("audit").args(args).output().unwrap();
        assert!(ran.status.success());
        String::from_utf8(ran.stdout).unwrap()
    };
    let records = audit(&["verify", "--outbox", "audit-log"]);
    assert_eq!(records, format!("log 1: sound, {} records\n", answers + 6 + 1));
    texts.push(audit(&["export", "--outbox", "audit-log", "--form", "dicom"]));
    assert_eq!(texts.last().unwrap().lines().count(), answers + 6 + 1);
    let names = IDENTITY.iter().map(|value| (*value).to_owned());
    let secrets = [uid, TOKEN.into(), "JFIF".into(), "DICM".into(), "another-token".into(), "installation".into()];
    for canary in names.chain(secrets) {
        assert!(texts.iter().all(|text| !text.contains(&canary)), "{canary} was told");
    }
}

#[test]
fn it_does_not_start_open_or_with_a_key_that_others_can_read() {
    let hospital = Hospital::new();
    let refused = |args: &[&str]| {
        let ran = hospital.command(args).output().unwrap();
        let error = String::from_utf8(ran.stderr).unwrap();
        let code = error.split(['[', ']']).nth(1).unwrap_or_default().to_owned();
        (ran.status.code().unwrap(), code)
    };
    let key = ["--key", "institution.pem"];
    assert_eq!(refused(&["--listen", "0.0.0.0:0", "--tls", "tls.pem", key[0], key[1]]), (2, "gateway-open".into()));
    assert_eq!(refused(&["--listen", "0.0.0.0:0", "--tokens", "tokens", key[0], key[1]]), (2, "gateway-open".into()));
    assert_eq!(refused(&["--listen", "[::]:0", key[0], key[1]]), (2, "gateway-open".into()));
    assert_eq!(refused(&["--archive", "http://pacs.example/rs", key[0], key[1]]).0, 2);
    assert_eq!(refused(&["--key", "tokens"]), (2, "gateway-key".into()));
    assert_eq!(refused(&["--key", "nothing"]), (2, "gateway-file".into()));
    for (file, mode) in [("institution.pem", 0o640), ("institution.pem", 0o604)] {
        fs::set_permissions(hospital.path(file), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(refused(&key), (2, "gateway-file-open".into()));
    }
}

#[test]
fn who_has_no_certificate_or_takes_too_long_is_cut_off() {
    let hospital = Hospital::new();
    fs::write(hospital.path("clients.pem"), hospital.authority.certificate()).unwrap();
    let gateway = hospital.start(&["--client-ca", "clients.pem"]);
    let (_, object) = objects(1, 64, 48).next().unwrap();
    let item = sealed(&object, hospital.institution());
    assert!(gateway.request(&item).send().is_err());
    let phone = hospital.authority.client();
    let identity = reqwest::Identity::from_pem(format!("{}{}", phone.key, phone.certificate).as_bytes()).unwrap();
    let root = Certificate::from_pem(hospital.authority.certificate().as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([root]).identity(identity).no_proxy().build().unwrap();
    let request = gateway.request(&item).build().unwrap();
    assert_eq!(client.execute(request).unwrap().status(), 200);
    drop(gateway);

    let gateway = hospital.start(&["--idle", "1", "--receive-within", "2"]);
    let begun = Instant::now();
    let mut silent = TcpStream::connect(("127.0.0.1", gateway.inside)).unwrap();
    silent.write_all(b"GET /health/live HT").unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(matches!(silent.read(&mut [0; 1]), Ok(0) | Err(_)));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // A body that comes, but too slowly: a phone that sends for ever.
    struct Slow;
    impl Read for Slow {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            thread::sleep(Duration::from_millis(300));
            to.fill(0x30);
            Ok(to.len())
        }
    }
    let begun = Instant::now();
    let slow = gateway.request(&item).body(reqwest::blocking::Body::sized(Slow, 1 << 20)).send();
    // The answer may be lost with the connection.
    assert!(slow.is_ok_and(|answer| answer.status() == 408) || gateway.log().contains("\"code\":\"incomplete\""));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[test]
fn killed_at_any_moment_and_two_at_once_nothing_is_lost_or_twice() {
    let hospital = Hospital::new();
    let mut phone = Phone::new(vec![hospital.institution()]);
    phone.longest_wait = Duration::from_secs(2);
    let taken = phone.capture(60);
    let drain = |gateway: &Gateway| {
        let url = format!("https://localhost:{}", gateway.port);
        let destination = Destination::new(&url, Policy::Sealed).unwrap().quarantine(Duration::from_millis(200));
        phone.drain(destination, &hospital.authority.certificate(), AccessToken::new(TOKEN).unwrap())
    };
    for after in [5, 40, 90, 160] {
        let gateway = hospital.start(&[]);
        thread::scope(|scope| {
            let drained = scope.spawn(|| drain(&gateway));
            thread::sleep(Duration::from_millis(after));
            gateway.signal("-KILL");
            // It waits for its time to try again; the next gateway gets what is left.
            drop(drained.join());
        });
    }
    let gateway = hospital.start(&[]);
    let drain = || drain(&gateway).unwrap();
    let begun = Instant::now();
    while !phone.outbox.items().unwrap().is_empty() {
        phone.outbox.unblock();
        drain();
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    assert_eq!(holdings(&hospital.path("archive")), taken);

    // The same item at two gateways, eight times at once.
    let second = hospital.start(&[]);
    let (uid, object) = objects(1, 64, 48).next().unwrap();
    let item = sealed(&object, hospital.institution());
    thread::scope(|scope| {
        let (gateway, second, item) = (&gateway, &second, &item);
        let posts: Vec<_> =
            (0..8).map(|at| scope.spawn(move || sent([gateway, second][at % 2].request(item)))).collect();
        posts.into_iter().for_each(|post| assert_eq!(post.join().unwrap().0, 200));
    });
    let mut all = taken;
    all.insert(uid, md5(&object));
    assert_eq!(holdings(&hospital.path("archive")), all);
}

#[test]
fn sealed_photos_reach_a_real_archive_through_a_bad_network() {
    let Some(orthanc) = Orthanc::start() else { return };
    let hospital = Hospital::new();
    fs::write(hospital.path("archive.pem"), orthanc.root()).unwrap();
    let _ = secret(hospital.folder.path(), "login", &format!("Basic {USER}:{PASSWORD}\n"));
    let archive = orthanc.dicom_web();
    let archive = ["--archive", &archive, "--archive-ca", "archive.pem", "--archive-login", "login"];
    let gateway = hospital.start(&[&archive[..], &["--confirm", "compared"]].concat());
    let proxy = CuttingProxy::start(gateway.port, 20, 5);
    let phone = Phone::new(vec![hospital.institution()]);
    let taken = phone.capture(100);
    let url = format!("https://localhost:{}", proxy.port());
    let destination = Destination::new(&url, Policy::Sealed).unwrap().quarantine(Duration::from_secs(2));
    phone.drain(destination, &hospital.authority.certificate(), AccessToken::new(TOKEN).unwrap()).unwrap();
    let (exchanges, faults) = proxy.counts();
    let left: Vec<&str> = phone.outbox.items().unwrap().iter().map(|item| item.state.code()).collect();
    assert!(left.is_empty() && faults * 10 > exchanges, "{left:?}, {faults} faults in {exchanges} exchanges");
    assert_eq!(orthanc.holdings(), taken);
}
