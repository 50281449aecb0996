//! A real archive: Debian's Orthanc with its DICOMweb plugin, over TLS and with a password, on a free port and in a folder of
//! its own. It ends with the value, also when a test panics.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use reqwest::Certificate;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::programs;

const ORTHANC: &str = "/usr/sbin/Orthanc";
const DICOM_WEB: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
/// Who may use it.
pub const USER: &str = "phone";
/// With this password.
pub const PASSWORD: &str = "a-password-of-a-test";

/// A running archive.
pub struct Orthanc {
    process: Child,
    port: u16,
    root: String,
    client: Client,
    // Gone after the process.
    _folder: TempDir,
}

impl Orthanc {
    /// Starts one; `None`, and said loudly, where it is not installed.
    ///
    /// # Panics
    /// When it does not answer within 30 s, and under `tests/run` when it is missing.
    #[must_use]
    pub fn start() -> Option<Self> {
        if !programs::available(&[ORTHANC, DICOM_WEB, "cc"]) {
            return None;
        }
        // Between finding a free port and taking it somebody else may take it.
        Some((0..5).find_map(|_| Self::try_start()).expect("Orthanc starts"))
    }

    fn try_start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::new();
        let certificate = authority.server().write(folder.path(), "tls.pem");
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let data = folder.path().join("data");
        let settings = json!({
            "Name": "moulage", "HttpPort": port, "RemoteAccessAllowed": false, "DicomServerEnabled": false,
            "AuthenticationEnabled": true, "RegisteredUsers": { USER: PASSWORD },
            "SslEnabled": true, "SslCertificate": certificate, "SslMinimumProtocolVersion": 4,
            "StorageDirectory": data, "IndexDirectory": data, "OverwriteInstances": false, "HttpThreadsCount": 32,
            "Plugins": [DICOM_WEB], "DicomWeb": { "Enable": true, "Root": "/dicom-web/" },
        });
        let path = folder.path().join("orthanc.json");
        fs::write(&path, settings.to_string()).expect("a file in a temporary folder");
        let log = fs::File::create(folder.path().join("orthanc.log")).expect("a file in a temporary folder");
        let errors = log.try_clone().expect("a file that is open");
        let process = Command::new(ORTHANC)
            .arg(path)
            .env("LD_LIBRARY_PATH", openssl_3(folder.path()))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("Orthanc can be executed");
        let root = authority.certificate();
        let client = client(&root);
        let mut orthanc = Self { process, port, root, client, _folder: folder };
        orthanc.wait_until_it_answers().then_some(orthanc)
    }

    /// Where its DICOMweb services are.
    #[must_use]
    pub fn dicom_web(&self) -> String {
        format!("https://localhost:{}/dicom-web", self.port)
    }

    /// The port it listens on, at 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed its certificate, PEM.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// All that it holds: SOPInstanceUID -> MD5 of the file, as the archive itself computed it.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn holdings(&self) -> BTreeMap<String, String> {
        let Value::Array(instances) = self.get("instances?expand") else { panic!("a list of instances") };
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let holdings: BTreeMap<String, String> = instances
            .iter()
            .map(|instance| {
                let id = text(&instance["ID"]);
                let md5 = self.text(&format!("instances/{id}/attachments/dicom/md5"));
                (text(&instance["MainDicomTags"]["SOPInstanceUID"]), md5)
            })
            .collect();
        assert_eq!(holdings.len(), instances.len(), "the archive holds a UID twice");
        holdings
    }

    fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).expect("JSON")
    }

    fn text(&self, path: &str) -> String {
        let url = format!("https://localhost:{}/{path}", self.port);
        let answer = self.client.get(url).basic_auth(USER, Some(PASSWORD)).send().expect("Orthanc answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().expect("a text")
    }

    fn wait_until_it_answers(&mut self) -> bool {
        let begun = Instant::now();
        let url = format!("https://localhost:{}/system", self.port);
        while begun.elapsed() < Duration::from_secs(30) {
            // It is ours when our authority's certificate is accepted there.
            if self.client.get(&url).basic_auth(USER, Some(PASSWORD)).send().is_ok_and(|a| a.status().is_success()) {
                return true;
            }
            if self.process.try_wait().expect("a child of ours").is_some() {
                return false;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("Orthanc does not answer")
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        // It keeps nothing that anybody will read again.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// MD5 of a file, as Orthanc tells it.
#[must_use]
pub fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn client(root: &str) -> Client {
    // Who comes second finds the first one's: both are ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = Certificate::from_pem(root.as_bytes()).expect("a certificate");
    let builder = Client::builder().tls_certs_only([root]).timeout(Duration::from_secs(30)).no_proxy();
    // Orthanc closes idle connections after a second.
    builder.pool_max_idle_per_host(0).build().expect("a client")
}

/// Debian 12's civetweb asks OpenSSL by name for `SSL_get_peer_certificate`, which OpenSSL 3 calls otherwise, and calls null:
/// Orthanc dies of the first TLS connection. A `libssl.so` that has the old name too, found first, cures it.
fn openssl_3(folder: &Path) -> &Path {
    let source = "void *SSL_get1_peer_certificate(const void *);\n\
                  void *SSL_get_peer_certificate(const void *s) { return SSL_get1_peer_certificate(s); }\n";
    for (library, source, of) in [("libssl.so", source, "-l:libssl.so.3"), ("libcrypto.so", "", "-l:libcrypto.so.3")] {
        let library = folder.join(library);
        let arguments = ["-shared", "-fPIC", "-x", "c", "-", "-Wl,--no-as-needed", of, "-o"];
        let arguments = arguments.iter().map(|word| word.as_ref()).chain([library.as_os_str()]);
        let ran = programs::run("cc", arguments, source.as_bytes());
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_wants_tls_and_a_password_and_ends() {
        let Some(orthanc) = Orthanc::start() else { return };
        assert!(orthanc.holdings().is_empty());
        let studies = format!("{}/studies", orthanc.dicom_web());
        let status = |password| {
            let request = orthanc.client.get(&studies).basic_auth(USER, Some(password));
            request.send().expect("an answer").status().as_u16()
        };
        assert_eq!((status(PASSWORD), status("another")), (200, 401));
        let stranger = client(&Authority::new().certificate());
        assert!(stranger.get(&studies).send().is_err());
        let plain = studies.replace("https", "http");
        assert!(!orthanc.client.get(plain).send().is_ok_and(|answer| answer.status().is_success()));
        let port = orthanc.port();
        drop(orthanc);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn md5_is_written_as_orthanc_writes_it() {
        assert_eq!(md5(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
    }
}
