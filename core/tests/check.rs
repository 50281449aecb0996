//! `dicom::check` against objects that others made: the clean references of the shared referee, and its mutants.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stderr, reason = "a test that looks at nothing must say so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use moulage::dicom::check;

/// Writes each mutant to a folder and prints reference, name and the code that must be found. What make_broken.py itself does
/// with them (running other validators) is not wanted here.
const MUTATE: &str = r"
import copy, sys, warnings, pydicom, make_broken as b
warnings.simplefilter('ignore')
for ref, name, mutate, want in b.TRAPS:
    ds, path = copy.deepcopy(pydicom.dcmread(b.HERE / f'{ref}.dcm')), f'{sys.argv[1]}/{ref}.{name}.dcm'
    if mutate: mutate(ds)
    ds.save_as(path, enforce_file_format=False)
    if not mutate: open(path, 'ab').write(bytes.fromhex('feffdde000000000'))
    print(ref, name, want, sep='\t')
";

/// What needs the profile of de-identification: `check` does not know it.
const OUT_OF_SCOPE: [&str; 4] =
    ["deid-admission-id-left", "deid-issuer-left", "deid-private-scheme-left", "deid-timezone-left"];

fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("MOULAGE_SHARED").map_or(beside, PathBuf::from);
    let found = folder.join("referee/reference").is_dir().then_some(folder);
    if found.is_none() {
        eprintln!("SKIPPED: no shared folder beside the checkout, and MOULAGE_SHARED names none");
    }
    found
}

fn codes(path: &Path) -> Vec<&'static str> {
    check(&fs::read(path).unwrap()).err().into_iter().flatten().map(|finding| finding.code).collect()
}

#[test]
fn clean_references_have_no_finding() {
    let Some(shared) = shared() else { return };
    for name in ["vl_photo", "sc_photo", "dermoscopic", "vl_photo_deid"] {
        let bytes = fs::read(shared.join(format!("referee/reference/{name}.dcm"))).unwrap();
        assert_eq!(check(&bytes).err(), None, "{name}");
    }
}

#[test]
fn every_mutant_is_found_for_its_reason() {
    let Some(shared) = shared() else { return };
    let python = std::env::var("REFEREE_VENV").unwrap_or("/tmp/refvenv".into()) + "/bin/python";
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{0}/referee/reference:{0}/referee", shared.display());
    let made = match Command::new(&python).args(["-c", MUTATE]).arg(folder.path()).env("PYTHONPATH", path).output() {
        Ok(made) => made,
        Err(_) => return eprintln!("SKIPPED: no {python}; set REFEREE_VENV"),
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let list = String::from_utf8(made.stdout).unwrap();
    let (mut seen, mut missed) = (0, Vec::new());
    for line in list.lines() {
        let [reference, name, want] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let found = codes(&folder.path().join(format!("{reference}.{name}.dcm")));
        seen += 1;
        if !found.contains(&want) && !OUT_OF_SCOPE.contains(&name) {
            missed.push(format!("{name}: {want} not in {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{} of {seen} missed:\n{}", missed.len(), missed.join("\n"));
    assert_eq!(seen, 70);
}

#[test]
fn damaged_files_end_in_findings() {
    let Some(shared) = shared() else { return };
    let clean = fs::read(shared.join("referee/reference/sc_photo.dcm")).unwrap();
    for end in (0..clean.len()).step_by(97) {
        assert!(check(&clean[..end]).is_err(), "cut at {end}");
    }
    // A fixed generator: the same flips every time. A flip may leave a clean object (a pixel, a name), never a panic.
    let mut state = 1u64;
    for _ in 0..2_000 {
        let mut bytes = clean.clone();
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % if state & 1 == 0 { 3000 } else { bytes.len() };
            bytes[at] ^= 1 << (state >> 24 & 7);
        }
        let _ = check(&bytes);
    }
}
