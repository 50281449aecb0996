//! `keys` and `unseal`.

mod support;

use moulage::clock::SystemRandomness;
use moulage::seal::{Institution, Recipients, seal};
use serde_json::json;
use support::{Place, Ran, files};

/// Keys in `keys`, an item in `a.cms` sealed to their institution.
fn sealed(kind: &str) -> Place {
    let place = Place::new();
    let ran = place.run(["keys", "--out", "keys", "--kind", kind]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let certificate = std::fs::read(place.path("keys/institution.crt")).expect("it was made");
    let institutions = vec![Institution::from_certificate(&certificate).expect("a sound one")];
    let recipients = Recipients { institutions, ..Recipients::default() };
    let now = chrono::Utc::now().fixed_offset();
    let sealed = seal(b"an object", &recipients, now, &SystemRandomness).expect("a valid certificate");
    place.write("a.cms", &sealed);
    place
}

fn unseal(place: &Place, more: &[&str]) -> Ran {
    let keys = ["unseal", "--out", "out", "--key", "keys/institution.key", "--certificate", "keys/institution.crt"];
    place.run([&keys[..], more].concat())
}

#[test]
fn made_keys_unseal_what_is_sealed_to_them() {
    for kind in ["p256", "p384", "rsa3072"] {
        let place = sealed(kind);
        let ran = unseal(&place, &["a.cms", "a.cms", "--json"]);
        assert_eq!(ran.code, 4, "{}", ran.err);
        let lines = ran.lines();
        assert_eq!(lines[0], json!({ "item": 1, "outcome": "unsealed", "signed_by": null }));
        assert_eq!((&lines[1]["outcome"], &lines[1]["error"]["code"]), (&json!("failed"), &json!("archive-exists")));
        assert_eq!(files(&place.path("out")), [place.path("out/a.dcm")]);
        assert_eq!(std::fs::read(place.path("out/a.dcm")).unwrap(), b"an object");
    }
}

#[test]
fn what_cannot_be_opened_leaves_nothing() {
    let place = sealed("p256");
    let item = std::fs::read(place.path("a.cms")).unwrap();
    place.write("cut.cms", &item[..100]);
    let mut damaged = item.clone();
    *damaged.last_mut().unwrap() ^= 1;
    place.write("damaged.cms", &damaged);
    let mut later = item.clone();
    let version = later.windows(3).position(|bytes| bytes == [2, 1, 0]).unwrap();
    later[version + 2] = 1;
    place.write("later.cms", &later);
    place.write("empty.cms", b"");
    std::fs::File::create(place.path("large.cms")).unwrap().set_len(66 << 20).unwrap();
    std::fs::write(place.path("other.cms"), std::fs::read(sealed("p256").path("a.cms")).unwrap()).unwrap();
    for (item, code) in [
        ("cut.cms", "truncated"),
        ("damaged.cms", "damaged"),
        ("later.cms", "unknown-version"),
        ("empty.cms", "truncated"),
        ("large.cms", "too-large"),
        ("other.cms", "wrong-key"),
        ("missing.cms", "not-found"),
    ] {
        let ran = unseal(&place, &[item, "--json"]);
        assert_eq!((ran.code, &ran.lines()[0]["error"]["code"]), (3, &json!(code)), "{item}");
        assert!(ran.err.starts_with("moulage: item 1 of 1: refused: "), "{}", ran.err);
    }
    let ran = unseal(&place, &["a.cms", "--signers", "keys/signer.crt"]);
    assert_eq!((ran.code, ran.err.as_str()), (3, "moulage: item 1 of 1: refused: not signed [unsigned]\n"));
    assert!(files(&place.path("out")).is_empty());
}

#[test]
fn keys_that_do_not_serve_are_told_before_anything_is_done() {
    let place = sealed("p256");
    let with = |key: &str, certificate: &str| {
        place.run(["unseal", "--out", "out", "--key", key, "--certificate", certificate, "a.cms"])
    };
    for (key, certificate, code) in [
        ("keys/signer.key", "keys/institution.crt", "[key-unsupported]"),
        ("keys/institution.key", "keys/signer.crt", "[certificate-unsupported]"),
        ("keys/institution.key", "missing.crt", "[not-found]"),
        ("keys/institution.crt", "keys/institution.crt", "[key-unsupported]"),
    ] {
        let ran = with(key, certificate);
        assert!(ran.code == 2 && ran.err.contains(code), "{key}: {}", ran.err);
    }
    let ran = unseal(&place, &["a.cms", "--signers", "a.cms"]);
    assert!(ran.code == 2 && ran.err.contains("[certificate-unsupported]"), "{}", ran.err);
    // Nothing that is there is replaced.
    let ran = place.run(["keys", "--out", "keys"]);
    assert!(ran.code == 4 && ran.err.contains("[archive-exists]"), "{}", ran.err);
    assert_eq!(unseal(&place, &["a.cms"]).code, 0);
}

#[cfg(unix)]
#[test]
fn private_keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = sealed("p256");
    for name in ["institution.key", "signer.key"] {
        let mode = std::fs::metadata(place.path("keys").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let open_to_all = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(place.path("keys/institution.key"), open_to_all).unwrap();
    let ran = unseal(&place, &["a.cms"]);
    assert!(ran.code == 2 && ran.err.contains("[key-not-private]"), "{}", ran.err);
}
