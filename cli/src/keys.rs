//! `moulage keys`: keys and certificates to test with. A hospital makes its own, where they cannot be copied.

use std::path::PathBuf;

use chrono::{Datelike as _, TimeDelta, Utc};
use clap::Args;
use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose, date_time_ymd};
use rsa::pkcs8::EncodePrivateKey as _;

use crate::archive::store_new;
use crate::choice::choice;
use crate::console::Console;
use crate::failure::{Exit, Failure};

#[derive(Args)]
pub(crate) struct KeysArgs {
    /// Where they go: institution.key, institution.crt, signer.key, signer.crt; none that is there is replaced
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The institution's key; a signer's is always of P-256
    #[arg(long, value_name = "KIND", default_value = "p256", value_parser = choice(KINDS))]
    kind: Kind,
    /// How long the certificates last
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

#[derive(Clone, Copy)]
enum Kind {
    P256,
    P384,
    Rsa3072,
}

const KINDS: &[(&str, Kind)] = &[("p256", Kind::P256), ("p384", Kind::P384), ("rsa3072", Kind::Rsa3072)];

impl KeysArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        let usage = match self.kind {
            Kind::Rsa3072 => KeyUsagePurpose::KeyEncipherment,
            Kind::P256 | Kind::P384 => KeyUsagePurpose::KeyAgreement,
        };
        let unmade = || Failure::new(Exit::Trouble, "keys-unmade", "the keys cannot be made");
        let mut files = Vec::new();
        for (name, kind, usage) in
            [("institution", self.kind, usage), ("signer", Kind::P256, KeyUsagePurpose::DigitalSignature)]
        {
            let (key, pem) = key_pair(kind).ok_or_else(unmade)?;
            let certificate = self.certificate(name, usage, &key).ok_or_else(unmade)?;
            files.extend([(format!("{name}.key"), pem), (format!("{name}.crt"), certificate.into())]);
        }
        for (name, pem) in files {
            let stored = store_new(&self.out.join(name), pem.as_bytes());
            stored.map_err(|error| Failure::unwritable("a key", &error))?;
        }
        console.say("an institution's and a signer's key, each with its certificate: for tests, not for patients");
        Ok(())
    }

    /// Signed with its own key, valid from yesterday, whatever the time zone.
    fn certificate(&self, name: &str, usage: KeyUsagePurpose, key: &KeyPair) -> Option<String> {
        let day = |days: i64| {
            let day = Utc::now().date_naive().checked_add_signed(TimeDelta::days(days))?;
            Some(date_time_ymd(day.year(), day.month() as u8, day.day() as u8))
        };
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, format!("Moulage test {name}"));
        parameters.not_before = day(-1)?;
        parameters.not_after = day(i64::from(self.days))?;
        parameters.key_usages = vec![usage];
        Some(parameters.self_signed(key).ok()?.pem())
    }
}

/// A new key pair, and its private key in PKCS#8.
fn key_pair(kind: Kind) -> Option<(KeyPair, zeroize::Zeroizing<String>)> {
    let key = match kind {
        Kind::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).ok()?,
        Kind::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).ok()?,
        Kind::Rsa3072 => {
            let key = <rsa::PrivateKey as rsa::Generate>::try_generate().ok()?.to_pkcs8_pem(Default::default()).ok()?;
            KeyPair::from_pkcs8_pem_and_sign_algo(&key, &rcgen::PKCS_RSA_SHA256).ok()?
        }
    };
    let pem = key.serialize_pem().into();
    Some((key, pem))
}
