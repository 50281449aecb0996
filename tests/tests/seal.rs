//! Sealed items, opened by OpenSSL and by Bouncy Castle.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, TimeDelta};
use moulage::clock::SystemRandomness;
use moulage::seal::{
    DeviceKey, Institution, InstitutionKey, Keystore, KeystoreError, Recipients, SealError, Signer, TrustedSigners,
    open, seal, unseal,
};
use moulage_tests::programs::{available, run, skipped};
use moulage_tests::random::noise;
use tempfile::TempDir;
use zeroize::Zeroizing;

const JARS: [&str; 3] = ["/usr/share/java/bcprov.jar", "/usr/share/java/bcpkix.jar", "/usr/share/java/bcutil.jar"];

/// Keeps the key as it is, so that the test can hand it to the other programs.
struct OpenKeystore;

impl Keystore for OpenKeystore {
    fn seal(&self, _: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        Ok(secret.to_vec())
    }

    fn unseal(&self, _: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        Ok(Zeroizing::new(sealed.to_vec()))
    }
}

/// OpenSSL signs.
struct OpensslSigner {
    key: PathBuf,
    certificate: Vec<u8>,
}

impl Signer for OpensslSigner {
    fn certificates(&self) -> Vec<Vec<u8>> {
        vec![self.certificate.clone()]
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let signed = run("openssl", ["dgst", "-sha256", "-sign", self.key.to_str().unwrap()], message);
        if signed.status.success() { Ok(signed.stdout) } else { Err(KeystoreError::Unavailable) }
    }
}

/// Keys and certificates made for one test, and the items.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.text(name)
    }

    /// `name.key`, and `name.crt` with these extensions, each in PEM and in DER.
    fn make(&self, name: &str, key: &str, extensions: &[&str]) {
        let (key_file, certificate) = (self.text(&format!("{name}.key")), self.text(&format!("{name}.crt")));
        let mut arguments = vec!["genpkey", "-out", &key_file];
        arguments.extend(key.split(' '));
        openssl(&arguments);
        let subject = format!("/CN=Moulage test {name}");
        let mut arguments = vec!["req", "-x509", "-new", "-key", &key_file, "-days", "10", "-subj", &subject];
        arguments.extend(["-out", &certificate]);
        extensions.iter().for_each(|extension| arguments.extend(["-addext", extension]));
        openssl(&arguments);
        openssl(&["x509", "-in", &certificate, "-outform", "DER", "-out", &self.text(&format!("{name}.crt.der"))]);
        let der = self.text(&format!("{name}.key.der"));
        openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", &key_file, "-outform", "DER", "-out", &der]);
    }

    fn institution(&self, name: &str) -> Result<Institution, SealError> {
        Institution::from_certificate(&self.read(&format!("{name}.crt")))
    }

    fn signer(&self) -> Arc<dyn Signer> {
        self.make("signer", EC256, &["keyUsage=critical,digitalSignature"]);
        Arc::new(OpensslSigner { key: self.path("signer.key"), certificate: self.read("signer.crt.der") })
    }
}

const EC256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve";
const EC384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384 -pkeyopt ec_param_enc:named_curve";
const RSA3072: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:3072";
const RSA4096: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:4096";
const AGREEMENT: &str = "keyUsage=critical,keyAgreement";
const ENCIPHERMENT: &str = "keyUsage=critical,keyEncipherment";

/// Name, key, and what Bouncy Castle calls it.
const INSTITUTIONS: [(&str, &str, &str, &str); 4] = [
    ("p256", EC256, AGREEMENT, "ec"),
    ("p384", EC384, AGREEMENT, "ec"),
    ("rsa3072", RSA3072, ENCIPHERMENT, "rsa"),
    ("rsa4096", RSA4096, ENCIPHERMENT, "rsa"),
];

fn openssl(arguments: &[&str]) -> Output {
    let done = run("openssl", arguments, b"");
    assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    done
}

fn now() -> DateTime<FixedOffset> {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|d| d.as_secs() as i64)
        .map_or_else(|_| panic!("before 1970"), |seconds| DateTime::from_timestamp(seconds, 0).unwrap().fixed_offset())
}

fn device() -> (Arc<DeviceKey>, String, String) {
    let (key, blob) = DeviceKey::create(&OpenKeystore, &SystemRandomness).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let id = hex(key.id().as_bytes());
    (Arc::new(key), id, hex(&blob[24..]))
}

/// One opening of one item: what the other program needs for it, and what must come out.
struct Opening {
    item: String,
    recipient: &'static str,
    signed: bool,
    object: Vec<u8>,
}

#[test]
fn openssl_and_bouncy_castle_open_what_is_sealed() {
    if !available(&["openssl"]) {
        return;
    }
    let place = Place::new();
    for (name, key, usage, _) in INSTITUTIONS {
        place.make(name, key, &[usage]);
    }
    let (device, id, key) = device();
    let signer = place.signer();
    let mut sets: Vec<Vec<&'static str>> = INSTITUTIONS.iter().map(|(name, ..)| vec![*name]).collect();
    sets.extend([vec!["device"], vec!["device", "p256"], vec!["device", "p256", "p384", "rsa3072"]]);
    let mut openings = Vec::new();
    let mut items = 0;
    for (set, names) in sets.iter().enumerate() {
        for length in [0, 1, 4096, 70_001] {
            for signed in [false, true] {
                let institutions = names.iter().filter(|name| **name != "device");
                let recipients = Recipients {
                    device: names.contains(&"device").then(|| device.clone()),
                    institutions: institutions.map(|name| place.institution(name).unwrap()).collect(),
                    signer: signed.then(|| signer.clone()),
                };
                let object = noise(length as u64, length);
                let sealed = seal(&object, &recipients, now(), &SystemRandomness).unwrap();
                let item = place.write(&format!("{set}-{length}-{signed}.cms"), &sealed);
                items += 1;
                openings.extend(names.iter().map(|recipient| Opening {
                    item: item.clone(),
                    recipient,
                    signed,
                    object: object.clone(),
                }));
            }
        }
    }
    assert!(items >= 40, "{items}");

    for Opening { item, recipient, signed, object } in &openings {
        let content = place.text("content");
        let mut arguments = vec!["cms", "-decrypt", "-binary", "-inform", "DER", "-in", item, "-out", &content];
        let (private, certificate) = (place.text(&format!("{recipient}.key")), place.text(&format!("{recipient}.crt")));
        match *recipient {
            "device" => arguments.extend(["-secretkey", &key, "-secretkeyid", &id]),
            _ => arguments.extend(["-inkey", &private, "-recip", &certificate]),
        }
        openssl(&arguments);
        if *signed {
            let (opened, authority) = (place.text("opened"), place.text("signer.crt"));
            let verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", &content, "-out", &opened];
            openssl(&[&verify[..], &["-CAfile", &authority, "-purpose", "any"]].concat());
            assert!(place.read("opened") == *object, "{item} {recipient}");
        } else {
            assert!(place.read("content") == *object, "{item} {recipient}");
        }
    }
    bouncy_castle_opens(&place, &openings, &key);
}

/// All in one process; and what is damaged, it refuses.
fn bouncy_castle_opens(place: &Place, openings: &[Opening], device_key: &str) {
    if !available(&["java"]) {
        return;
    }
    if !JARS.iter().all(|jar| Path::new(jar).is_file()) {
        assert!(std::env::var_os("MOULAGE_REQUIRE_TOOLS").is_none(), "Bouncy Castle is missing: libbcpkix-java");
        return skipped("Bouncy Castle is missing");
    }
    let mut lines = Vec::new();
    let mut line = |item: &str, opening: &Opening| {
        let kind =
            INSTITUTIONS.iter().find(|(name, ..)| *name == opening.recipient).map_or("device", |(.., kind)| kind);
        let key = match kind {
            "device" => device_key.to_owned(),
            _ => place.text(&format!("{}.key.der", opening.recipient)),
        };
        let signer = if opening.signed { place.text("signer.crt.der") } else { "-".into() };
        lines.push(format!("{item} {kind} {key} {signer} {}", place.text(&format!("opened-{}", lines.len()))));
    };
    openings.iter().for_each(|opening| line(&opening.item, opening));
    for opening in openings {
        let mut damaged = fs::read(&opening.item).unwrap();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        fs::write(format!("{}.damaged", opening.item), damaged).unwrap();
        line(&format!("{}.damaged", opening.item), opening);
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seal/OpenSealed.java");
    let ran = run("java", ["-cp", &JARS.join(":"), source.to_str().unwrap()], lines.join("\n").as_bytes());
    let said = String::from_utf8(ran.stdout).unwrap();
    let answers: Vec<&str> = said.lines().collect();
    assert_eq!(answers.len(), 2 * openings.len(), "{}", String::from_utf8_lossy(&ran.stderr));
    for (at, (answer, opening)) in answers.iter().zip(openings).enumerate() {
        let why = || format!("{} {}: {}", opening.item, opening.recipient, String::from_utf8_lossy(&ran.stderr));
        assert_eq!(*answer, "opened", "{}", why());
        assert!(place.read(&format!("opened-{at}")) == opening.object, "{}", why());
    }
    assert!(answers[openings.len()..].iter().all(|answer| *answer == "refused"), "{said}");
}

#[test]
fn weak_and_unsuitable_certificates_are_refused() {
    if !available(&["openssl"]) {
        return;
    }
    let place = Place::new();
    for (what, key, extensions) in [
        ("RSA 2048", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", &[ENCIPHERMENT][..]),
        (
            "RSA exponent 3",
            "-algorithm RSA -pkeyopt rsa_keygen_bits:3072 -pkeyopt rsa_keygen_pubexp:3",
            &[ENCIPHERMENT],
        ),
        ("RSA-PSS", "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:3072", &[]),
        ("RSA for signatures", RSA3072, &["keyUsage=digitalSignature"]),
        ("RSA for agreement", RSA3072, &[AGREEMENT]),
        ("P-521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521", &[AGREEMENT]),
        ("secp256k1", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", &[AGREEMENT]),
        (
            "explicit curve",
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            &[AGREEMENT],
        ),
        ("Ed25519", "-algorithm ED25519", &[]),
        ("P-256 for signatures", EC256, &["keyUsage=critical,digitalSignature"]),
        ("P-256 for encipherment", EC256, &[ENCIPHERMENT]),
        ("critical and not known", EC256, &[AGREEMENT, "1.2.3.4=critical,ASN1:NULL"]),
        ("critical extended usage", EC256, &[AGREEMENT, "extendedKeyUsage=critical,serverAuth"]),
    ] {
        place.make("weak", key, extensions);
        let refused = place.institution("weak").err();
        assert!(matches!(refused, Some(SealError::CertificateUnsupported(_))), "{what}: {refused:?}");
    }
    for (what, key, extensions) in [
        ("no usage", EC256, &[][..]),
        ("RSA without usage", RSA3072, &[]),
        ("two usages", EC384, &["keyUsage=digitalSignature,keyAgreement"]),
        ("not critical and not known", EC256, &[AGREEMENT, "1.2.3.4=ASN1:NULL"]),
    ] {
        place.make("sound", key, extensions);
        let institution = place.institution("sound");
        assert!(institution.as_ref().is_ok_and(|institution| institution.check(now()).is_ok()), "{what}");
        let late = now() + TimeDelta::days(11);
        assert_eq!(institution.unwrap().check(late), Err(SealError::CertificateExpired), "{what}");
    }
}

/// The certificates of a device, its authority, and of others that only claim to be.
#[test]
fn devices_are_trusted_by_their_authority() {
    if !available(&["openssl"]) {
        return;
    }
    let place = Place::new();
    place.make("p256", EC256, &[AGREEMENT]);
    let key = InstitutionKey::from_pem(&place.read("p256.key"), &place.read("p256.crt")).unwrap();
    let ca = "basicConstraints=critical,CA:TRUE";
    place.make("device", EC256, &["keyUsage=critical,digitalSignature"]);
    let request = place.text("device.csr");
    openssl(&["req", "-new", "-key", &place.text("device.key"), "-subj", "/CN=device", "-out", &request]);
    for (authority, extensions, trusted) in [
        (EC256, &[ca, "keyUsage=critical,keyCertSign"][..], true),
        (EC384, &[ca], true),
        (RSA3072, &[ca], true),
        (EC256, &[ca, "keyUsage=critical,digitalSignature"], false),
        (EC256, &["basicConstraints=critical,CA:FALSE"], false),
    ] {
        place.make("authority", authority, extensions);
        let hash = if authority == EC384 { "-sha384" } else { "-sha256" };
        let (certificate, der) = (place.text("authority.crt"), place.text("device.crt.der"));
        let mut arguments =
            vec!["x509", "-req", hash, "-in", &request, "-CA", &certificate, "-set_serial", "5", "-days", "5"];
        let key_file = place.text("authority.key");
        arguments.extend(["-CAkey", &key_file, "-outform", "DER", "-out", &der]);
        openssl(&arguments);
        let signer = OpensslSigner { key: place.path("device.key"), certificate: place.read("device.crt.der") };
        let recipients = Recipients {
            institutions: vec![place.institution("p256").unwrap()],
            signer: Some(Arc::new(signer)),
            ..Recipients::default()
        };
        let sealed = seal(b"object", &recipients, now() + TimeDelta::seconds(1), &SystemRandomness).unwrap();
        let by = |name: &str| {
            let trusted = TrustedSigners::from_pem(&place.read(name)).unwrap();
            unseal(&sealed, &key, Some(&trusted)).err()
        };
        assert_eq!(by("authority.crt"), if trusted { None } else { Some(SealError::SignerUntrusted) });
        // Another one of the same name.
        place.make("authority", authority, extensions);
        assert_eq!(by("authority.crt"), Some(SealError::SignerUntrusted));
    }
}

/// The hospital's way with nothing but OpenSSL: the object, or nothing at all.
#[test]
fn the_script_opens_or_leaves_nothing() {
    if !available(&["openssl", "sh"]) {
        return;
    }
    let place = Place::new();
    for (name, key, usage, _) in INSTITUTIONS {
        place.make(name, key, &[usage]);
    }
    let (device, ..) = device();
    let signer = place.signer();
    let all = |signer| Recipients {
        device: Some(device.clone()),
        institutions: INSTITUTIONS.iter().map(|(name, ..)| place.institution(name).unwrap()).collect(),
        signer,
    };
    let object = noise(7, 5000);
    let plain = seal(&object, &all(None), now(), &SystemRandomness).unwrap();
    let signed = seal(&object, &all(Some(signer)), now(), &SystemRandomness).unwrap();
    assert!(*open(&signed, &device).unwrap() == object);
    let mut damaged = signed.clone();
    let middle = damaged.len() - 3000;
    damaged[middle] ^= 1;
    fs::create_dir(place.path("out")).unwrap();
    for (name, bytes) in
        [("plain", &plain), ("signed", &signed), ("damaged", &damaged), ("cut", &signed[..4000].to_vec())]
    {
        place.write(name, bytes);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tools/unseal.sh");
    let call = |options: &[&str], recipient: &str, key: &str, item: &str| {
        let (key, certificate) = (place.text(&format!("{key}.key")), place.text(&format!("{recipient}.crt")));
        let (item, out) = (place.text(item), place.text("out/object.dcm"));
        let mut arguments = vec![script.to_str().unwrap()];
        arguments.extend(options);
        arguments.extend([&key[..], &certificate, &item, &out]);
        let ran = run("sh", arguments, b"");
        let left: Vec<_> = fs::read_dir(place.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        (ran, left)
    };
    let (signers, strangers) = (place.text("signer.crt"), place.text("p256.crt"));
    let sha256 = openssl(&["dgst", "-sha256", "-r", &place.write("object", &object)]).stdout;
    let sha256 = std::str::from_utf8(&sha256).unwrap()[..64].to_owned();
    for (recipient, ..) in INSTITUTIONS {
        for (item, options) in [("plain", &[][..]), ("signed", &[]), ("signed", &["-s", &signers, "-d", &sha256])] {
            let (ran, left) = call(options, recipient, recipient, item);
            assert!(ran.status.success(), "{recipient} {item}: {}", String::from_utf8_lossy(&ran.stderr));
            assert_eq!(left, ["object.dcm"]);
            assert!(place.read("out/object.dcm") == object);
            assert_eq!(String::from_utf8(ran.stdout).unwrap().trim(), sha256);
            // What is there is not replaced.
            assert!(!call(&[], recipient, recipient, item).0.status.success());
            fs::remove_file(place.path("out/object.dcm")).unwrap();
        }
    }
    let zeros = "0".repeat(64);
    for (options, recipient, key, item) in [
        (&[][..], "p256", "p256", "damaged"),
        (&[], "p256", "p256", "cut"),
        (&[], "p256", "p256", "object"),
        (&[], "p256", "p384", "plain"),
        (&[], "rsa3072", "rsa4096", "plain"),
        (&[], "signer", "signer", "plain"),
        (&["-s", &signers], "p256", "p256", "plain"),
        (&["-s", &strangers], "p256", "p256", "signed"),
        (&["-d", &zeros], "p256", "p256", "signed"),
    ] {
        let (ran, left) = call(options, recipient, key, item);
        assert_eq!(ran.status.code(), Some(3), "{options:?} {recipient} {key} {item}");
        assert!(left.is_empty(), "{left:?}");
        assert!(ran.stdout.is_empty());
    }
    if available(&["shellcheck"]) {
        let checked = run("shellcheck", [script.to_str().unwrap()], b"");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}
