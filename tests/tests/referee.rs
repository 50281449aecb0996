//! Every good photograph as each of the four kinds of object, and as what an archive gets that refuses one: judged by DCMTK,
//! dciodvfy, pydicom and a search for what was hidden in it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use moulage::dicom::{SopClass, as_secondary_capture, in_explicit_vr};
use moulage::photo::{PrepareOptions, prepare};
use moulage_tests::programs::{available, run};
use moulage_tests::session::{self, CLASSES, IDENTITY, session};
use moulage_tests::{Expected, Fixture, fixtures, leaks, oracle};
use tempfile::TempDir;

/// What dciodvfy says wrongly of a dermoscopic object, as whole lines. It takes Frame of Reference for a mandatory module, which this IOD
/// has not got (PS3.3 A.32.11), and its list of modalities is older than DMS (C.7.3.1.1.1, 2023).
const KNOWN: [&str; 3] = [
    "Error - </FrameOfReferenceUID(0020,0052)> - Missing attribute for Type 1 Required - Module=<FrameOfReference>",
    "Error - </PositionReferenceIndicator(0020,1040)> - Missing attribute for Type 2 Required - Module=<FrameOfReference>",
    "Warning - </Modality(0008,0060)[1]> - Unrecognized defined term = <DMS>",
];

/// Says of each file, one a line: rows, columns and mean of the decoded pixels, or the error.
const PYDICOM: &str = "
import sys, pydicom
for line in sys.stdin:
    ds = pydicom.dcmread(line.strip())
    pixels = ds.pixel_array
    assert ds.SpecificCharacterSet == 'ISO_IR 192' and str(ds.PatientName) == 'Muster^Erika=山田^太郎', ds.PatientName
    print(*pixels.shape[-3 if ds.SamplesPerPixel == 3 else -2:][:2])
";

struct Object {
    fixture: Fixture,
    class: SopClass,
    path: PathBuf,
    bytes: Vec<u8>,
}

struct Objects {
    list: Vec<Object>,
    _folder: TempDir,
}

static OBJECTS: LazyLock<Objects> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    let mut list = Vec::new();
    for fixture in fixtures().into_iter().filter(|f| !matches!(f.expected, Expected::Refused(_))) {
        let (photo, _) =
            prepare(&fixture.bytes, &PrepareOptions::default()).unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
        let mut session = session();
        for class in CLASSES {
            let instance = session::object(&mut session, &photo, class)
                .unwrap_or_else(|e| panic!("{} as {}: {e}", fixture.name, class.key()));
            let mut keep = |class, bytes: Vec<u8>| {
                let path = folder.path().join(format!("{}.dcm", list.len()));
                std::fs::write(&path, &bytes).unwrap();
                list.push(Object { fixture: fixture.clone(), class, path, bytes });
            };
            // What an archive gets that refuses the class, or JPEG.
            if class == SopClass::VlPhotographic {
                keep(SopClass::SecondaryCapture, as_secondary_capture(instance.bytes()).unwrap());
                keep(class, in_explicit_vr(instance.bytes(), u64::MAX).unwrap());
            }
            keep(class, instance.into_bytes());
        }
    }
    Objects { list, _folder: folder }
});

/// Judges all objects on all cores and says all that is wrong at once.
fn on_each(judge: impl Fn(&Object) -> Result<(), String> + Sync) {
    let objects = &OBJECTS.list;
    assert!(objects.len() > 800);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let judged = |part: &[Object]| -> Vec<String> {
        part.iter()
            .filter_map(|o| judge(o).err().map(|e| format!("{} as {}: {e}", o.fixture.name, o.class.key())))
            .collect()
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let parts: Vec<_> =
            objects.chunks(objects.len().div_ceil(threads)).map(|part| scope.spawn(move || judged(part))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn dciodvfy_finds_no_error() {
    if !available(&["dciodvfy"]) {
        return;
    }
    on_each(|object| {
        let output = run("dciodvfy", ["-new", text(&object.path)], b"");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let known = |line: &&str| object.class == SopClass::Dermoscopic && KNOWN.contains(line);
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("Error") && !known(line)).collect();
        let iod = match object.class {
            SopClass::VlPhotographic => "VLPhotographicImage",
            SopClass::Dermoscopic => "DermoscopicPhotographyImage",
            SopClass::SecondaryCapture => "SCImage",
            SopClass::MultiFrameTrueColorSc => "MultiframeTrueColorSCImage",
        };
        let fine = output.status.success() || object.class == SopClass::Dermoscopic;
        if errors.is_empty() && fine && said.lines().any(|line| line == iod) { Ok(()) } else { Err(said) }
    });
}

#[test]
fn dcmtk_reads_every_object() {
    if !available(&["dcmftest", "dcmdump"]) {
        return;
    }
    let files: Vec<&str> = OBJECTS.list.iter().map(|object| text(&object.path)).collect();
    let tested = run("dcmftest", &files, b"");
    let said = String::from_utf8(tested.stdout).unwrap();
    assert!(
        tested.status.success()
            && said.lines().count() == files.len()
            && said.lines().all(|line| line.starts_with("yes: "))
    );
    for part in files.chunks(100) {
        let dumped = run("dcmdump", [&["+E", "-q"], part].concat(), b"");
        let complaints = String::from_utf8_lossy(&dumped.stderr).into_owned();
        assert!(dumped.status.success() && complaints.is_empty(), "{complaints}");
    }
}

#[test]
fn dcmtk_sees_the_upright_picture() {
    if !available(&["dcmj2pnm"]) {
        return;
    }
    on_each(|object| {
        let target = object.path.with_extension("pnm");
        let output = run("dcmj2pnm", ["+op", text(&object.path), text(&target)], b"");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let picture = oracle::pnm(&std::fs::read(&target).map_err(|e| e.to_string())?);
        std::fs::remove_file(&target).map_err(|e| e.to_string())?;
        if object.fixture.name == "PNG, alpha" { Ok(()) } else { oracle::shows_upright(&picture, &object.fixture) }
    });
}

#[test]
fn pydicom_reads_names_and_pixels() {
    if !available(&["dciodvfy", "python3"]) {
        return;
    }
    let files: String = OBJECTS.list.iter().map(|object| format!("{}\n", object.path.display())).collect();
    let output = run("python3", ["-W", "error", "-c", PYDICOM], files.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let expected: Vec<String> =
        OBJECTS.list.iter().map(|o| format!("{} {}", o.fixture.height, o.fixture.width)).collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn nothing_hidden_in_a_photo_is_in_its_objects() {
    on_each(|object| {
        let hits = leaks::find(&object.bytes, &object.fixture.sentinels);
        if hits.is_empty() { Ok(()) } else { Err(hits.join("; ")) }
    });
}

#[test]
fn the_library_finds_its_objects_clean_and_each_its_own() {
    let mut seen = std::collections::BTreeSet::new();
    for object in &OBJECTS.list {
        let checked = moulage::dicom::check(&object.bytes).unwrap_or_else(|e| panic!("{}: {e:?}", object.fixture.name));
        assert_eq!(checked.sop_class, object.class);
        seen.insert(object.bytes.clone());
        for identity in IDENTITY {
            assert!(
                memchr::memmem::find(&object.bytes, identity.as_bytes()).is_some(),
                "{}: the patient is not in it",
                object.fixture.name
            );
        }
    }
    assert!(seen.len() > 100);
}

#[test]
fn the_same_session_gives_the_same_bytes() {
    let fixture = moulage_tests::fixtures::everything();
    let (photo, _) = prepare(&fixture.bytes, &PrepareOptions::default()).unwrap();
    for class in CLASSES {
        let bytes = || session::object(&mut session(), &photo, class).unwrap().into_bytes();
        assert!(bytes() == bytes(), "{}", class.key());
    }
}
