//! A gateway in front of Orthanc against the same Orthanc fed directly, in one run. `cargo bench -p moulage-cli --bench gateway`.
//!
//! Both ways end with the archive's confirmation: directly by STOW-RS and then QIDO-RS, as a phone does it; through the gateway by
//! one POST of the sealed item, behind which the gateway asks, stores and asks again. Everything over TLS, all on this machine,
//! which also has to play the phones. `MOULAGE_BENCH_PHOTOS` sets how many (default 200).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and tells its result")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moulage::clock::SystemRandomness;
use moulage::seal::{self, Institution, Recipients};
use moulage_tests::authority::{Authority, secret};
use moulage_tests::orthanc::{Orthanc, PASSWORD, USER};
use moulage_tests::phone::objects;
use reqwest::Certificate;
use reqwest::blocking::Client;
use ring::digest::{SHA256, digest};
use serde_json::Value;

const TOKEN: &str = "a-token-for-tests-0123456789abcdef";
/// Phones at the same time.
const PHONES: usize = 8;

fn main() {
    let Some(orthanc) = Orthanc::start() else { return };
    let count = std::env::var("MOULAGE_BENCH_PHOTOS").ok().and_then(|count| count.parse().ok()).unwrap_or(200);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let institution = authority.institution();
    let _ = institution.write(folder.path(), "institution.pem");
    let _ = authority.server().write(folder.path(), "tls.pem");
    let _ = secret(folder.path(), "tokens", TOKEN);
    let _ = secret(folder.path(), "login", &format!("Basic {USER}:{PASSWORD}"));
    fs::write(folder.path().join("archive.pem"), orthanc.root()).unwrap();
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_moulage"))
        .current_dir(folder.path())
        .args([
            "gateway",
            "--listen",
            "127.0.0.1:0",
            "--tls",
            "tls.pem",
            "--tokens",
            "tokens",
            "--key",
            "institution.pem",
        ])
        .args(["--archive-ca", "archive.pem", "--archive-login", "login", "--archive", &orthanc.dicom_web()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(gateway.stdout.take().unwrap());
    let mut first = String::new();
    log.read_line(&mut first).unwrap();
    let told: Value = serde_json::from_str(&first).unwrap();
    let port = told["address"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    thread::spawn(move || log.lines().for_each(drop));
    let gateway = Ends(gateway);

    let recipients = Recipients {
        institutions: vec![Institution::from_certificate(institution.certificate.as_bytes()).unwrap()],
        ..Recipients::default()
    };
    let dicom_web = orthanc.dicom_web();
    let archive = client(orthanc.root());
    let direct = |uid: &str, object: Vec<u8>| {
        let body = [&b"--bench\r\nContent-Type: application/dicom\r\n\r\n"[..], &object, b"\r\n--bench--\r\n"].concat();
        let store = archive.post(format!("{dicom_web}/studies")).basic_auth(USER, Some(PASSWORD)).body(body);
        let store = store.header("content-type", "multipart/related; type=\"application/dicom\"; boundary=bench");
        assert!(store.header("accept", "application/dicom+json").send().unwrap().status().is_success());
        let query = archive.get(format!("{dicom_web}/instances?SOPInstanceUID={uid}")).basic_auth(USER, Some(PASSWORD));
        assert!(query.header("accept", "application/dicom+json").send().unwrap().text().unwrap().contains(uid));
    };
    let phones = client(&authority.certificate());
    let through = |_: &str, sealed: Vec<u8>| {
        let digest = format!("sha-256={}", STANDARD.encode(digest(&SHA256, &sealed)));
        let post = phones.post(format!("https://localhost:{port}/sealed-items")).bearer_auth(TOKEN);
        let answer = post.header("digest", digest).body(sealed).send().unwrap();
        assert_eq!(answer.status(), 200);
    };
    let (width, height) = (4032, 3024);
    let now = chrono::Local::now().fixed_offset();
    let bytes = objects(1, width, height).next().unwrap().1.len();
    println!("{count} photos of {bytes} bytes a way, {PHONES} phones at once");
    // Warm, and in turns: what a disk or a neighbour does strikes both.
    run(objects(PHONES, width, height), &direct);
    let (mut directly, mut sealed) = (Vec::new(), Vec::new());
    let (mut direct_time, mut sealed_time) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..4 {
        let (time, each) = run(objects(count / 4, width, height), &direct);
        direct_time += time;
        directly.extend(each);
        let items: Vec<_> = objects(count / 4, width, height)
            .map(|(uid, object)| (uid, seal::seal(&object, &recipients, now, &SystemRandomness).unwrap()))
            .collect();
        let (time, each) = run(items.into_iter(), &through);
        sealed_time += time;
        sealed.extend(each);
    }
    let directly = report("directly", direct_time, &mut directly);
    let sealed = report("gateway", sealed_time, &mut sealed);
    println!("gateway / directly: throughput {:.2}, p99 {:.2}", sealed.0 / directly.0, sealed.1 / directly.1);
    println!("gateway, peak memory: {}", peak_memory(gateway.0.id()));
}

fn run(
    items: impl Iterator<Item = (String, Vec<u8>)>,
    send: &(dyn Fn(&str, Vec<u8>) + Sync),
) -> (Duration, Vec<Duration>) {
    let items = Mutex::new(items.collect::<Vec<_>>());
    let times = Mutex::new(Vec::new());
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..PHONES {
            scope.spawn(|| {
                loop {
                    let Some((uid, bytes)) = items.lock().unwrap().pop() else { return };
                    let begun = Instant::now();
                    send(&uid, bytes);
                    times.lock().unwrap().push(begun.elapsed());
                }
            });
        }
    });
    (begun.elapsed(), times.into_inner().unwrap())
}

/// Photos a second, and p99 in milliseconds.
fn report(name: &str, time: Duration, each: &mut [Duration]) -> (f64, f64) {
    each.sort();
    let at = |share: f64| each[((each.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let rate = each.len() as f64 / time.as_secs_f64();
    println!("{name}: {rate:.1} photos/s, p50 {:.0} ms, p99 {:.0} ms", at(0.5), at(0.99));
    (rate, at(0.99))
}

fn client(root: &str) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = Certificate::from_pem(root.as_bytes()).unwrap();
    Client::builder().tls_certs_only([root]).no_proxy().pool_idle_timeout(Duration::from_millis(500)).build().unwrap()
}

fn peak_memory(process: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned()
}

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
