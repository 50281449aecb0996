//! What must not compile: each file of `tests/compile_fail` names its errors in its first line and fails with those alone.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The case that must compile, so that the others fail for their own reason.
const CONTROL: &str = "control";

#[test]
fn what_must_not_compile_does_not() {
    let cases = cases();
    assert!(cases.len() > 10);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/compile_fail");
    write_crate(&folder, &cases);
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet", "--keep-going", "--bins", "--message-format=json"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut compiled = BTreeSet::new();
    for message in messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let target = message["target"]["name"].as_str().unwrap_or_default().to_owned();
        if message["reason"] == "compiler-artifact" {
            compiled.insert(target);
        } else if message["message"]["level"] == "error" {
            let code = message["message"]["code"]["code"].as_str();
            let text = message["message"]["message"].as_str().unwrap_or_default();
            if !text.starts_with("aborting due to") {
                errors.entry(target).or_default().push(code.unwrap_or(text).to_owned());
            }
        }
    }
    assert!(
        compiled.contains(CONTROL),
        "the control does not compile: {errors:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (name, (_, codes)) in cases.iter().filter(|(name, _)| *name != CONTROL) {
        assert!(!compiled.contains(name), "{name} compiles");
        assert_eq!(errors.get(name), Some(codes), "{name}");
    }
}

/// Name -> source, error codes.
fn cases() -> BTreeMap<String, (String, Vec<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let case = |path: &Path| {
        let source = fs::read_to_string(path).unwrap();
        let codes = source.lines().next().unwrap().split("error[").skip(1);
        let codes: Vec<String> = codes.map(|rest| rest.split(']').next().unwrap().to_owned()).collect();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(!codes.is_empty() || name == CONTROL, "{name} does not say its errors");
        (name, (source, codes))
    };
    fs::read_dir(folder).unwrap().map(|entry| case(&entry.unwrap().path())).collect()
}

/// A crate of its own, one binary a case, with the versions of the workspace.
fn write_crate(folder: &Path, cases: &BTreeMap<String, (String, Vec<String>)>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let _ = fs::remove_dir_all(folder.join("src"));
    fs::create_dir_all(folder.join("src/bin")).unwrap();
    let manifest = format!(
        "[package]\nname = \"cases\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nmoulage = {{ path = {:?} }}\nserde_json = \"1\"\n",
        root.join("core")
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    for (name, (source, _)) in cases {
        fs::write(folder.join("src/bin").join(name).with_extension("rs"), source).unwrap();
    }
}
