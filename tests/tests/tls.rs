//! Who is not who it should be gets not one byte of a photo.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use moulage::error::HttpError;
use moulage::outbox::{Block, Item, Outbox, State};
use moulage::upload::http::{ClientCertificate, HttpDriver, HttpOptions, Pins, Proxy, Roots};
use moulage::upload::{Destination, Policy};
use moulage_tests::authority::{Authority, Certified};
use moulage_tests::dicomweb::Kind;
use moulage_tests::fault_server::{Act, End, FaultServer, Say};
use moulage_tests::programs;
use moulage_tests::ward::{Ward, tiny_object};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Far more than everything that a handshake and a request without a body take.
const OBJECT_BYTES: usize = 200_000;
const FEW: u64 = 20_000;
const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

fn server(of: &Certified, versions: &[&'static SupportedProtocolVersion], clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(of.certificate.as_bytes()).unwrap()];
    builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(of.key.as_bytes()).unwrap()).unwrap()
}

fn trusting(authority: &Authority) -> HttpOptions {
    HttpOptions {
        roots: Roots::Only(authority.certificate().into_bytes()),
        idle_timeout: Duration::from_millis(700),
        connect_timeout: Duration::from_secs(3),
        longest_wait: Duration::ZERO,
        ..HttpOptions::default()
    }
}

fn until(date: &str) -> DateTime<chrono::FixedOffset> {
    DateTime::parse_from_rfc3339(date).unwrap()
}

/// One object in an outbox, drained once.
fn drained(url: &str, options: HttpOptions) -> (Ward, Arc<Outbox>, Option<Item>) {
    let ward = Ward::new();
    let outbox = ward.open();
    outbox.add(&tiny_object(0, OBJECT_BYTES)).unwrap();
    let uploader = Ward::uploader(&outbox, Destination::new(url, Policy::Direct).unwrap());
    HttpDriver::new(options).unwrap().drain(&uploader, None, &()).unwrap();
    let item = outbox.items().unwrap().first().copied();
    (ward, outbox, item)
}

#[track_caller]
fn is_refused(config: ServerConfig, options: HttpOptions) {
    let server = FaultServer::start_tls([], config);
    let (_ward, _outbox, item) = drained(&server.url(), options);
    assert_eq!(item.unwrap().state, State::Blocked(Block::Tls));
    assert_eq!(server.body_bytes(), 0);
    assert!(server.stored().is_empty());
    // Not even enciphered.
    assert!(server.received() < FEW, "{} bytes left", server.received());
}

#[track_caller]
fn is_stored(config: ServerConfig, options: HttpOptions) {
    let server = FaultServer::start_tls([], config);
    let (_ward, _outbox, item) = drained(&server.url(), options);
    assert!(item.is_none(), "{:?}", item.unwrap().state);
    assert_eq!(server.stored().len(), 1);
    assert!(server.body_bytes() > OBJECT_BYTES as u64);
}

#[test]
fn a_server_as_it_should_be_gets_the_object() {
    let authority = Authority::new();
    for version in BOTH {
        is_stored(server(&authority.server(), &[version], None), trusting(&authority));
    }
}

#[test]
fn another_host_is_refused() {
    let authority = Authority::new();
    is_refused(server(&authority.server_of(&["pacs.example"], 2000, 2100), &BOTH, None), trusting(&authority));
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    is_refused(server(&authority.server_of(&["localhost"], 2000, 2020), &BOTH, None), trusting(&authority));
    is_refused(server(&authority.server_of(&["localhost"], 2090, 2100), &BOTH, None), trusting(&authority));
}

#[test]
fn an_unknown_authority_is_refused() {
    let authority = Authority::new();
    is_refused(server(&Authority::new().server(), &BOTH, None), trusting(&authority));
    is_refused(server(&Authority::self_signed(), &BOTH, None), trusting(&authority));
    let platform = HttpOptions { roots: Roots::Platform, ..trusting(&authority) };
    // Where the system has no authorities at all, the driver says so before it connects.
    match HttpDriver::new(platform.clone()) {
        Ok(_) => is_refused(server(&authority.server(), &BOTH, None), platform),
        Err(error) => assert_eq!(error, HttpError::Roots),
    }
}

#[test]
fn a_certificate_for_clients_is_refused() {
    let authority = Authority::new();
    is_refused(server(&authority.client(), &BOTH, None), trusting(&authority));
}

#[test]
fn pins_are_kept_until_they_expire() {
    let authority = Authority::new();
    let (ours, reserve, other) = (authority.server(), authority.server(), authority.server());
    let with = |pins: [&Certified; 2], expires| HttpOptions {
        pins: Some(Pins::new(pins.map(Certified::pin).iter().map(String::as_str), until(expires)).unwrap()),
        ..trusting(&authority)
    };
    let (future, past) = ("2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    for version in BOTH {
        is_stored(server(&ours, &[version], None), with([&ours, &reserve], future));
        is_stored(server(&reserve, &[version], None), with([&ours, &reserve], future));
        is_refused(server(&other, &[version], None), with([&ours, &reserve], future));
        // Expired pins leave the rest of the verification as it is.
        is_stored(server(&other, &[version], None), with([&ours, &reserve], past));
        is_refused(server(&Authority::self_signed(), &[version], None), with([&ours, &reserve], past));
    }
    // A pin is no replacement for a certificate that is valid.
    let own = Authority::self_signed();
    is_refused(server(&own, &BOTH, None), with([&own, &reserve], future));
}

#[test]
fn pins_are_two_digests() {
    let expires = until("2099-01-01T00:00:00Z");
    let (a, b) = (Authority::self_signed().pin(), Authority::self_signed().pin());
    let with = |pins: &[&str]| Pins::new(pins.iter().copied(), expires).err();
    assert_eq!(with(&[&a, &format!("sha256/{b}")]), None);
    assert_eq!(with(&[&a]), Some(HttpError::TooFewPins));
    assert_eq!(with(&[&a, &a]), Some(HttpError::TooFewPins));
    for bad in ["", "sha256/", "AAAA", &a[..43], &format!("{a}A"), &a.replace('=', "!")] {
        assert_eq!(with(&[&a, bad]), Some(HttpError::Pin), "{bad}");
    }
}

#[test]
fn a_server_that_wants_a_certificate_gets_no_body_before_it_has_taken_it() {
    let authority = Authority::new();
    let certified = |by: &Authority| {
        let client = by.client();
        let certificate = ClientCertificate::from_pem(client.certificate.as_bytes(), client.key.as_bytes()).unwrap();
        HttpOptions { client_certificate: Some(certificate), ..trusting(&authority) }
    };
    for version in BOTH {
        let config = || server(&authority.server(), &[version], Some(&authority));
        is_stored(config(), certified(&authority));
        is_refused(config(), trusting(&authority));
        is_refused(config(), certified(&Authority::new()));
        // A server that does not ask is not told.
        is_stored(server(&authority.server(), &[version], None), certified(&authority));
    }
}

#[test]
fn certificate_and_key_belong_together() {
    let authority = Authority::new();
    let (one, other) = (authority.client(), authority.client());
    let from = |certificate: &str, key: &str| ClientCertificate::from_pem(certificate.as_bytes(), key.as_bytes()).err();
    assert_eq!(from(&one.certificate, &one.key), None);
    for (certificate, key) in
        [(&one.certificate, &other.key), (&one.key, &one.key), (&one.certificate, &one.certificate)]
    {
        assert_eq!(from(certificate, key), Some(HttpError::ClientCertificate));
    }
    for roots in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"no certificate"] {
        let options = HttpOptions { roots: Roots::Only(roots.to_vec()), ..HttpOptions::default() };
        assert_eq!(HttpDriver::new(options).err(), Some(HttpError::Roots));
    }
}

#[test]
fn an_answer_that_ends_without_tls_saying_so_is_no_answer() {
    let authority = Authority::new();
    // The archive says all that is needed, but where it ends is told by the end of the connection alone.
    let answer = Say::Raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/dicom+json\r\n\r\n[]".to_vec());
    for (end, counts) in [(End::Truncate, false), (End::Close, true)] {
        let query = Act { end, ..Act::say(Kind::Query, answer.clone()) };
        let lost = Act { cut_answer: Some(0), commit: None, end, ..Act::archive(Kind::Store) };
        let server = FaultServer::start_tls([lost, query], server(&authority.server(), &BOTH, None));
        let (ward, outbox, _) = drained(&server.url(), trusting(&authority));
        let uploader = Ward::uploader(&outbox, Destination::new(&server.url(), Policy::Direct).unwrap());
        ward.clock.advance(Duration::from_secs(10));
        HttpDriver::new(trusting(&authority)).unwrap().drain(&uploader, None, &()).unwrap();
        assert_eq!(server.left(), 0, "{end:?}");
        // "It is not there" counts from the end of the quarantine on; no answer is asked for again soon.
        let due_in = outbox.items().unwrap()[0].due_in.unwrap();
        assert_eq!(due_in > Duration::from_secs(60), counts, "{end:?}: {due_in:?}");
        assert!(server.stored().is_empty());
    }
}

#[test]
fn what_is_no_tls_gets_nothing() {
    let authority = Authority::new();
    let plain = FaultServer::start([]);
    let url = format!("https://localhost:{}", plain.address().port());
    let (_ward, _outbox, item) = drained(&url, trusting(&authority));
    // It waits for the end of what it takes for a request.
    assert_eq!(item.unwrap().state, State::Backoff);
    assert!(plain.requests().is_empty() && plain.received() < FEW);

    // Nobody there, and a name that nobody has (RFC 6761).
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_ward, _outbox, item) = drained(&format!("https://127.0.0.1:{free}"), trusting(&authority));
    assert_eq!(item.unwrap().state, State::Backoff);
    let (_ward, _outbox, item) = drained("https://archive.invalid", trusting(&authority));
    assert_eq!(item.unwrap().state, State::Blocked(Block::Host));

    // A listener that says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    let options = HttpOptions { connect_timeout: Duration::from_millis(300), ..trusting(&authority) };
    let (_ward, _outbox, item) = drained(&url, options);
    assert_eq!(item.unwrap().state, State::Backoff);
}

#[test]
fn a_proxy_sees_tls_or_nothing() {
    let authority = Authority::new();
    let proxy = FaultServer::start([]);
    let through = HttpOptions { proxy: Proxy::Url(format!("http://{}", proxy.address())), ..trusting(&authority) };
    // It does not know CONNECT: nothing goes past it.
    let archive = FaultServer::start_tls([], server(&authority.server(), &BOTH, None));
    let (_ward, _outbox, item) = drained(&archive.url(), through.clone());
    assert_eq!(item.unwrap().state, State::Backoff);
    assert_eq!(archive.received(), 0);
    assert!(
        proxy.requests().iter().all(|(_, target)| target.starts_with("CONNECT localhost:"))
            && !proxy.requests().is_empty()
    );
    assert_eq!(proxy.body_bytes(), 0);
    // What goes to this machine in the clear goes to nobody else.
    let asked = proxy.requests().len();
    let plain = FaultServer::start([]);
    let (_ward, _outbox, item) = drained(&plain.url(), through);
    assert!(item.is_none());
    assert_eq!(proxy.requests().len(), asked);
}

/// OpenSSL's server; what it is told comes out of it.
struct OldServer {
    child: Child,
    url: String,
}

impl OldServer {
    fn start(authority: &Authority, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pem = authority.server().write(folder.path(), "server.pem");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
            .args([&pem, std::path::Path::new("-key"), &pem])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut tries = 0;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            tries += 1;
            assert!(tries < 100, "openssl s_server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, url: format!("https://localhost:{port}") }
    }

    fn told(mut self) -> String {
        self.child.kill().unwrap();
        let mut told = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut told).unwrap();
        self.child.wait().unwrap();
        String::from_utf8_lossy(&told).into_owned()
    }
}

#[test]
fn old_versions_and_ciphers_are_refused() {
    if !programs::available(&["openssl"]) {
        return;
    }
    let authority = Authority::new();
    // The last one is the control: what is told to it is seen.
    for (arguments, refused) in [
        (&["-tls1", "-cipher", "ALL@SECLEVEL=0"][..], true),
        (&["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], true),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA@SECLEVEL=0"], true),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384@SECLEVEL=0"], true),
        (&["-tls1_2"], false),
    ] {
        let server = OldServer::start(&authority, arguments);
        let (_ward, _outbox, item) = drained(&server.url, trusting(&authority));
        let state = item.unwrap().state;
        assert_eq!(state == State::Blocked(Block::Tls), refused, "{arguments:?}: {}", state.code());
        assert_eq!(server.told().contains("POST /studies"), !refused, "{arguments:?}");
    }
}
