//! Certificates for a test: an authority that nobody else trusts, and what it signs. ECDSA P-256.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// An authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM.
pub struct Certified {
    /// `CERTIFICATE`.
    pub certificate: String,
    /// `PRIVATE KEY`, PKCS#8.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When there is no randomness.
    #[must_use]
    pub fn new() -> Self {
        let mut params = named("Test authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("an authority signs itself");
        Self { issuer }
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// For a server on `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn server(&self) -> Certified {
        self.server_of(&["localhost", "127.0.0.1"], 2000, 2100)
    }

    /// For a server of these names; valid from the beginning of one year to that of another.
    #[must_use]
    pub fn server_of(&self, names: &[&str], from: i32, until: i32) -> Certified {
        let mut params = named(names.first().copied().unwrap_or_default(), names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        self.sign(params)
    }

    /// For a server on `localhost` that nobody vouches for but itself.
    ///
    /// # Panics
    /// When there is no randomness.
    #[must_use]
    pub fn self_signed() -> Certified {
        let key = key();
        let certificate = named("localhost", &["localhost", "127.0.0.1"]).self_signed(&key).expect("it signs itself");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// For a client.
    #[must_use]
    pub fn client(&self) -> Certified {
        let mut params = named("a phone", &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    /// For an institution that items are sealed to.
    #[must_use]
    pub fn institution(&self) -> Certified {
        let mut params = named("City Hospital", &[]);
        params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Certified {
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority signs");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Certified {
    /// The SHA-256 digest of the SubjectPublicKeyInfo, in base64: its pin.
    ///
    /// # Panics
    /// When the key is not one of ours.
    #[must_use]
    pub fn pin(&self) -> String {
        use base64::Engine as _;
        use rcgen::PublicKeyData as _;
        let key = KeyPair::from_pem(&self.key).expect("a key that was made here").subject_public_key_info();
        base64::engine::general_purpose::STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, &key))
    }

    /// Writes certificate and key into one file that only the owner may read.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        secret(folder, name, &format!("{}{}", self.certificate, self.key))
    }
}

/// Writes a file that only the owner may read.
///
/// # Panics
/// When it cannot be written.
#[must_use]
pub fn secret(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a file in a temporary folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
    path
}

fn named(name: &str, alternatives: &[&str]) -> CertificateParams {
    let alternatives: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(alternatives).expect("names of a host");
    params.distinguished_name.push(DnType::CommonName, name);
    // rcgen's own limit, the year 4096, is too much for some.
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("randomness")
}
