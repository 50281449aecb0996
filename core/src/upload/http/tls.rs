//! How the other side is recognised, and what we show it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, FixedOffset};
use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use crate::error::HttpError;

/// Who may vouch for a server.
#[derive(Clone, Default)]
pub enum Roots {
    /// The certificate authorities of the system; also those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    #[default]
    Platform,
    /// These and no others: certificates in PEM, or one in DER.
    Only(Vec<u8>),
}

/// The public keys that a server may have, besides a valid certificate.
///
/// At least two, since the second is the way out when the first is lost. Only the server's own certificate is compared: an
/// authority's key among the certificates that a server sends proves nothing, since anybody can send it.
#[derive(Debug, Clone)]
pub struct Pins {
    digests: Vec<[u8; 32]>,
    expires: i64,
}

impl Pins {
    /// SHA-256 digests of SubjectPublicKeyInfo in base64, 44 characters each, with or without `sha256/` in front; from
    /// `expires` on they count no more, so that forgotten pins do not keep photos from the archive for ever.
    ///
    /// # Errors
    /// [`HttpError::Pin`] for a text that is no such digest, [`HttpError::TooFewPins`] for fewer than two different ones.
    pub fn new<'a>(pins: impl IntoIterator<Item = &'a str>, expires: DateTime<FixedOffset>) -> Result<Self, HttpError> {
        let mut digests = pins.into_iter().map(digest_of).collect::<Result<Vec<_>, _>>()?;
        digests.sort_unstable();
        digests.dedup();
        if digests.len() < 2 {
            return Err(HttpError::TooFewPins);
        }
        Ok(Self { digests, expires: expires.timestamp() })
    }

    fn refuse(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<bool, rustls::Error> {
        if i64::try_from(now.as_secs()).is_ok_and(|now| now >= self.expires) {
            return Ok(false);
        }
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        Ok(!self.digests.iter().any(|pin| pin == digest::digest(&digest::SHA256, &key).as_ref()))
    }
}

fn digest_of(pin: &str) -> Result<[u8; 32], HttpError> {
    let base64 = pin.strip_prefix("sha256/").unwrap_or(pin);
    let mut digest = [0; 32];
    match STANDARD.decode_slice(base64, &mut digest) {
        Ok(32) => Ok(digest),
        _ => Err(HttpError::Pin),
    }
}

/// Our own certificate, for servers that want one. Cannot be printed.
#[derive(Clone)]
pub struct ClientCertificate(Arc<CertifiedKey>);

impl ClientCertificate {
    /// The chain, ours first, and its private key (PKCS#8, PKCS#1 or SEC1), both in PEM.
    ///
    /// # Errors
    /// [`HttpError::ClientCertificate`] when one cannot be read, or they do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, HttpError> {
        let unreadable = |_| HttpError::ClientCertificate;
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(unreadable)?;
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|_| HttpError::ClientCertificate)?;
        Ok(Self(Arc::new(certified)))
    }
}

/// TLS 1.2 or newer, with ring; every connection is verified anew, no session is resumed.
pub(super) struct Tls {
    pub(super) config: ClientConfig,
    pub(super) introduction: Arc<Introduction>,
}

impl Tls {
    pub(super) fn new(
        roots: &Roots,
        pins: Option<&Pins>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Self, HttpError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(store(roots)?), provider.clone()).build();
        let verifier = PinnedVerifier { webpki: webpki.map_err(|_| HttpError::Roots)?, pins: pins.cloned() };
        let introduction = Arc::new(Introduction {
            certificate: certificate.map(|certificate| certificate.0.clone()),
            asked: AtomicBool::new(false),
            accepted: AtomicBool::new(false),
        });
        let mut config = builder(provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(introduction.clone());
        config.resumption = Resumption::disabled();
        Ok(Self { config, introduction })
    }
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, HttpError> {
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions).map_err(|_| HttpError::Client)
}

fn store(roots: &Roots) -> Result<RootCertStore, HttpError> {
    let mut store = RootCertStore::empty();
    match roots {
        // What of the system's cannot be read is left out: it vouches for nobody.
        Roots::Platform => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Roots::Only(bytes) => {
            let pem =
                CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>().map_err(|_| HttpError::Roots)?;
            let certificates = if pem.is_empty() { vec![CertificateDer::from(bytes.clone())] } else { pem };
            for certificate in certificates {
                store.add(certificate).map_err(|_| HttpError::Roots)?;
            }
        }
    }
    if store.is_empty() { Err(HttpError::Roots) } else { Ok(store) }
}

/// What webpki says, and then the pins.
#[derive(Debug)]
struct PinnedVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    pins: Option<Pins>,
}

/// The server's key is not among the pins.
#[derive(Debug, thiserror::Error)]
#[error("the server's key is not pinned")]
struct NotPinned;

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        match &self.pins {
            Some(pins) if pins.refuse(end_entity, now)? => {
                Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into())
            }
            _ => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Has the server taken our certificate, or our having none?
///
/// In TLS 1.3 the handshake ends for the client before the server has looked at the client's certificate. A server that
/// asks for one gets no byte of a body until it has answered a request without one.
#[derive(Debug)]
pub(super) struct Introduction {
    certificate: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
    accepted: AtomicBool,
}

impl Introduction {
    /// May a body leave? To be asked when a connection is there.
    pub(super) fn is_over(&self) -> bool {
        !self.asked.load(Ordering::SeqCst) || self.accepted.load(Ordering::SeqCst)
    }

    /// The server answered.
    pub(super) fn accept(&self) {
        self.accepted.store(true, Ordering::SeqCst);
    }
}

impl ResolvesClientCert for Introduction {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::SeqCst);
        self.certificate.clone()
    }

    fn has_certs(&self) -> bool {
        self.certificate.is_some()
    }
}
